"""Files below a URI, as they were when they were listed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from ftjob.errors import StorageError
from ftjob.storage import Entry, MissingError, Store, local_path, open_store
from ftjob.storage.cache import parent_store

READERS = 32
"""Images that are read at once: a store takes its time for each, and gives many at a time."""


@dataclass(frozen=True)
class Objects:
    """A folder in a store: a Tree, listed once."""

    store: Store
    entries: Mapping[str, Entry]
    """By key, relative to the store's location."""

    def __str__(self) -> str:
        return self.store.location

    @property
    def name(self) -> str:
        return self.store.location

    @property
    def readers(self) -> int:
        return READERS

    def child(self, folder: str) -> "Objects":
        """Return what lies below a folder, without listing it again."""
        inside = f"{folder}/"
        return Objects(
            self.store.child(folder),
            {
                key.removeprefix(inside): replace(entry, key=key.removeprefix(inside))
                for key, entry in self.entries.items()
                if key.startswith(inside)
            },
        )

    def folders(self) -> list[str]:
        names = {key.partition("/")[0] for key in self.entries if "/" in key}
        return sorted(name for name in names if not name.startswith("."))

    def files(self, folder: str) -> Iterator[tuple[str, str]]:
        inside = f"{folder}/" if folder else ""
        below = [key for key in self.entries if key.startswith(inside) and not _is_hidden(key)]
        for key in sorted(below, key=lambda key: PurePosixPath(key).parts):
            yield key, _stamp(self.entries[key])

    def stamp(self, path: str) -> str | None:
        entry = self.entries.get(path)
        return _stamp(entry) if entry else None

    def read(self, path: str) -> bytes:
        return self.store.read(path)


Place = Path | Objects
"""A file or folder on this machine, or what lies below a URI."""


def place_of(location: str | Path) -> Place:
    """Return the place that a path or URI names; a URI is listed. Raises StorageError."""
    if isinstance(location, Path) or local_path(location):
        return Path(location)
    return objects_at(open_store(location))


def filled_place(location: str | Path) -> Place:
    """Return the place that a path or URI names. Raises MissingError for a URI below which nothing is, and
    for that of one file."""
    place = place_of(location)
    if isinstance(place, Objects) and not place.entries:
        if _is_file(place):
            raise MissingError(
                f"{place}: is one file, and no LMDB or folder of images: give one, or make one of it with "
                "`ftjob data build`"
            )
        raise MissingError(f"{place}: nothing is there: correct the URI, or upload it")
    return place


def objects_at(store: Store) -> Objects:
    """List a store. Raises StorageError."""
    return Objects(store, {entry.key: entry for entry in store.list()})


def _is_file(place: Objects) -> bool:
    try:
        store, name = parent_store(place.name)
    except StorageError:  # a bucket
        return False
    return store.stat(name) is not None


def _is_hidden(key: str) -> bool:
    return key.startswith(".") or "/." in key


def _stamp(entry: Entry) -> str:
    return f"{entry.size}-{entry.etag or entry.modified}"
