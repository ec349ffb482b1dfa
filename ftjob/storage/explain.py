"""Turns an error of a server or the network into one sentence for the user, without credentials."""

import html
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
ARCHIVED = {"InvalidObjectState", "BlobArchived"}
AGAIN = {
    "BadDigest",
    "ConditionalRequestConflict",
    "IncompleteBody",
    "NoSuchUpload",
    "OperationAborted",
    "RequestTimeout",
    "SlowDown",
}
"""Refusals that may go away by themselves, which obstore does not try again."""
PAGE = "the answer is a web page, perhaps a proxy's"


@dataclass(frozen=True)
class RequestFailure:
    """What is known of a failed request."""

    status: int | None
    """None where no answer came."""
    code: str | None
    """The store's word for it; None where the answer had no body."""
    message: str
    """The store's words; else PAGE, the status in words, or the error's first line."""


def read(error: Exception) -> RequestFailure:
    """Return status, code and message of an error of obstore or boto3; obstore's quotes the answer."""
    if isinstance(answer := getattr(error, "response", None), dict):
        details = answer["Error"]
        return RequestFailure(
            answer["ResponseMetadata"]["HTTPStatusCode"], details["Code"], str(details.get("Message") or "")
        )
    text = str(error)
    if "redirect without LOCATION" in text:  # obstore drops the rest of S3's PermanentRedirect
        return RequestFailure(301, "PermanentRedirect", "the server redirects elsewhere")
    if "ETag Header missing" in text:
        return RequestFailure(200, None, "without an ETag, perhaps a proxy's page")
    status = re.search(r"status code: (\d{3}) ?([^:\n]*)", text)
    code = re.search(r"<Code>([\w.]+)</Code>", text)
    message = re.search(r"<Message>([^<]*)</Message>", text) or re.search(r"HTTP error: ([^\n]*)", text)
    if status and not code and re.search(r"status code: [^:\n]*:\s*<(!doctype |)html", text, re.IGNORECASE):
        return RequestFailure(int(status[1]), None, PAGE)
    return RequestFailure(
        int(status[1]) if status else None,
        code[1] if code else None,
        html.unescape(message[1]) if message else status[2] if status else text.partition("\n")[0],
    )


def is_refusal(error: Exception) -> bool:
    """Return whether other credentials might have been accepted."""
    failure = read(error)
    return (failure.status in (401, 403) and failure.code not in SKEWED) or failure.code in EXPIRED


def is_transient(error: Exception) -> bool:
    """Return whether the same request may succeed a little later."""
    failure = read(error)
    return (
        failure.code in AGAIN
        or failure.status is None
        or failure.status in (408, 429)
        or failure.status >= 500
    )


def explain(error: Exception, uri: str, doing: str, bucket: Bucket) -> StorageError:
    """Return the StorageError for a failed request."""
    failure = read(error)
    return (MissingError if missing(failure) else StorageError)(f"{uri}: {sentence(failure, doing, bucket)}")


def missing(failure: RequestFailure) -> bool:
    """Return whether the bucket is there and the object is not."""
    return failure.status == 404 and failure.code not in NO_BUCKET | {"NoSuchUpload"}


def sentence(failure: RequestFailure, doing: str, bucket: Bucket) -> str:
    """Return what happened and what to do."""
    name = bucket.uri.bucket
    if missing(failure):
        return "is not there: correct the URI, or upload it"
    if failure.code in NO_BUCKET:
        return f"there is no bucket {name} at {bucket.endpoint}: create it, or correct the URI"
    if failure.code == "NoSuchUpload":
        return "the upload was ended from elsewhere: see that nothing else writes there, and submit again"
    if failure.code in EXPIRED:
        return "the credentials have expired: renew them (a new login or token) and submit again"
    if failure.code in UNKNOWN_KEYS:
        return (
            f"{bucket.endpoint} does not know the credentials ({failure.code}): correct the key and its "
            "secret"
        )
    if failure.code in SKEWED:
        return (
            "the server refuses this machine's time as too far from its own: set the clock and submit again"
        )
    if failure.code in ELSEWHERE or failure.status == 301:
        return f"the bucket {name} is in another region ({failure.message}): set AWS_REGION to the bucket's"
    if failure.code in ARCHIVED:
        return "it is archived: restore it, or copy it to a storage class that can be read"
    words = in_words(failure)
    quoted = f" ({words})" if words else ""
    if failure.status in (401, 403):
        return (
            f"access denied, {doing} is not allowed{quoted}: give these credentials the right to it, or use "
            "others"
        )
    if failure.status is None or failure.status >= 500:
        unreachable = f"cannot be reached ({failure.message})"
        what = f"answers {failure.status}{quoted}" if failure.status else unreachable
        return (
            f"{bucket.endpoint} {what}, also after {bucket.deadline:g} s of trying again: "
            "check the endpoint, the network and the server, and submit again"
        )
    return f"{doing} failed ({failure.status} {words or failure.message}): see what the server asks for"


def in_words(failure: RequestFailure) -> str:
    """Return what the answer has beside its status; nothing where that only repeats `access denied`."""
    if failure.code is None:
        return failure.message if failure.message == PAGE else ""
    message = failure.message.strip()
    if failure.code == "AccessDenied":
        return "" if message.rstrip(".") == "Access Denied" else message
    return f"{failure.code}: {message}" if message else failure.code
