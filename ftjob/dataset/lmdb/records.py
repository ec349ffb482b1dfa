"""Writes an LMDB in batches, each of them on disk whole or not at all."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import lmdb

from ftjob.errors import StorageError

FIRST_MAP = 64 << 20
KEY_BYTES = 511
"""The longest key that LMDB takes."""


def record_key(place: int, path: str) -> bytes:
    """Return a record's key as convert_imageset makes it: its place in 8 digits, then the image's path."""
    return f"{place:08d}_{path}".encode(errors="surrogateescape")[:KEY_BYTES]


class RecordWriter:
    """Appends records to an LMDB in a folder of its own; the map grows as it has to."""

    def __init__(self, folder: Path, keep: int) -> None:
        """Open or make the LMDB and remove what lies at place `keep` and after."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        with self._explained():
            self._env = lmdb.open(str(folder), map_size=FIRST_MAP, mode=0o644)
        try:
            self._growing(lambda: self._cut(keep))
        except BaseException:
            self._env.close()
            raise

    def append(self, batch: list[tuple[bytes, bytes]]) -> None:
        """Write a batch whose keys come after all others, and put it on disk.

        Raises StorageError where the disk is full: the batches before stay good.
        """
        if batch:
            self._growing(lambda: self._put(batch))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._env.close()

    def _growing(self, transact: Callable[[], None]) -> None:
        """Run a transaction, again with a larger map as long as it does not fit.

        Removing records takes room too: LMDB copies the pages that it changes.
        """
        while True:
            try:
                with self._explained():
                    return transact()
            except lmdb.MapFullError:
                self._env.set_mapsize(self._env.info()["map_size"] * 2)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn an LMDB error inside the block, other than a full map, into a StorageError."""
        try:
            yield
        except lmdb.MapFullError:
            raise
        except lmdb.Error as error:
            raise StorageError(
                f"{self._folder}: cannot be written ({error}): free some space and try again"
            ) from error

    def _put(self, batch: list[tuple[bytes, bytes]]) -> None:
        with self._env.begin(write=True) as transaction, transaction.cursor() as cursor:
            _, added = cursor.putmulti(batch, append=True)
        if added != len(batch):
            raise StorageError(
                f"{self._folder}: took {added} of {len(batch)} records: remove {self._folder.parent} "
                "and try again"
            )

    def _cut(self, keep: int) -> None:
        with self._env.begin(write=True) as transaction, transaction.cursor() as cursor:
            found = cursor.set_range(b"%08d" % keep)
            while found:
                found = cursor.delete()
