"""A directory as a store: its files are the objects."""

import errno
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ftjob.errors import StorageError
from ftjob.fs import files
from ftjob.fs.documents import UnreadableError, check_size, opened
from ftjob.storage.location import check_key
from ftjob.storage.store import Entry, MissingError, OnTransfer, Transfer, check_sha256, ignore

CHUNK = 8 << 20
"""Bytes copied at once."""
PARTIAL = ".partial"


@dataclass(frozen=True)
class DirectoryStore:
    """The files below a folder, which need not be there yet. Every file is whole or not there."""

    folder: Path

    @property
    def location(self) -> str:
        """The folder's path."""
        return str(self.folder)

    def path(self, key: str) -> Path:
        """Return the file of a key."""
        check_key(key, self.location)
        return self.folder / key

    def read(self, key: str, *, largest: int | None = None) -> bytes:
        """Return a file's bytes."""
        path = self.path(key)
        try:
            with readable(path), opened(path) as file:
                if largest is not None:
                    check_size(os.fstat(file.fileno()).st_size, largest)
                return file.read()
        except UnreadableError as error:
            raise StorageError(f"{path}: {error}: fix or remove it") from None

    def write(self, key: str, data: bytes) -> None:
        """Put a file in place of what was there."""
        with files.whole(self.path(key)) as temporary:
            temporary.write_bytes(data)

    def create(self, key: str, data: bytes) -> bool:
        """Write a file where there is none: of those that race, the file system lets one link its own."""
        path = self.path(key)
        with files.explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(
                prefix=f".{path.name}.", suffix=PARTIAL, dir=path.parent
            ) as draft:
                draft.write(data)
                draft.flush()
                os.fsync(draft.fileno())
                Path(draft.name).chmod(0o644)
                try:
                    path.hardlink_to(draft.name)
                except FileExistsError:
                    return False
        return True

    def stat(self, key: str) -> Entry | None:
        """Return a file's size and time of change."""
        path = self.path(key)
        with readable(path):
            return entry(key, path) if path.is_file() else None

    def list(self, prefix: str = "") -> list[Entry]:
        """Return every file below a folder, but for those being written and those that go meanwhile."""
        below = self.child(prefix).folder if prefix else self.folder
        entries = []
        with readable(below):
            for path in below.rglob("*"):
                if path.is_file() and not is_partial(path):
                    with suppress(FileNotFoundError):  # an engine gives a snapshot its name, another prunes
                        entries.append(entry(path.relative_to(self.folder).as_posix(), path))
        return sorted(entries, key=lambda each: each.key)

    def folders(self) -> tuple[str, ...]:
        """Return the names of the folders directly below."""
        with suppress(MissingError), readable(self.folder), os.scandir(self.folder) as entries:
            return tuple(sorted(each.name for each in entries if each.is_dir()))
        return ()

    def download(
        self, key: str, path: Path, *, sha256: str | None = None, progress: OnTransfer = ignore
    ) -> None:
        """Copy a file out of the folder."""
        source = self.path(key)
        with files.whole(path, synced=False) as temporary:
            copy(source, temporary, key, progress)
            check_sha256(temporary, sha256, str(source))

    def upload(self, path: Path, key: str, *, progress: OnTransfer = ignore) -> Entry:
        """Copy a file into the folder."""
        target = self.path(key)
        with files.whole(target) as temporary:
            copy(path, temporary, key, progress)
        return entry(key, target)

    def delete(self, keys: Iterable[str]) -> None:
        """Remove files; their folders stay."""
        for key in keys:
            path = self.path(key)
            with readable(path):
                path.unlink(missing_ok=True)

    def abort_uploads(self, prefix: str = "") -> int:
        """Return 0: a directory has no uploads in parts."""
        return 0

    def child(self, prefix: str) -> "DirectoryStore":
        """Return the store of a folder below."""
        return DirectoryStore(self.path(prefix.strip("/")))


def is_partial(path: Path) -> bool:
    """Return whether a file is one that is still being written, or was when its writer was killed."""
    return path.name.startswith(".") and path.name.endswith(PARTIAL)


def entry(key: str, path: Path) -> Entry:
    """Return the entry of a file."""
    stat = path.stat()
    return Entry(key, stat.st_size, f"{stat.st_mtime_ns:x}-{stat.st_size:x}", stat.st_mtime)


def copy(source: Path, target: Path, key: str, progress: OnTransfer) -> None:
    """Copy a file in pieces."""
    with readable(source):
        total = source.stat().st_size
    done = 0
    with target.open("r+b") as writer:  # the empty file of files.whole; see download.py
        for piece in pieces(source, total):
            writer.write(piece)
            done += len(piece)
            progress(Transfer(key, done, total))


def pieces(path: Path, size: int) -> Iterator[bytes]:
    """Read the first `size` bytes of a file, which may be growing."""
    done = 0
    with readable(path), path.open("rb") as reader:
        while piece := reader.read(min(CHUNK, size - done)):
            yield piece
            done += len(piece)


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn an OSError inside the block into a StorageError that names the file."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            raise MissingError(f"{path}: is not there: correct the path, or put it there") from error
        message = f"{path}: cannot be read ({error.strerror or error}): check the disk and its permissions"
        raise StorageError(message) from error
