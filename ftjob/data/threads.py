"""Work done ahead of time by threads, taken in order."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

THREADS = len(os.sched_getaffinity(0))

Result = TypeVar("Result")


def in_order(calls: Iterable[Callable[[], Result]], ahead: int) -> Iterator[Result]:
    """Yield what each call returns, in order; at most `ahead` calls are done before they are asked for.

    The first error ends it; calls not yet begun are not made then.
    """
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(THREADS) as pool:
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
