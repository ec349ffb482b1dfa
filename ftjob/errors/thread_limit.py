"""That no more processes or threads may be started: how this shows, and what to do about it."""

import errno
import os
import re

from ftjob.errors import EngineError

CAUSE = "no more processes and threads can be started here"
FIX = (
    "raise the limit of this user (`ulimit -u`) or of the container (pids.max, which `docker run "
    "--pids-limit` and a kubelet's podPidsLimit set), or set OMP_NUM_THREADS=1"
)
SHOWN = re.compile(
    r"pthread_create failed|Thread creation failed|can't start new thread|: Cannot fork|thread_resource_error"
)
"""Words of OpenBLAS, GCC's OpenMP, Python, the shell and Boost."""
_RAISED = {"RuntimeError": "can't start new thread", "BlockingIOError": os.strerror(errno.EAGAIN)}
"""What Python raises for a thread and for a fork: the class and a part of the message."""


def shown_in(text: str) -> EngineError | None:
    """Return the error for a log that shows it; else None."""
    return _error() if SHOWN.search(text) else None


def meant_by(error: Exception) -> EngineError | None:
    """Return the error for an exception that means it; else None."""
    return named(type(error).__name__, str(error))


def named(kind: str, message: str) -> EngineError | None:
    """Return the error for an exception of that class that means it, a thread's or a fork's; else None."""
    return _error() if kind in _RAISED and _RAISED[kind] in message else None


def _error() -> EngineError:
    return EngineError(f"{CAUSE}: {FIX}")
