"""Stores growing files in parts, since a store cannot append: only the last part is rewritten."""

from pathlib import Path

from ftjob.fs import files
from ftjob.runfolder.layout import RunFolder
from ftjob.storage import Store

PART_BYTES = 1 << 20
"""A part ends at the first line end beyond this."""
LARGEST_PART = 256 << 20
"""Bytes: its last line may be long."""


class Tail:
    """Keeps a store's copy of one growing file up to date, replacing what it had under that name."""

    def __init__(self, store: Store, path: Path, key: str, *, part_bytes: int = PART_BYTES) -> None:
        self._store, self._path, self._key, self._part_bytes = store, path, key, part_bytes
        self._number = 0
        self._start = 0
        """Where the open part begins in the file."""
        self._sent = -1
        """Bytes of the file that the store has; -1 before the first time."""

    def send(self) -> None:
        """Bring the store up to date. Raises StorageError."""
        size = self._path.stat().st_size if self._path.exists() else 0
        if size == self._sent or (self._sent < 0 and not size):
            return
        with self._path.open("rb") as file:
            file.seek(self._start)
            data = file.read(size - self._start)
        if self._sent < 0:
            self._forget_old_parts()
            self._sent = 0
        while (end := self._end_of_part(data)) is not None:
            self._store.write(RunFolder.part(self._key, self._number), data[:end])
            data, self._start, self._number = data[end:], self._start + end, self._number + 1
        if data:
            self._store.write(RunFolder.part(self._key, self._number), data)
        self._sent = size

    def _end_of_part(self, data: bytes) -> int | None:
        end = data.find(b"\n", self._part_bytes - 1) + 1
        return end or None

    def _forget_old_parts(self) -> None:
        """Remove an earlier attempt's parts beyond the first, which is rewritten."""
        self._store.delete(key for key in parts(self._store, self._key) if key != self._key)


def parts(store: Store, key: str) -> list[str]:
    """Return the keys of a growing file's parts, in order. Raises StorageError."""
    folder, _, name = key.rpartition("/")
    found = [entry.key for entry in store.list(folder)]
    return [each for each in found if is_part(each.rpartition("/")[2], name)]


def is_part(name: str, of: str) -> bool:
    """Return whether a name is that of a growing file or of one of its later parts."""
    number = name.removeprefix(f"{of}.")
    return name == of or (number != name and len(number) == 5 and number.isascii() and number.isdecimal())


def bring_parts(store: Store, key: str, path: Path) -> None:
    """Copy a growing file, as far as the store has it, part by part. Raises StorageError."""
    with files.whole(path) as temporary, temporary.open("wb") as file:
        for each in parts(store, key):
            file.write(store.read(each, largest=LARGEST_PART))
