"""Asking again: what obstore does not try again by itself, and credentials that changed."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from tenacity import RetryCallState, Retrying, stop_after_delay, wait_random_exponential

from ftjob.storage.bucket import Bucket, Opened
from ftjob.storage.explain import explain, is_refusal, is_transient

if TYPE_CHECKING:
    from ftjob.storage.bucket import Client

T = TypeVar("T")


def ask(bucket: Bucket, uri: str, doing: str, request: "Callable[[Client], T]") -> T:
    """Make a request, again while it may succeed, until the deadline.

    `doing` says for people what it is. Raises StorageError that names the URI.
    """
    from obstore.exceptions import BaseError

    used: list[Opened] = []

    def once() -> T:
        used.append(bucket.opened)
        return request(used[-1].client)

    def again(state: RetryCallState) -> bool:
        error = state.outcome and state.outcome.exception()
        if not isinstance(error, (BaseError, FileNotFoundError)):
            return False
        return bucket.renew(used[-1]) if is_refusal(error) else is_transient(error)

    retrying = Retrying(
        stop=stop_after_delay(bucket.deadline),
        wait=wait_random_exponential(multiplier=0.1, max=5),
        retry=again,
        reraise=True,
    )
    try:
        return retrying(once)
    except (BaseError, FileNotFoundError) as error:
        raise explain(error, uri, doing, bucket) from error
