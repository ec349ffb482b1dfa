"""What a server or the network said, in one sentence for the user; never a credential."""

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
"""Refusals that may go away by themselves, which obstore does not try again."""


@dataclass(frozen=True)
class Said:
    """What is known of a failed request."""

    status: int | None
    """None where no answer came."""
    code: str | None
    """The store's word for it; None where the answer had no body."""
    message: str
    """The first line of what was said."""


def read(error: Exception) -> Said:
    """Read what an error of obstore or boto3 says; obstore's quotes the server's answer."""
    if isinstance(answer := getattr(error, "response", None), dict):
        told = answer["Error"]
        return Said(answer["ResponseMetadata"]["HTTPStatusCode"], told["Code"], str(told.get("Message")))
    text = str(error)
    if "redirect without LOCATION" in text:  # obstore drops the rest of S3's PermanentRedirect
        return Said(301, "PermanentRedirect", "the server redirects elsewhere")
    status = re.search(r"status code: (\d{3})", text)
    code = re.search(r"<Code>(\w+)</Code>", text)
    message = re.search(r"<Message>([^<]*)</Message>", text) or re.search(r"HTTP error: ([^\n]*)", text)
    return Said(
        int(status[1]) if status else None,
        code[1] if code else None,
        message[1] if message else text.partition("\n")[0],
    )


def is_refusal(error: Exception) -> bool:
    """Return whether other credentials might have been accepted."""
    said = read(error)
    return (said.status in (401, 403) and said.code not in SKEWED) or said.code in EXPIRED


def is_transient(error: Exception) -> bool:
    """Return whether the same request may succeed a little later."""
    said = read(error)
    return said.code in AGAIN or said.status is None or said.status in (408, 429) or said.status >= 500


def explain(error: Exception, uri: str, doing: str, bucket: Bucket) -> StorageError:
    """Return the sentence for a failed request."""
    said = read(error)
    return (MissingError if missing(said) else StorageError)(f"{uri}: {sentence(said, doing, bucket)}")


def missing(said: Said) -> bool:
    """Return whether the bucket is there and the object is not."""
    return said.status == 404 and said.code not in NO_BUCKET | {"NoSuchUpload"}


def sentence(said: Said, doing: str, bucket: Bucket) -> str:
    """Return what happened and what to do."""
    name = bucket.place.bucket
    if missing(said):
        return "is not there: correct the URI, or upload it"
    if said.code in NO_BUCKET:
        return f"there is no bucket {name} at {bucket.endpoint}: create it, or correct the URI"
    if said.code == "NoSuchUpload":
        return "the upload was ended from elsewhere: see that nothing else writes there, and submit again"
    if said.code in EXPIRED:
        return "the credentials have expired: renew them (a new login or token) and submit again"
    if said.code in UNKNOWN_KEYS:
        return (
            f"{bucket.endpoint} does not know the credentials ({said.code}): correct the key and its secret"
        )
    if said.code in SKEWED:
        return (
            "the server refuses this machine's time as too far from its own: set the clock and submit again"
        )
    if said.code in ELSEWHERE or said.status == 301:
        return f"the bucket {name} is in another region ({said.message}): set AWS_REGION to the bucket's"
    if said.status in (401, 403):
        return f"access denied, {doing} is not allowed: give these credentials the right to it, or use others"
    if said.status is None or said.status >= 500:
        what = f"answers {said.status}" if said.status else f"cannot be reached ({said.message})"
        return (
            f"{bucket.endpoint} {what}, also after {bucket.deadline:g} s of trying again: "
            "check the endpoint, the network and the server, and submit again"
        )
    return f"{doing} failed ({said.status} {said.code or ''}: {said.message}): see what the server asks for"
