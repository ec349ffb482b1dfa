"""Writes files whole or not at all: under a temporary name in the same folder, synced, then renamed."""

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ftjob.errors import StorageError


@contextmanager
def whole(path: Path, *, synced: bool = True) -> Iterator[Path]:
    """Give a temporary path; put what was written there in place of `path` when the block ends well.

    With `synced=False` it does not wait for the disk: for what can be fetched again after a power cut.
    Raises StorageError, naming the file, where it cannot be written; nothing half-written stays.
    """
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
        os.close(handle)
    temporary = Path(name)
    try:
        with explained(path):
            yield temporary
            if synced:
                with temporary.open("rb") as written:
                    os.fsync(written.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn an OSError inside the block into a StorageError that names the file."""
    try:
        yield
    except OSError as error:
        remedy = "free some space" if error.errno == errno.ENOSPC else "check the folder and its permissions"
        message = f"{path}: cannot be written ({error.strerror or error}): {remedy} and try again"
        raise StorageError(message) from error


def write_text(path: Path, text: str) -> None:
    """Write a small file, whole or not at all."""
    with whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_bytes(path: Path, data: bytes) -> None:
    """Write a small file, whole or not at all."""
    with whole(path) as temporary:
        temporary.write_bytes(data)


def append_text(path: Path, text: str) -> None:
    """Add text to the end of a file that others add to as well. Raises StorageError."""
    with explained(path), path.open("a", encoding="utf-8") as file:
        file.write(text)


def json_text(value: Any) -> str:
    """Return JSON for people and programs."""
    return json.dumps(value, indent=1) + "\n"


def write_json(path: Path, value: Any) -> None:
    """Write JSON for people and programs, whole or not at all."""
    write_text(path, json_text(value))


def copy(source: Path, target: Path) -> None:
    """Copy a file, whole or not at all."""
    with whole(target) as temporary:
        shutil.copyfile(source, temporary)


def sha256(path: Path, first: int | None = None) -> str:
    """Return the hex digest of a file's bytes, or of so many at its start."""
    with path.open("rb") as file:
        if first is None:
            return hashlib.file_digest(file, "sha256").hexdigest()
        digest = hashlib.sha256()
        while first > 0 and (part := file.read(min(first, 2**20))):
            digest.update(part)
            first -= len(part)
        return digest.hexdigest()


def digest(path: Path, algorithm: str) -> str:
    """Return the hex digest of a file's bytes by an algorithm of hashlib, such as sha1."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
