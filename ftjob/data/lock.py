"""One process at a time, as long as it lives: the lock goes with the process that holds it."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ftjob import files
from ftjob.errors import BadDataError


@contextmanager
def locked(path: Path, *, wait: bool) -> Iterator[None]:
    """Hold a lock file during the block. Raises BadDataError where another holds it, unless one waits."""
    with files.explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BadDataError(f"{path.parent}: another build is writing here: wait for it to end") from error
        yield
