"""The interface of every store."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ftjob.errors import StorageError
from ftjob.errors.outcomes import Reason
from ftjob.fs import files


class MissingError(StorageError):
    """Nothing is there under that key."""

    reason = Reason.OBJECT_MISSING


class DamagedError(StorageError):
    """The object is not the expected one: its digest or checksum differs."""

    reason = Reason.OBJECT_DAMAGED


@dataclass(frozen=True)
class Entry:
    """The metadata of one object."""

    key: str
    """Relative to the store's location, with forward slashes."""
    size: int
    """In bytes."""
    etag: str | None
    """Changes when the object does; None where the store has none."""
    modified: float
    """Seconds since 1970, by the store's clock."""


@dataclass(frozen=True)
class Transfer:
    """How far a download or upload is."""

    key: str
    done: int
    """In bytes; never falls."""
    total: int
    """In bytes."""
    spared_seconds: float = 0.0
    """What it would have taken, had the bytes not been here already."""


OnTransfer = Callable[[Transfer], None]


def ignore(_: Transfer) -> None:
    """Do not report a transfer's progress."""


def wrong_digest(location: str, found: str, expected: str) -> DamagedError:
    """Return the error for bytes with another digest than expected."""
    return DamagedError(
        f"{location}: its SHA-256 is {found[:12]}… where {expected[:12]}… was expected: "
        "the file was damaged or replaced: upload it again"
    )


def check_sha256(path: Path, expected: str | None, location: str) -> None:
    """Raise DamagedError where a file that came from a location has another SHA-256 than expected, if any."""
    if expected is not None and (found := files.sha256(path)) != expected:
        raise wrong_digest(location, found, expected)


class Store(Protocol):
    """Objects below one location. Every failure is a StorageError that names the URI and what to do."""

    @property
    def location(self) -> str:
        """The URI or path that keys count from."""
        ...

    def read(self, key: str, *, largest: int | None = None) -> bytes:
        """Return an object's bytes. Raises MissingError where it is not there.

        `largest`: the bytes that the caller reads at most; of a larger one nothing is read.
        """
        ...

    def write(self, key: str, data: bytes) -> None:
        """Put an object in place of what was there, whole or not at all."""
        ...

    def create(self, key: str, data: bytes) -> bool:
        """Write an object only where there is none, and return whether it was written.

        docs/storage.md says which stores keep this among writers that race.
        """
        ...

    def stat(self, key: str) -> Entry | None:
        """Return an object's metadata, None where it is not there."""
        ...

    def list(self, prefix: str = "") -> list[Entry]:
        """Return every object below the folder `prefix`, sorted by key."""
        ...

    def folders(self) -> tuple[str, ...]:
        """Return the names of the folders directly below, sorted, without reading what is in them."""
        ...

    def download(
        self, key: str, path: Path, *, sha256: str | None = None, progress: OnTransfer = ignore
    ) -> None:
        """Copy an object to a file, whole or not at all, checked against the checksum that the store keeps.

        Raises MissingError where it is not there, DamagedError where what arrives has another checksum than
        the store keeps, if it does, or another SHA-256 than `sha256`.
        """
        ...

    def upload(self, path: Path, key: str, *, progress: OnTransfer = ignore) -> Entry:
        """Copy a file to an object, whole or not at all."""
        ...

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects; missing ones are skipped."""
        ...

    def abort_uploads(self, prefix: str = "") -> int:
        """Remove the parts that killed uploads left below a folder, and return how many uploads they were.

        Only for the sole writer there: uploads under way are aborted too.
        """
        ...

    def child(self, prefix: str) -> "Store":
        """Return the store of a folder below this one."""
        ...
