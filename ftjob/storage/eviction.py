"""Keeps the node cache within its size: least recently used trees are removed first."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ftjob.errors import StorageError
from ftjob.fs import locks

LIMIT_NAME = "FTJOB_CACHE_BYTES"
DEFAULT_LIMIT = 50 * 10**9
OLD = ".old"
"""Ends the name of a tree that is being removed."""


@dataclass(frozen=True)
class CachedTree:
    """The names of one tree in the cache."""

    root: Path
    digest: str

    @property
    def tree(self) -> Path:
        """The files, under the names they have in the store."""
        return self.root / "trees" / self.digest

    @property
    def coming(self) -> Path:
        """The tree before it is whole."""
        return self.root / "coming" / self.digest

    @property
    def part(self) -> Path:
        """What has arrived of a file of the web: the next process continues it."""
        return self.root / "parts" / self.digest

    @property
    def lock(self) -> Path:
        """Held by the processes that use the tree; its mtime is that of the last use."""
        return self.root / "locks" / self.digest

    @property
    def making(self) -> Path:
        """Held by the process that downloads the tree."""
        return self.root / "locks" / f"{self.digest}.making"

    def blob(self, version: str) -> Path:
        """An object of whichever tree."""
        return self.root / "blobs" / version

    def seconds(self, version: str) -> Path:
        """What holds the seconds that an object's download took."""
        return self.root / "seconds" / version


def limit(root: Path) -> int:
    """Return how many bytes the cache may hold: $FTJOB_CACHE_BYTES, else 50 GB; at most half of its disk.

    Raises StorageError where the variable is no number.
    """
    text = os.environ.get(LIMIT_NAME, str(DEFAULT_LIMIT))
    if not text.isdecimal():
        raise StorageError(
            f"{LIMIT_NAME}: {text!r} is not a number of bytes, such as {DEFAULT_LIMIT}: fix it"
        )
    return min(int(text), shutil.disk_usage(root).total // 2)


def make_room(root: Path, needed: int, what: str) -> None:
    """Remove trees, least recently used first, until so many more bytes fit; never one that is in use.

    A tree larger than the whole cache is still kept, alone. Raises StorageError, naming `what`, where
    the disk has no room for it.
    """
    _remove_idle(root / "coming")
    _remove_unlinked(root)
    free = shutil.disk_usage(root).free
    used = used_bytes(root)
    most = min(limit(root), used + free)
    if used + needed > most:
        _remove_idle(root / "parts")
        used = used_bytes(root)
    for cached in _by_last_use(root):
        if used + needed <= most:
            break
        _remove(cached)
        _remove_unlinked(root)
        used = used_bytes(root)
    free = shutil.disk_usage(root).free
    if needed > free:
        raise StorageError(
            f"{what}: needs {needed / 1e9:.2f} GB and the disk of {root} has {free / 1e9:.2f} GB free: "
            "free some space, or set FTJOB_CACHE to a folder on a larger disk"
        )


def used_bytes(root: Path) -> int:
    """Return the bytes that trees and blobs take, those with several names once."""
    sizes = {}
    for folder in ("trees", "blobs", "coming", "parts"):
        sizes.update({found.st_ino: found.st_size for found in _files(root / folder)})
    return sum(sizes.values())


def _files(folder: Path) -> Iterator[os.stat_result]:
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # another process is at work here too
            if path.is_file():
                yield path.stat()


def _by_last_use(root: Path) -> list[CachedTree]:
    trees = [CachedTree(root, tree.name) for tree in _inside(root / "trees")]
    return sorted(trees, key=lambda cached: cached.lock.stat().st_mtime_ns)


def _inside(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _remove(cached: CachedTree) -> None:
    """Remove a tree unless a living process holds it: out of sight at once, then file by file."""
    with locks.locked(cached.lock, wait=False) as alone:
        if alone and cached.tree.is_dir():
            aside = cached.coming.with_suffix(OLD)
            shutil.rmtree(aside, ignore_errors=True)
            cached.tree.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)


def _remove_idle(parent: Path) -> None:
    """Remove what killed processes were downloading or removing into a folder of the cache."""
    for folder in _inside(parent):
        with locks.locked(CachedTree(parent.parent, folder.stem).making, wait=False) as alone:
            if alone:
                shutil.rmtree(folder, ignore_errors=True)


def _remove_unlinked(root: Path) -> None:
    """Remove the blobs that no tree has."""
    for blob in _inside(root / "blobs"):
        with contextlib.suppress(FileNotFoundError):
            if blob.stat().st_nlink == 1:
                blob.unlink()
