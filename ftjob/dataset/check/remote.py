"""LMDBs in a store: planned from their manifests where those suffice, fetched where they are read."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ftjob.dataset.build.transfers import as_progress
from ftjob.dataset.build_options import DataProgress
from ftjob.dataset.check.inspection import inspect_manifest
from ftjob.dataset.facts import DatasetFacts
from ftjob.dataset.folder import DATA_FILE, DatasetFolder
from ftjob.dataset.source.stored import Objects
from ftjob.errors import BadDataError
from ftjob.storage import Entry, Store
from ftjob.storage.cache import fetch_entries, parent_store

UPLOADING = ".uploading"
"""The object that exists while a dataset is being uploaded."""
NAMES = DatasetFolder(Path())
NAMES_BESIDE = (NAMES.labels.name, NAMES.mean.name)
NAMES_ABOVE = (NAMES.manifest.name, NAMES.labels.name, NAMES.mean.name)
"""What stands beside an LMDB and above it."""


@dataclass(frozen=True)
class RemoteLmdb:
    """An LMDB in a store, with the objects that describe it."""

    store: Store
    """What its folder lies in."""
    folder: str
    """Its key there; empty where the LMDB lies right in a bucket."""
    data: Entry
    sidecars: tuple[Entry, ...]
    """The objects beside and above it that describe it: manifest, labels, mean; `UPLOADING` too."""

    @property
    def location(self) -> str:
        """The LMDB's URI."""
        return "/".join(part for part in (self.store.location, self.folder) if part)

    def facts(self) -> DatasetFacts | None:
        """Return the facts in the manifest above it; None without one, or where it describes another LMDB."""
        if not any(entry.key == NAMES.manifest.name for entry in self.sidecars):
            return None
        folder = fetch_entries(self.store, self.sidecars) / self.folder
        found = inspect_manifest(folder, self.data.size)
        return replace(found, location=self.location, local=None) if found else None

    def fetch(self, progress: Callable[[DataProgress], None]) -> Path:
        """Return the LMDB's folder on this machine, with the files that describe it."""
        return fetch_entries(self.store, (self.data, *self.sidecars), as_progress(progress)) / self.folder


def has_lmdb(place: Objects, split: str) -> bool:
    """Return whether a URI is that of an LMDB, or of a built dataset."""
    return DATA_FILE in place.entries or f"{split}/{DATA_FILE}" in place.entries


def find_lmdb(place: Objects, split: str) -> RemoteLmdb:
    """Return the LMDB at a URI, or the one of a split in the built dataset there.

    Raises BadDataError where there is none, or its upload has not ended.
    """
    if not has_lmdb(place, split):
        raise BadDataError(
            f"{place}: is no LMDB and no folder of images: there is neither {DATA_FILE} nor "
            f"{split}/{DATA_FILE}, nor one folder of images per class"
        )
    found = _lmdb_itself(place) if DATA_FILE in place.entries else _split_of(place, split)
    if any(entry.key == UPLOADING for entry in found.sidecars):
        raise BadDataError(
            f"{found.location}: its upload has not ended: wait for it, or run its `ftjob data build` again"
        )
    return found


def _split_of(place: Objects, split: str) -> RemoteLmdb:
    names = (*NAMES_ABOVE, UPLOADING, *(f"{split}/{name}" for name in NAMES_BESIDE))
    return RemoteLmdb(
        place.store, split, place.entries[f"{split}/{DATA_FILE}"], _those_there(names, place.entries.get)
    )


def _lmdb_itself(place: Objects) -> RemoteLmdb:
    inside = _those_there((DATA_FILE, *NAMES_BESIDE), place.entries.get)
    if place.name.rpartition("/")[0].endswith("/"):  # a bucket has nothing above it
        return RemoteLmdb(place.store, "", inside[0], inside[1:])
    store, folder = parent_store(place.name)
    data, *beside = (replace(entry, key=f"{folder}/{entry.key}") for entry in inside)
    above = _those_there((*NAMES_ABOVE, UPLOADING), store.stat)
    return RemoteLmdb(store, folder, data, (*beside, *above))


def _those_there(names: tuple[str, ...], find: Callable[[str], Entry | None]) -> tuple[Entry, ...]:
    return tuple(entry for name in names if (entry := find(name)))
