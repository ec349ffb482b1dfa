"""Reading datasets: their records from any position."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import lmdb

from ftjob.dataset.folder import DATA_FILE
from ftjob.dataset.lmdb.datum import Buffer, RecordError, read_head
from ftjob.dataset.lmdb.pages import check_meta_pages
from ftjob.errors import BadDataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Record:
    """One image of a dataset."""

    key: bytes
    label: int
    image: "NDArray[np.uint8]"
    """(H, W, C) in BGR."""


@contextmanager
def opened(location: Path, *, in_order: bool = True) -> Iterator[lmdb.Environment]:
    """Open an LMDB for reading: memory-mapped, without a lock file, so that a read-only mount will do.

    `in_order`: whole records will be read in key order, so the system may read ahead.
    Raises BadDataError where it is missing, no LMDB, cut short or empty, and for damage that LMDB finds while
    it is read.
    """
    data = location / DATA_FILE
    if not location.exists():
        raise BadDataError(f"{location}: is not there: fix the path")
    if not data.is_file():
        raise BadDataError(f"{location}: is no LMDB, there is no {DATA_FILE} in it: give the folder of one")
    check_meta_pages(location)
    with _damage_named(location), _shared(data, in_order=in_order) as env:
        _check(location, env)
        yield env


@contextmanager
def _damage_named(location: Path) -> Iterator[None]:
    """Raise BadDataError for damage that LMDB finds."""
    try:
        yield
    except lmdb.Error as error:
        raise BadDataError(
            f"{location}: is no LMDB that can be read ({error}): copy or build it again"
        ) from error


@dataclass
class _Shared:
    """An environment, and how many read from it."""

    env: lmdb.Environment
    readers: int = 0


_SHARED: dict[tuple[int, int], _Shared] = {}
"""The environments of this process by device and inode of their file."""
_SHARING = threading.RLock()
"""A reader that nobody closed is closed by the garbage collector, at any moment: also in the thread that has
this."""


@contextmanager
def _shared(data: Path, *, in_order: bool) -> Iterator[lmdb.Environment]:
    """Open an LMDB, or use the one that is open: LMDB must not map a file twice in a process (lmdb.h)."""
    stat = data.stat()
    key = stat.st_dev, stat.st_ino
    with _SHARING:
        if key not in _SHARED:
            _SHARED[key] = _Shared(lmdb.open(str(data.parent), readonly=True, lock=False, readahead=in_order))
        shared = _SHARED[key]
        shared.readers += 1
    try:
        yield shared.env
    finally:
        with _SHARING:
            shared.readers -= 1
            if not shared.readers:
                del _SHARED[key]
                shared.env.close()


def _check(location: Path, env: lmdb.Environment) -> None:
    """Raise BadDataError for a file that lacks pages its header counts, or has no records."""
    size, stat = (location / DATA_FILE).stat().st_size, env.stat()
    expected = (env.info()["last_pgno"] + 1) * stat["psize"]
    if size < expected:
        raise BadDataError(f"{location}: {DATA_FILE} is cut short, {size} of {expected} bytes: copy it again")
    if stat["entries"] == 0:
        raise BadDataError(f"{location}: holds no records: build it again")


@contextmanager
def reading(location: Path, *, in_order: bool = True) -> Iterator[lmdb.Cursor]:
    """Open an LMDB as `opened` does, with a cursor whose values are views of the file."""
    with (
        opened(location, in_order=in_order) as env,
        env.begin(buffers=True) as transaction,
        transaction.cursor() as cursor,
    ):
        yield cursor


def records(location: Path) -> Iterator[Record]:
    """Yield the records in key order. Raises BadDataError for one that is no image."""
    for key, value in stored_records(location):
        yield _record(location, key, value)


def records_at(location: Path, keys: Iterable[bytes]) -> Iterator[Record]:
    """Yield the records of those keys that are there. Raises BadDataError for one that is no image."""
    with reading(location, in_order=False) as cursor:
        for key in keys:
            if cursor.set_key(key):
                yield _record(location, key, cursor.value())


def stored_records(location: Path) -> Iterator[tuple[Buffer, Buffer]]:
    """Yield key and value of the records in key order.

    They are views of the file, and must not be used after the iterator ended or was closed.
    """
    with reading(location) as cursor:
        yield from cursor.iternext()


class StoredRecords:
    """The records of an LMDB by their keys, as they are stored."""

    def __init__(self, location: Path) -> None:
        """Raises BadDataError as `opened` does."""
        self.location = location
        self._opened = ExitStack()  # closed by the garbage collector, once no views are left
        self._cursor = self._opened.enter_context(reading(location))

    def at(self, keys: Sequence[bytes]) -> list[tuple[Buffer, Buffer]]:
        """Return keys and values of the records of those keys, in their order.

        They are views of the file. For one thread at a time. A single call reads them all: between two
        steps of a cursor other threads take Python's lock, and beside a busy one a record took 155 µs, not
        0.5. Raises BadDataError, also where one is not there.
        """
        with _damage_named(self.location):
            found = self._cursor.getmulti(keys)
        if len(found) < len(keys):
            raise BadDataError(f"{self.location}: records are gone while it is read: build it again")
        return found


class NumberedRecords(StoredRecords):
    """They by their number, from 0 in key order; it keeps all keys, about a hundred bytes for each record."""

    def __init__(self, location: Path) -> None:
        super().__init__(location)
        with _damage_named(location):
            self._keys = [bytes(key) for key in self._cursor.iternext(values=False)]

    def __len__(self) -> int:
        return len(self._keys)

    def keys(self, begin: int, count: int) -> list[bytes]:
        """Return the keys of so many records from a number on; after the last follows the first."""
        begin %= len(self._keys)
        keys = self._keys[begin : begin + count]
        while len(keys) < count:
            keys += self._keys[: count - len(keys)]
        return keys


def record_name(location: Path, key: Buffer) -> str:
    """Return what a sentence about one record begins with."""
    return f"{location}: record {key_text(key)}"


def key_text(key: Buffer) -> str:
    """Return a record's key as people read it."""
    return bytes(key).decode(errors="backslashreplace")


def exact_key(key: Buffer) -> str:
    """Return a record's key as text that no other key has; `key_bytes` makes the key of it again."""
    return bytes(key).decode(errors="surrogateescape")


def key_bytes(text: str) -> bytes:
    """Return the key that `exact_key` made a text of."""
    return text.encode(errors="surrogateescape")


def _record(location: Path, key: Buffer, value: Buffer) -> Record:
    from ftjob.dataset.lmdb.decode import decode_data  # here, because OpenCV is slow to import

    try:
        head = read_head(value)
        return Record(bytes(key), head.label, decode_data(head, value[head.data]))
    except RecordError as error:
        raise BadDataError(f"{record_name(location, key)}: {error}") from error
