"""One build at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ftjob.errors import BadDataError
from ftjob.fs import locks


@contextmanager
def locked(path: Path, *, wait: bool, what: str = "") -> Iterator[None]:
    """Hold a lock file during the block.

    Without `wait`, raises BadDataError, which names `what` or the lock's folder, where another holds it.
    """
    with locks.locked(path, wait=wait) as held:
        if not held:
            raise BadDataError(f"{what or path.parent}: another build is writing here: wait for it to end")
        yield
