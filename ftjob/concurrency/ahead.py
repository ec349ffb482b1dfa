"""Runs calls ahead of time in threads and yields their results in order."""

import ctypes
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from ftjob.concurrency import processors

THREADS = processors.share() + 1
"""One more than there are processors: while one waits for a disk or for Python's lock, the others compute."""

Result = TypeVar("Result")

# malloc.h of glibc: what is freed at the end of the heap, and how large an allocation gets pages of its own.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT_BYTES = 256 << 20
OWN_PAGES_BYTES = 32 << 20


def keep_freed_memory() -> None:
    """Let malloc keep the memory of one image for the next; of no effect where it is not glibc's.

    Giving it back and getting it anew, page by page, costs two threads a fifth of their speed.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, OWN_PAGES_BYTES)
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)


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
