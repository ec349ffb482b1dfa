"""LMDBs in a store: planned from their manifests alone where those tell all, fetched where they are read."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ftjob.dataset.build.transfers import transfer_progress
from ftjob.dataset.check.inspection import inspect_manifest
from ftjob.dataset.facts import DatasetFacts
from ftjob.dataset.folder import DATA_FILE, DatasetFolder
from ftjob.dataset.options import Progress
from ftjob.dataset.source.objects import Objects
from ftjob.errors import BadDataError
from ftjob.storage import Entry, Store
from ftjob.storage.cache import fetch_entries, parent_store

UPLOADING = ".uploading"
"""The object that is there as long as a dataset is being uploaded."""
NAMES = DatasetFolder(Path())
BESIDE_DATA = (NAMES.labels.name, NAMES.mean.name)
ABOVE_DATA = (NAMES.manifest.name, NAMES.labels.name, NAMES.mean.name)
"""What stands beside an LMDB and above it."""


@dataclass(frozen=True)
class RemoteLmdb:
    """An LMDB in a store, with what is known of it without its data."""

    store: Store
    """What its folder lies in."""
    folder: str
    """Its key there; empty where the LMDB lies right in a bucket."""
    data: Entry
    beside: tuple[Entry, ...]

    @property
    def location(self) -> str:
        """The LMDB's URI."""
        return "/".join(part for part in (self.store.location, self.folder) if part)

    def facts(self) -> DatasetFacts | None:
        """Return what the manifest above it tells; None where there is none, or it is of another LMDB."""
        if not any(entry.key == NAMES.manifest.name for entry in self.beside):
            return None
        folder = fetch_entries(self.store, self.beside) / self.folder
        found = inspect_manifest(folder, self.data.size)
        return replace(found, location=self.location, local=None) if found else None

    def fetch(self, progress: Callable[[Progress], None]) -> Path:
        """Return the LMDB's folder on this machine, with what lies beside it and above."""
        return fetch_entries(self.store, (self.data, *self.beside), transfer_progress(progress)) / self.folder


def has_lmdb(place: Objects, split: str) -> bool:
    """Say whether a URI is that of an LMDB, or of a built dataset."""
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
    if any(entry.key == UPLOADING for entry in found.beside):
        raise BadDataError(
            f"{found.location}: its upload has not ended: wait for it, or run its `ftjob data build` again"
        )
    return found


def _split_of(place: Objects, split: str) -> RemoteLmdb:
    names = (*ABOVE_DATA, UPLOADING, *(f"{split}/{name}" for name in BESIDE_DATA))
    return RemoteLmdb(
        place.store, split, place.entries[f"{split}/{DATA_FILE}"], _those_there(names, place.entries.get)
    )


def _lmdb_itself(place: Objects) -> RemoteLmdb:
    inside = _those_there((DATA_FILE, *BESIDE_DATA), place.entries.get)
    if place.name.rpartition("/")[0].endswith("/"):  # a bucket has nothing above it
        return RemoteLmdb(place.store, "", inside[0], inside[1:])
    store, folder = parent_store(place.name)
    data, *beside = (replace(entry, key=f"{folder}/{entry.key}") for entry in inside)
    above = _those_there((*ABOVE_DATA, UPLOADING), store.stat)
    return RemoteLmdb(store, folder, data, (*beside, *above))


def _those_there(names: tuple[str, ...], find: Callable[[str], Entry | None]) -> tuple[Entry, ...]:
    return tuple(entry for name in names if (entry := find(name)))
