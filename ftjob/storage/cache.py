"""The node cache: what a URI names, brought to this machine once and kept for the runs after.

objects/trees/<digest>/…    files under the names they have in the store; whole when the folder is there
objects/blobs/<version>     the same files (hard links), so that two trees share an object that both hold
objects/seconds/<version>   how long an object's download took
objects/coming/<digest>/…   what is being downloaded, or was when its process was killed
objects/parts/<digest>/…    what has arrived of a file of the web, to be continued
objects/locks/<digest>      held by every process that uses the tree; its time is that of the last use
"""

import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ftjob.errors import StorageError
from ftjob.fs import files, locks
from ftjob.fs.paths import cache_dir
from ftjob.storage import eviction
from ftjob.storage.location import is_remote, parse_pinned_file
from ftjob.storage.store import Entry, MissingError, OnTransfer, Store, Transfer, ignore
from jobspec.pinned import is_web


def fetch_file(
    location: str, progress: OnTransfer = ignore, check_size: Callable[[int], None] = lambda _: None
) -> Path:
    """Return a file's path on this machine, under its own name; a path is returned as it is.

    `check_size` may refuse the bytes that it has, before they are fetched. Raises MissingError where it is
    not there, StorageError where it cannot be read or kept.
    """
    if not is_remote(location):
        return Path(location)
    if is_web(location):
        from ftjob.storage.web.cached import fetch_pinned  # here, because urllib3 is slow to import

        return fetch_pinned(parse_pinned_file(location), progress, check_size)
    store, name = parent_store(location)
    entry = store.stat(name)
    if entry is None:
        store.read(name)  # its error tells a missing bucket from a missing object
        raise MissingError(f"{location}: is not there: correct the URI, or upload it")
    check_size(entry.size)
    return fetch_entries(store, [entry], progress) / name


def parent_store(location: str) -> tuple[Store, str]:
    """Return the store that a URI's last part lies in, and that part. Raises StorageError for a bucket."""
    from ftjob.storage import open_store

    parent, _, name = location.rstrip("/").rpartition("/")
    if parent.endswith("/"):
        raise StorageError(f"{location}: is a whole bucket: write {location.rstrip('/')}/KEY")
    return open_store(parent), name


def fetch_entries(store: Store, entries: Sequence[Entry], progress: OnTransfer = ignore) -> Path:
    """Return a folder on this machine with some objects of a store, as they were when they were listed.

    This process holds it until it ends; no other removes it before. Raises StorageError.
    """
    return keep(_Objects(store, tuple(sorted(entries, key=lambda entry: entry.key))), progress)


class WantedTree(Protocol):
    """The files of a tree."""

    @property
    def digest(self) -> str:
        """The tree's name: another one when its bytes are others."""
        ...

    def is_whole(self, tree: Path) -> bool:
        """Return whether a folder has all of them as they should be."""
        ...

    def fill(self, cached: eviction.CachedTree, progress: OnTransfer) -> None:
        """Bring them into the folder `cached.coming`. Raises StorageError."""
        ...

    def spared(self, cached: eviction.CachedTree) -> Transfer:
        """Return the transfer that the cache made unnecessary."""
        ...


def keep(wanted: WantedTree, progress: OnTransfer) -> Path:
    """Return a tree, brought here where it is not yet, and held by this process. Raises StorageError."""
    cached = eviction.CachedTree(cache_dir() / "objects", wanted.digest)
    if not _held(wanted, cached):
        with locks.locked(cached.making, wait=True):
            if not _held(wanted, cached):
                _make(wanted, cached, progress)
                progress = ignore  # the download has been reported
    progress(wanted.spared(cached))
    with contextlib.suppress(PermissionError):  # a cache that belongs to another user
        os.utime(cached.lock)
    return cached.tree


def _held(wanted: WantedTree, cached: eviction.CachedTree) -> bool:
    """Hold a tree and return whether it is there whole: files may have been removed from it."""
    locks.hold(cached.lock)
    if wanted.is_whole(cached.tree):
        return True
    locks.let_go(cached.lock)
    return False


def _make(wanted: WantedTree, cached: eviction.CachedTree, progress: OnTransfer) -> None:
    """Bring a tree together aside and move it into place, held from its first moment on."""
    with files.explained(cached.coming):
        shutil.rmtree(cached.coming, ignore_errors=True)  # what a killed process left
        cached.coming.mkdir(parents=True)
        wanted.fill(cached, progress)
        locks.hold(cached.lock)
        cached.tree.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(cached.tree, ignore_errors=True)
        cached.coming.rename(cached.tree)


@dataclass(frozen=True)
class _Objects:
    """Some objects of a store."""

    store: Store
    entries: tuple[Entry, ...]

    def version(self, entry: Entry) -> str:
        """Return the version of an object: another one when its bytes change."""
        stamp = (entry.etag or repr(entry.modified)).strip('"')
        return _digest(f"{self.store.location}/{entry.key}\n{stamp}\n{entry.size}")

    @property
    def what(self) -> str:
        """What a transfer of them is called."""
        return self.store.location + (f"/{self.entries[0].key}" if len(self.entries) == 1 else "")

    @property
    def digest(self) -> str:
        return _digest("\n".join(f"{entry.key} {self.version(entry)}" for entry in self.entries))

    def is_whole(self, tree: Path) -> bool:
        return all(_size(tree / entry.key) == entry.size for entry in self.entries)

    def fill(self, cached: eviction.CachedTree, progress: OnTransfer) -> None:
        missing = [entry for entry in self.entries if not _linked(self, entry, cached)]
        eviction.make_room(cached.root, sum(entry.size for entry in missing), self.store.location)
        _download(self, missing, cached, progress)

    def spared(self, cached: eviction.CachedTree) -> Transfer:
        size, seconds = sum(entry.size for entry in self.entries), 0.0
        with contextlib.suppress(FileNotFoundError):  # the cache was cleared
            seconds = sum(float(cached.seconds(self.version(entry)).read_text()) for entry in self.entries)
        return Transfer(self.what, size, size, spared_seconds=seconds)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return None


def _linked(wanted: _Objects, entry: Entry, cached: eviction.CachedTree) -> bool:
    """Link an object that was downloaded for another tree; return whether there was one."""
    with contextlib.suppress(FileNotFoundError):
        blob = cached.blob(wanted.version(entry))
        if _size(blob) != entry.size:
            blob.unlink()  # cut short since: not worth a second look
            return False
        target = cached.coming / entry.key
        target.parent.mkdir(parents=True, exist_ok=True)
        target.hardlink_to(blob)
        return True
    return False


def _download(
    wanted: _Objects, entries: Sequence[Entry], cached: eviction.CachedTree, progress: OnTransfer
) -> None:
    total, before = sum(entry.size for entry in entries), 0
    for entry in entries:
        path, begin = cached.coming / entry.key, time.monotonic()

        def report(transfer: Transfer, before: int = before) -> None:
            progress(Transfer(wanted.what, before + transfer.done, total))

        wanted.store.download(entry.key, path, progress=report)
        now, version = wanted.store.stat(entry.key), wanted.version(entry)
        if now is None or wanted.version(now) != version:
            where = f"{wanted.store.location}/{entry.key}"
            raise StorageError(f"{where}: was replaced while it was being read: try again")
        path.chmod(0o444)
        _keep(path, cached.blob(version))
        files.write_text(cached.seconds(version), f"{time.monotonic() - begin:.6f}")
        before += entry.size


def _keep(path: Path, blob: Path) -> None:
    """Let a downloaded file be found by its version, or give it up for the one that is there already."""
    blob.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(OSError):  # a file system without links, where nothing is shared
        try:
            blob.hardlink_to(path)
        except FileExistsError:
            aside = path.with_name(f"{path.name}.link")
            aside.hardlink_to(blob)
            aside.replace(path)
