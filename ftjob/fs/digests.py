"""Digests of large files, remembered in the cache for as long as a file stays as it is."""

import contextlib
import hashlib
import re
from pathlib import Path

from ftjob.errors import StorageError
from ftjob.fs import documents, files
from ftjob.fs.paths import cache_dir

DIGITS = 64


def remembered_sha256(path: Path, first: int | None = None) -> str:
    """Return the sha256 (hex) of a file's bytes, or of so many at its start.

    It is read once as long as path, size, inode and time of change (in nanoseconds) stay the same. Raises
    OSError where the file cannot be read.
    """
    if first is not None and first >= path.stat().st_size:
        first = None
    note = _note(path, first)
    with contextlib.suppress(OSError, documents.UnreadableError):
        known = documents.read_text(note, DIGITS)
        if re.fullmatch("[0-9a-f]{64}", known):
            return known
    digest = files.sha256(path, first)
    with contextlib.suppress(StorageError):  # a cache that cannot be written only costs time
        files.write_text(note, digest)
    return digest


def _note(path: Path, first: int | None) -> Path:
    found = path.stat()
    name = f"{path.resolve()} {found.st_size} {found.st_mtime_ns} {found.st_ino}"
    if first is not None:
        name += f" {first}"
    return cache_dir() / "digests" / hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()
