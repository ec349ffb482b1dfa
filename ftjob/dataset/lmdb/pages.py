"""The pages of an LMDB, checked before LMDB follows them: it trusts them, and damage ends the process.

Only the fields of pages that point somewhere are checked (lmdb.h and mdb.c of LMDB 0.9, 64 bit,
little-endian), not what records hold.
"""

import mmap
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ftjob.dataset.folder import DATA_FILE
from ftjob.errors import BadDataError

_HEADER = struct.Struct("<QHHHH")
"""Of a page: its number, padding, flags, where its free space begins and ends."""
_NODE = struct.Struct("<HHHH")
"""Low and high half of a size or page number, flags, bytes of the key."""
_BRANCH, _LEAF, _OVERFLOW = 1, 2, 4
_BIG_DATA = 1
_META_FREE, _META_MAIN, _META_LAST = 40, 88, 136
"""Offsets in pages 0 and 1 of the free pages, the records and the number of the last page."""
_MAGIC, _LMDB = 16, b"\xde\xc0\xef\xbe"
"""Offset of the magic number in pages 0 and 1, and the number."""
_LARGEST_PAGE = 2**16
_NO_PAGE = 2**64 - 1
_DEEPEST = 32
"""Levels of pages that LMDB follows."""


class _DamagedError(Exception):
    """A page that leads outside of the file, of its page or back to where one was."""


def check_pages(location: Path) -> None:
    """Raise BadDataError for an LMDB whose pages LMDB could not follow to all of its records.

    Takes some microseconds a record; of records with pages of their own it reads the first 16 bytes.
    """
    with _tree_of(location) as tree:
        tree.check()


def check_meta_pages(location: Path) -> None:
    """Raise BadDataError for an LMDB that cannot even be opened without ending the process.

    LMDB finds its second page by the page size in the newer of the two (mdb_env_read_header).
    """
    with (location / DATA_FILE).open("rb") as file:
        head = file.read(_LARGEST_PAGE + _META_LAST)
    size = head[_META_FREE:][:4]
    if head[_MAGIC:][:4] != _LMDB or len(head) < (second := int.from_bytes(size, "little")) + _META_LAST:
        return  # LMDB itself reports this
    if head[second + _META_FREE :][:4] != size:
        problem = f"{DATA_FILE} is damaged (its first pages differ): copy or build it again"
        raise BadDataError(f"{location}: {problem}")


def used_bytes(location: Path) -> int:
    """Return the bytes of an LMDB's file up to its last page; space mapped in advance follows them.

    Raises BadDataError for what is no LMDB.
    """
    with _tree_of(location) as tree:
        return int(tree.pages * tree.page_bytes)


@contextmanager
def _tree_of(location: Path) -> "Iterator[_Tree]":
    with (location / DATA_FILE).open("rb") as file:
        if not file.seek(0, 2):
            raise BadDataError(f"{location}: {DATA_FILE} is empty: copy it again")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                yield _Tree(data)
            except (_DamagedError, struct.error) as error:
                raise BadDataError(
                    f"{location}: {DATA_FILE} is damaged ({error}): copy or build it again"
                ) from None


class _Tree:
    """The records' tree of pages, as the newer of the two meta pages has it."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data = data
        (self.page_bytes,) = struct.unpack_from("<I", data, _META_FREE)
        if self.page_bytes not in (2**power for power in range(9, 17)):
            raise _DamagedError(f"a page has {self.page_bytes} bytes")
        starts = (0, self.page_bytes)
        start = max(starts, key=lambda at: struct.unpack_from("<QQ", data, at + _META_LAST)[1])
        self.last = struct.unpack_from("<Q", data, start + _META_LAST)[0]
        _, self.flags, *_, self.entries, self.root = struct.unpack_from("<IHHQQQQQ", data, start + _META_MAIN)
        self.pages = min(self.last + 1, len(data) // self.page_bytes)
        self.seen = mmap.mmap(-1, max(1, self.pages))  # zeros, which take memory only where they change

    def check(self) -> None:
        if self.flags:
            raise _DamagedError("its keys are not in the order of a dataset")
        waiting = [(self.root, 1)] if self.root != _NO_PAGE else []
        records = 0
        while waiting:
            page, depth = waiting.pop()
            if depth > _DEEPEST:
                raise _DamagedError(f"page {page} lies too deep")
            start, flags, lower = self._page(page)
            places = struct.unpack_from(f"<{(lower - 16) // 2}H", self.data, start + 16)
            if flags == _BRANCH:
                waiting += [(self._child(page, start, place), depth + 1) for place in places]
            else:
                records += len(places)
                for place in places:
                    self._record(page, start, place)
        if records != self.entries:
            raise _DamagedError(f"it has {records} records where its header counts {self.entries}")

    def _page(self, page: int) -> tuple[int, int, int]:
        """Return where a page with nodes is, its kind, and where its list of nodes ends."""
        start = self._first_visit(page)
        number, _, flags, lower, upper = _HEADER.unpack_from(self.data, start)
        if number != page or flags not in (_BRANCH, _LEAF):
            raise _DamagedError(f"page {page} is none of records")
        fewest = 20 if flags == _BRANCH else 18
        if not fewest <= lower <= upper <= self.page_bytes or lower % 2:
            raise _DamagedError(f"page {page} is longer than a page")
        return start, int(flags), int(lower)

    def _first_visit(self, page: int, count: int = 1) -> int:
        if not 2 <= page <= self.pages - count or any(self.seen[page : page + count]):
            raise _DamagedError(f"page {page} is outside of it, or has two places in it")
        self.seen[page : page + count] = b"\1" * count
        return page * int(self.page_bytes)

    def _node(self, page: int, start: int, place: int) -> tuple[int, int, int, int]:
        if not 16 <= place <= self.page_bytes - _NODE.size:
            raise _DamagedError(f"page {page} has a record outside of it")
        low, high, flags, key = map(int, _NODE.unpack_from(self.data, start + place))
        if place + _NODE.size + key > self.page_bytes:
            raise _DamagedError(f"page {page} has a key that runs past its end")
        return low, high, flags, key

    def _child(self, page: int, start: int, place: int) -> int:
        low, high, flags, _ = self._node(page, start, place)
        return int(low | high << 16 | flags << 32)

    def _record(self, page: int, start: int, place: int) -> None:
        low, high, flags, key = self._node(page, start, place)
        size, at = low | high << 16, place + _NODE.size + key
        if flags not in (0, _BIG_DATA):
            raise _DamagedError(f"page {page} has something else than a record")
        if not flags:
            if at + size > self.page_bytes:
                raise _DamagedError(f"page {page} has a record that runs past its end")
            return
        (own,) = struct.unpack_from("<Q", self.data, start + at)
        count = -(-(16 + size) // self.page_bytes)
        number, _, kind, low, high = _HEADER.unpack_from(self.data, self._first_visit(own, count))
        if number != own or kind != _OVERFLOW or (low | high << 16) < count:
            raise _DamagedError(f"page {own} does not hold the record that it should")
