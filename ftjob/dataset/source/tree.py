"""Folders of image files, and the interface that builds read them through."""

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ftjob.concurrency.ahead import THREADS

LARGEST = 256 * 2**20
"""Bytes of an image file."""
MORE_BYTES = 1 << 16
"""Read at a time from a file that is longer than its stated size, or arrives in pieces."""
IMAGE_SUFFIXES = frozenset(
    {
        ".avif",
        ".bmp",
        ".gif",
        ".heic",
        ".heif",
        ".jfif",
        ".jpe",
        ".jpeg",
        ".jpg",
        ".pbm",
        ".pgm",
        ".png",
        ".ppm",
        ".tif",
        ".tiff",
        ".webp",
    }
)
"""Also of formats that are not read: an image in one of those is reported, not passed over."""


def is_image_name(path: str) -> bool:
    """Return whether a file has an image's name; others, such as Thumbs.db, are skipped."""
    return os.path.splitext(path)[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122 - a pure, often called test


class Tree(Protocol):
    """Files by their path relative to a root, with forward slashes: a folder, or what is like one."""

    @property
    def name(self) -> str:
        """Its absolute location."""
        ...

    @property
    def readers(self) -> int:
        """How many threads should read at once."""
        ...

    def folders(self) -> list[str]:
        """Return the names of the folders right below the root, but for hidden ones."""
        ...

    def files(self, folder: str) -> Iterator[tuple[str, str]]:
        """Yield (path, stamp) of every file below a folder (below the root: ""), in order of name, folders in
        folders included."""
        ...

    def stamp(self, path: str) -> str | None:
        """Return what changes when the file changes; None where it is not there."""
        ...

    def read(self, path: str) -> bytes:
        """Return a file's bytes; called from several threads.

        Raises OSError where this file cannot be read, StorageError where none can.
        """
        ...


@dataclass(frozen=True)
class Folder:
    """A folder on this machine."""

    root: Path

    @property
    def name(self) -> str:
        return str(self.root.absolute())

    @property
    def readers(self) -> int:
        return THREADS

    def folders(self) -> list[str]:
        with os.scandir(self.root) as found:
            return sorted(entry.name for entry in found if entry.is_dir() and not entry.name.startswith("."))

    def files(self, folder: str) -> Iterator[tuple[str, str]]:
        root = self.root.resolve()
        around = [*root.parents, root] if folder else root.parents
        yield from self._files(folder, tuple(each.stat() for each in around))

    def _files(self, folder: str, above: tuple[os.stat_result, ...]) -> Iterator[tuple[str, str]]:
        here = (self.root / folder).stat()
        if any(os.path.samestat(here, each) for each in above):
            return  # a link to a folder that it lies in
        with os.scandir(self.root / folder) as found:
            entries = sorted(
                (entry for entry in found if not entry.name.startswith(".")), key=lambda e: e.name
            )
        for entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            if entry.is_dir():
                yield from self._files(path, (*above, here))
            elif entry.is_file() or is_image_name(path):  # a pipe of that name is reported as unreadable
                yield path, self.stamp(path) or ""

    def stamp(self, path: str) -> str | None:
        try:
            return _stamp((self.root / path).stat())
        except (FileNotFoundError, NotADirectoryError):
            return None

    def read(self, path: str) -> bytes:
        fd = os.open(os.path.join(self.root, path), os.O_RDONLY | os.O_NONBLOCK)  # noqa: PTH118 - often called
        try:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode):
                raise OSError(errno.EINVAL, "it is not a file")
            if found.st_size > LARGEST:
                raise OSError(errno.EFBIG, f"it has {found.st_size:,} bytes, at most {LARGEST:,} are read")
            data = os.read(fd, found.st_size)
            while more := os.read(fd, MORE_BYTES):
                data += more
        finally:
            os.close(fd)
        return data


def _stamp(found: os.stat_result) -> str:
    return f"{found.st_size}-{found.st_mtime_ns}"
