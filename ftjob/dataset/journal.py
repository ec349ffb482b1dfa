"""What a build has done so far: a line per image, and how much of all files counts."""

import io
import json
import os
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ftjob.errors import BadDataError
from ftjob.fs import documents, files

Sums = NDArray[np.float64]
LARGEST_CHECKPOINT = 128 * 2**20
"""Bytes: of sums over colour images of 2300x2300."""


@dataclass(frozen=True, slots=True)
class JournalLine:
    """One image of the source, as sources.jsonl has it."""

    split: str
    source: str
    """Its path in the source."""
    stamp: str
    """Its size and time when it was read."""
    label: int
    key: str
    """Its record's key; empty where it was left out."""
    sha256: str
    """Of the source file."""
    notes: tuple[str, ...]
    error: str
    """Why it was left out; empty where it was not."""


def read_lines(path: Path) -> Iterator[JournalLine]:
    """Yield the lines of a sources.jsonl. Raises BadDataError for one that no build wrote."""
    remedy = f"remove {path.parent} and build it again"
    try:
        with documents.opened(path) as file:
            texts = iter(partial(file.readline, documents.LONGEST_LINE), b"")
            for number, text in enumerate(texts, start=1):
                try:
                    yield line_from_json(json.loads(text))
                except (ValueError, TypeError, KeyError, RecursionError):
                    raise BadDataError(
                        f"{path}: line {number} was not written by a build: {remedy}"
                    ) from None
    except documents.UnreadableError as error:
        raise BadDataError(f"{path}: {error}: {remedy}") from None


def line_from_json(values: dict[str, Any]) -> JournalLine:
    """Return what `json_text` wrote. Raises TypeError, KeyError for other values."""
    line = JournalLine(**{**values, "notes": tuple(values["notes"])})
    texts = line.split, line.source, line.stamp, line.key, line.sha256, line.error, *line.notes
    if type(line.label) is not int or not all(isinstance(text, str) for text in texts):
        raise TypeError("a field is of another type")
    return line


def json_text(line: JournalLine) -> str:
    """Write a line in ASCII, so that no letter of a name ends it."""
    return (
        json.dumps({name: getattr(line, name) for name in JournalLine.__slots__}, separators=(",", ":"))
        + "\n"
    )


@dataclass(frozen=True)
class Checkpoint:
    """How far a build is: everything past it is cut off before the build resumes."""

    done: int
    """Images dealt with, over train and val."""
    journal_bytes: int
    sums: Sums
    """Sum of all train pixels so far, (H, W) or (H, W, 3)."""


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, whole or not at all."""
    buffer = io.BytesIO()
    np.savez(buffer, done=checkpoint.done, journal_bytes=checkpoint.journal_bytes, sums=checkpoint.sums)
    with files.whole(path) as temporary:
        temporary.write_bytes(buffer.getvalue())


def read_checkpoint(path: Path) -> Checkpoint | None:
    """Return the checkpoint; None where there is none. Raises BadDataError for one that no build wrote."""
    if not path.exists():
        return None
    try:
        with np.load(io.BytesIO(documents.read_bytes(path, LARGEST_CHECKPOINT))) as values:
            return Checkpoint(int(values["done"]), int(values["journal_bytes"]), _sums(values["sums"]))
    except (ValueError, TypeError, KeyError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error):
        problem = f"was not written by a build: remove {path.parent} and build it again"
        raise BadDataError(f"{path}: {problem}") from None


def _sums(values: NDArray[Any]) -> Sums:
    if values.dtype != np.float64:
        raise TypeError("the sums are of another type")
    return values


class Journal:
    """sources.jsonl while it grows."""

    def __init__(self, path: Path, keep_bytes: int) -> None:
        self._file = path.open("ab")
        self._file.truncate(keep_bytes)
        self._file.seek(0, os.SEEK_END)

    def add(self, line: JournalLine) -> None:
        self._file.write(json_text(line).encode())

    def flush(self) -> int:
        """Put everything on disk; return the size."""
        self._file.flush()
        os.fdatasync(self._file.fileno())
        return self._file.tell()

    def close(self) -> None:
        self._file.close()
