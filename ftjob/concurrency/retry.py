"""Retries a request while the other side refuses it."""

from collections.abc import Callable
from typing import TypeVar

from ftjob.errors import StorageError

T = TypeVar("T")
LONGEST_PAUSE_SECONDS = 5.0


def patiently(
    request: Callable[[], T],
    seconds: float,
    *,
    transient: type[Exception] = StorageError,
    final: tuple[type[StorageError], ...] = (),
    ended: Callable[[], bool] = lambda: False,
    longest_pause: float = LONGEST_PAUSE_SECONDS,
) -> T:
    """Return what a request returns; it is made again while it raises a `transient` error, for `seconds`.

    Raises the last error, or the first that is `final` or occurs once `ended` returns True.
    """
    from tenacity import (  # here, because it is slow to import
        Retrying,
        retry_if_exception,
        stop_after_delay,
        wait_random_exponential,
    )

    retrying = Retrying(
        stop=stop_after_delay(seconds),
        wait=wait_random_exponential(multiplier=0.2, max=longest_pause),
        retry=retry_if_exception(
            lambda error: isinstance(error, transient) and not isinstance(error, final) and not ended()
        ),
        reraise=True,
    )
    return retrying(request)
