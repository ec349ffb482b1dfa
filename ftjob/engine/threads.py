"""The environment that sets how many threads an engine computes with, and how they wait."""

from collections.abc import Mapping

from ftjob.concurrency import processors

COUNTS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
GENERAL = "OMP_NUM_THREADS"
"""OpenBLAS and MKL follow it too, unless theirs is set."""
WAITING = {
    # OpenMP's threads sleep while they wait. By default they spin, GCC's for some milliseconds, LLVM's and
    # Intel's for 200, on processors that others need, such as the very thread they wait for.
    "OMP_WAIT_POLICY": "PASSIVE",
    # OpenBLAS' own threads look for work for 2^20 cycles, 0.4 ms, and not 2^26: long enough for the next
    # product of the same layer, and for a layer without any they sleep, which a quota counts.
    "OPENBLAS_THREAD_TIMEOUT": "20",
}


def with_threads(given: Mapping[str, str], threads: int | None = None) -> dict[str, str]:
    """Return an environment with defaults for threads; what the user set is kept.

    `threads` None is one for each processor of this process's share; a number wins over the user's.
    """
    defaults = {GENERAL: str(processors.share()), **WAITING}
    left_open = {name: value for name, value in defaults.items() if not given.get(name)}
    return {**given, **left_open, **dict.fromkeys(COUNTS if threads else (), str(threads))}
