"""Runs calls ahead of time in threads and yields their results in order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from ftjob.concurrency import processors

THREADS = processors.share() + 1
"""One more than there are processors: while one waits for a disk or for Python's lock, the others compute."""

Result = TypeVar("Result")


def in_order(calls: Iterable[Callable[[], Result]], ahead: int, threads: int = THREADS) -> Iterator[Result]:
    """Yield what each call returns, in order; at most `ahead` results are computed before they are taken.

    The first error ends it; calls not yet begun are not made then.
    """
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for call in calls:
                waiting.append(pool.submit(call))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
