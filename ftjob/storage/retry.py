"""Retries what obstore does not retry by itself, and requests whose credentials changed."""

from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, stop_after_delay, wait_random_exponential

from ftjob.storage.bucket import Bucket, Opened
from ftjob.storage.explain import explain, is_refusal, is_transient

T = TypeVar("T")


def ask(
    bucket: Bucket, uri: str, doing: str, request: Callable[[Opened], T], seconds: float | None = None
) -> T:
    """Return a request's result; it is retried while it may succeed, for `seconds` (None: the deadline).

    `doing` describes it in messages. Raises StorageError, which names the URI.
    """
    from botocore.exceptions import BotoCoreError, ClientError
    from obstore.exceptions import BaseError

    refusals = (BaseError, FileNotFoundError, BotoCoreError, ClientError)
    used: list[Opened] = []

    def once() -> T:
        used.append(bucket.opened)
        return request(used[-1])

    def again(state: RetryCallState) -> bool:
        error = state.outcome and state.outcome.exception()
        if not isinstance(error, refusals):
            return False
        return bucket.renew(used[-1]) if is_refusal(error) else is_transient(error)

    retrying = Retrying(
        stop=stop_after_delay(bucket.deadline if seconds is None else seconds),
        wait=wait_random_exponential(multiplier=0.1, max=5),
        retry=again,
        reraise=True,
    )
    try:
        return retrying(once)
    except refusals as error:
        raise explain(error, uri, doing, bucket) from None  # what is left out may quote a key or a signature
