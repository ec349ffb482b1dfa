"""Digests of large files, remembered in the cache for as long as a file stays as it is."""

import contextlib
import hashlib
import re
from collections.abc import Callable
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
    return _remembered(_note(path, "" if first is None else f" {first}"), lambda: files.sha256(path, first))


def remembered_digest(path: Path, algorithm: str) -> str:
    """Return the digest (hex) of a file's bytes by an algorithm of hashlib; read as once as its sha256."""
    if algorithm == "sha256":
        return remembered_sha256(path)
    return _remembered(_note(path, f" {algorithm}"), lambda: files.digest(path, algorithm))


def _remembered(note: Path, compute: Callable[[], str]) -> str:
    with contextlib.suppress(OSError, documents.UnreadableError):
        known = documents.read_text(note, DIGITS)
        if re.fullmatch(f"[0-9a-f]{{40}}|[0-9a-f]{{{DIGITS}}}", known):
            return known
    digest = compute()
    with contextlib.suppress(StorageError):  # a cache that cannot be written only costs time
        files.write_text(note, digest)
    return digest


def _note(path: Path, what: str) -> Path:
    found = path.stat()
    name = f"{path.resolve()} {found.st_size} {found.st_mtime_ns} {found.st_ino}{what}"
    return cache_dir() / "digests" / hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()
