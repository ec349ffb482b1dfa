"""Features of images at a frozen trunk's end, kept in a file for later passes, runs and sweeps.

One file holds the features that one trunk with its weights makes of one LMDB. A row is a checksum and the
numbers; one that is missing, half-written or damaged is computed again, so no two processes need to agree and
losing the file loses time only.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ftjob.fs import flock

if TYPE_CHECKING:  # newer than the numpy of Caffe's Python
    from numpy.typing import NDArray

CHECKSUM_BYTES = 4
FLOAT_BYTES = 4
BLOCK = 512
"""The unit of st_blocks."""


def row_bytes(floats: int) -> int:
    """Return the bytes of a row of so many numbers."""
    return CHECKSUM_BYTES + FLOAT_BYTES * floats


class FeatureFile:
    """Rows of float32 by number, any of which may be missing."""

    def __init__(self, path: Path, floats: int) -> None:
        """Raises OSError where the file cannot be made or opened."""
        self.path, self.floats = path, floats
        self.row_bytes = row_bytes(floats)
        self.is_full = False
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)

    def hold(self) -> None:
        """Keep others from removing it, until this process ends, and note that it is used."""
        flock.acquire(self._fd, shared=True, wait=True)
        os.utime(self._fd)

    @property
    def used(self) -> int:
        """The bytes it has on the disk."""
        return os.fstat(self._fd).st_blocks * BLOCK

    def read(self, number: int, out: NDArray[np.float32]) -> bool:
        """Read a row; return False where it is not there whole: `out` holds no features then."""
        checksum = bytearray(CHECKSUM_BYTES)
        try:
            count = os.preadv(self._fd, [checksum, out.data.cast("B")], number * self.row_bytes)
        except OSError:  # a disk that fails
            return False
        return count == self.row_bytes and int.from_bytes(checksum, "little") == _checksum(number, out)

    def write(self, number: int, row: NDArray[np.float32]) -> None:
        """Keep a row; a disk without room ends that for this process, and the log says so."""
        if self.is_full:
            return
        try:
            self.put(number, row)
        except OSError as error:
            self.is_full = True
            what = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else error.strerror
            sys.stderr.write(f"features: {self.path}: {what}: no more are kept\n")

    def put(self, number: int, row: NDArray[np.float32]) -> None:
        """Write a row. Raises OSError."""
        checksum = _checksum(number, row).to_bytes(CHECKSUM_BYTES, "little")
        os.pwritev(self._fd, [checksum, row.data.cast("B")], number * self.row_bytes)

    def resize(self, rows: int) -> None:
        """Give the file the size of so many rows; those that it lacks are holes. Raises OSError."""
        os.ftruncate(self._fd, rows * self.row_bytes)

    def close(self) -> None:
        """Let it go, and let others remove it."""
        os.close(self._fd)


def _checksum(number: int, row: NDArray[np.float32]) -> int:
    """Never 0, which a hole in the file would have."""
    return zlib.crc32(row.data.cast("B"), number + 1) or 1


def open_file(folder: Path, name: str, floats: int, rows: int, limit: int) -> FeatureFile | str:
    """Return the file of that name, held until this process ends; or why there is none, for the log.

    Others that nobody uses go, least recently used first, where all rows would not fit into `limit` bytes.
    """
    size = rows * row_bytes(floats)
    if size > limit:
        return f"{size / 1e9:.1f} GB of features are more than the {limit / 1e9:.1f} GB that are kept"
    try:
        file = FeatureFile(folder / name, floats)
        file.hold()
        needed = size - file.used
        fits = make_room(folder, needed, limit)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return f"{folder}: {error.strerror}"
    if not fits:
        return f"{size / 1e9:.1f} GB of features do not fit beside those that other runs use"
    if needed > free:
        return f"{size / 1e9:.1f} GB of features do not fit the disk of {folder}"
    return file


def keep(folder: Path, name: str, floats: int, rows: int, limit: int, what: str) -> FeatureFile | None:
    """Return what `open_file` does, or None; the log says which, of `what`: a phase and its blobs."""
    file = open_file(folder, name, floats, rows, limit)
    if isinstance(file, str):
        sys.stderr.write(f"features: {what}: the trunk runs in every pass: {file}\n")
        return None
    sys.stderr.write(
        f"features: {what}: {file.row_bytes} bytes for each of {rows} in {file.path}, which has {file.used} "
        "bytes now\n"
    )
    return file


def copy_rows(source: FeatureFile, target: FeatureFile, rows: int) -> int:
    """Copy the rows that are there whole, of so many, and return their number.

    Raises OSError where the target cannot be written."""
    row, copied = np.empty(source.floats, np.float32), 0
    for number in range(rows):
        if source.read(number, row):
            target.put(number, row)
            copied += 1
    return copied


def make_room(folder: Path, needed: int, limit: int) -> bool:
    """Remove files that no process holds, least recently used first, until so many more bytes fit; return
    whether they do."""
    found = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    used = sum(path.stat().st_blocks * BLOCK for path in found)
    for path in found:
        if used + needed <= limit:
            break
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            if flock.acquire(handle, wait=False):
                used -= os.fstat(handle).st_blocks * BLOCK
                with contextlib.suppress(FileNotFoundError):
                    path.unlink()
        finally:
            os.close(handle)
    return used + needed <= limit
