"""The line of an engine's log about the threads it computes with."""

from __future__ import annotations

import os
from typing import Optional

SETTINGS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OMP_WAIT_POLICY",
    "OPENBLAS_THREAD_TIMEOUT",
)


def described(engine: str, threads: Optional[int], library: str = "") -> str:
    """Return a line with an engine, its threads and their library, and the environment's settings.

    `threads` is None where the library cannot be queried.
    """
    line = engine
    if threads is not None:
        line += f" on {threads} thread{'' if threads == 1 else 's'}"
    if library:
        line += f" of {library}"
    return f"{line} ({', '.join(f'{name}={os.environ[name]}' for name in SETTINGS if name in os.environ)})"
