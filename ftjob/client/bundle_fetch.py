"""Finds the bundle that a user means, and brings it to this disk."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ftjob.errors import StorageError
from ftjob.fs.paths import expanded
from ftjob.runfolder.layout import BundleFolder
from ftjob.storage import local_path, open_store
from ftjob.storage.cache import fetch_entries

if TYPE_CHECKING:
    from ftjob.client.handle import RunHandle

MOST_FILES = 256
"""Files of a bundle that are fetched from a store; ftjob's own have some thirty at most."""


def bundle_at(location: str) -> Path | None:
    """Return the folder of the bundle at a path or URI; None where there is none.

    One in a store is fetched into the cache, once. Raises StorageError where it cannot be.
    """
    if local_path(location) is None:
        return _fetched(location)
    with suppress(OSError, ValueError):  # no path: too long, a NUL
        if BundleFolder(expanded(location)).manifest.is_file():
            return expanded(location)
    return None


def bundle_of(run: "RunHandle") -> Path:
    """Return the folder of a run's bundle, as `bundle_at` does. Raises StorageError where it has none."""
    location = run.bundle()
    found = bundle_at(location) if location else None
    if found is None:
        raise StorageError(f"{run.name}: has no bundle yet: the run is {run.status().state}")
    return found


def _fetched(location: str) -> Path | None:
    """Return a copy of the bundle at a URI; None where there is none. Raises StorageError."""
    store = open_store(location)
    if store.stat(BundleFolder(Path()).manifest.name) is None:
        return None
    entries = store.list()
    if len(entries) > MOST_FILES:
        raise StorageError(f"{location}: holds {len(entries):,} files, and a bundle {MOST_FILES} at most")
    return fetch_entries(store, entries)
