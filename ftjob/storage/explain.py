"""What a server or the network refusal, in one sentence for the user; never a credential."""

import re
from dataclasses import dataclass

from ftjob.errors import StorageError
from ftjob.storage.bucket import Bucket
from ftjob.storage.store import MissingError

EXPIRED = {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired"}
UNKNOWN_KEYS = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "InvalidClientTokenId"}
NO_BUCKET = {"NoSuchBucket", "ContainerNotFound", "InvalidBucketName"}
SKEWED = {"RequestTimeTooSkewed"}
ELSEWHERE = {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"}
AGAIN = {"RequestTimeout", "SlowDown", "NoSuchUpload", "BadDigest", "IncompleteBody", "OperationAborted"}
"""Answers that may go away by themselves, which obstore does not try again."""


@dataclass(frozen=True)
class Answer:
    """What is known of a failed request."""

    status: int | None
    """None where no answer came."""
    code: str | None
    """The store's word for it; None where the answer had no body."""
    message: str
    """The first line of the answer."""


def read(error: Exception) -> Answer:
    """Read what an error of obstore or boto3 says; obstore's quotes the server's answer."""
    if isinstance(answer := getattr(error, "response", None), dict):
        details = answer["Error"]
        return Answer(
            answer["ResponseMetadata"]["HTTPStatusCode"], details["Code"], str(details.get("Message"))
        )
    text = str(error)
    if "redirect without LOCATION" in text:  # obstore drops the rest of S3's PermanentRedirect
        return Answer(301, "PermanentRedirect", "the server redirects elsewhere")
    number = re.search(r"status code: (\d{3})", text)
    code = re.search(r"<Code>(\w+)</Code>", text)
    message = re.search(r"<Message>([^<]*)</Message>", text) or re.search(r"HTTP error: ([^\n]*)", text)
    return Answer(
        int(number[1]) if number else None,
        code[1] if code else None,
        message[1] if message else text.partition("\n")[0],
    )


def is_refusal(error: Exception) -> bool:
    """Return whether other credentials might have been accepted."""
    answer = read(error)
    return (answer.status in (401, 403) and answer.code not in SKEWED) or answer.code in EXPIRED


def is_transient(error: Exception) -> bool:
    """Return whether the same request may succeed a little later."""
    answer = read(error)
    return (
        answer.code in AGAIN or answer.status is None or answer.status in (408, 429) or answer.status >= 500
    )


def explain(error: Exception, uri: str, doing: str, bucket: Bucket) -> StorageError:
    """Return the sentence for a failed request."""
    answer = read(error)
    return (MissingError if missing(answer) else StorageError)(f"{uri}: {sentence(answer, doing, bucket)}")


def missing(answer: Answer) -> bool:
    """Return whether the bucket is there and the object is not."""
    return answer.status == 404 and answer.code not in NO_BUCKET | {"NoSuchUpload"}


def sentence(answer: Answer, doing: str, bucket: Bucket) -> str:
    """Return what happened and what to do."""
    name = bucket.place.bucket
    if missing(answer):
        return "is not there: correct the URI, or upload it"
    if answer.code in NO_BUCKET:
        return f"there is no bucket {name} at {bucket.endpoint}: create it, or correct the URI"
    if answer.code == "NoSuchUpload":
        return "the upload was ended from elsewhere: see that nothing else writes there, and submit again"
    if answer.code in EXPIRED:
        return "the credentials have expired: renew them (a new login or token) and submit again"
    if answer.code in UNKNOWN_KEYS:
        return (
            f"{bucket.endpoint} does not know the credentials ({answer.code}): correct the key and its secret"
        )
    if answer.code in SKEWED:
        return (
            "the server refuses this machine's time as too far from its own: set the clock and submit again"
        )
    if answer.code in ELSEWHERE or answer.status == 301:
        return f"the bucket {name} is in another region ({answer.message}): set AWS_REGION to the bucket's"
    if answer.status in (401, 403):
        return f"access denied, {doing} is not allowed: give these credentials the right to it, or use others"
    if answer.status is None or answer.status >= 500:
        what = f"answers {answer.status}" if answer.status else f"cannot be reached ({answer.message})"
        return (
            f"{bucket.endpoint} {what}, also after {bucket.deadline:g} s of trying again: "
            "check the endpoint, the network and the server, and submit again"
        )
    what = f"{answer.status} {answer.code or ''}: {answer.message}"
    return f"{doing} failed ({what}): see what the server asks for"
