"""One build at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ftjob import locks
from ftjob.errors import BadDataError


@contextmanager
def locked(path: Path, *, wait: bool) -> Iterator[None]:
    """Hold a lock file during the block. Raises BadDataError where another holds it, unless one waits."""
    with locks.locked(path, wait=wait) as held:
        if not held:
            raise BadDataError(f"{path.parent}: another build is writing here: wait for it to end")
        yield
