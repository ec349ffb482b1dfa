"""Locks between the processes of one machine: a lock ends with the process that holds it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ftjob.fs import files
from ftjob.fs.flock import acquire

_HELD: dict[Path, int] = {}
"""Lock file → the descriptor it is held by."""


@contextmanager
def locked(path: Path, *, wait: bool) -> Iterator[bool]:
    """Hold a lock file alone during the block; without `wait`, give False where another process holds it.

    Raises StorageError where the file cannot be made.
    """
    handle = _opened(path)
    try:
        yield acquire(handle, wait=wait)
    finally:
        os.close(handle)


def hold(path: Path) -> None:
    """Hold a lock file, shared with other holders, until this process ends or lets it go."""
    if path not in _HELD:
        handle = _opened(path)
        acquire(handle, shared=True, wait=True)
        if _HELD.setdefault(path, handle) != handle:
            os.close(handle)


def let_go(path: Path) -> None:
    """Hold a lock file no longer."""
    os.close(_HELD.pop(path))


def _opened(path: Path) -> int:
    with files.explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
