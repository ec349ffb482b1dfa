"""One interface over S3, Google Cloud Storage, Azure and a directory (docs/storage.md)."""

from pathlib import Path

from ftjob.fs.paths import expanded
from ftjob.storage.location import is_remote, parse_store_uri
from ftjob.storage.store import DamagedError, Entry, MissingError, Store, Transfer, wrong_digest

__all__ = [
    "DamagedError",
    "Entry",
    "MissingError",
    "Store",
    "Transfer",
    "local_path",
    "open_store",
    "wrong_digest",
]


def local_path(location: str) -> Path | None:
    """Return the path of a location on this machine, None where it is a URI."""
    return None if is_remote(location) else Path(location).absolute()


def open_store(location: str, *, patience: float | None = None) -> Store:
    """Return the store at a URI or a directory's path, without a request to it.

    `patience`: the seconds that a server may be away, instead of the machine's ($FTJOB_STORAGE_DEADLINE).
    Raises StorageError where the URI means nothing, or no credentials are to be found.
    """
    if not is_remote(location):
        from ftjob.storage.directory import DirectoryStore

        return DirectoryStore(expanded(location).absolute())
    from ftjob.storage.cloud import CloudStore  # here, because its libraries are slow to import
    from ftjob.storage.connect import connect

    uri = parse_store_uri(location)
    return CloudStore(connect(uri, patience), uri)
