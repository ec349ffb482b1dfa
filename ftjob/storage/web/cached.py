"""Pinned files in the node cache: the same digest is the same file, whoever served it."""

import contextlib
import hashlib
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ftjob.fs import files, locks
from ftjob.fs.digests import remembered_digest
from ftjob.fs.paths import cache_dir
from ftjob.storage import eviction
from ftjob.storage.cache import keep
from ftjob.storage.store import MissingError, OnTransfer, Transfer, ignore
from ftjob.storage.web.partial import PartialFile
from jobspec.pinned import PinnedFile, name_of


def fetch_pinned(
    file: PinnedFile, progress: OnTransfer = ignore, check_size: Callable[[int], None] = lambda _: None
) -> Path:
    """Return a file of the web on this machine, under its own name; without a request where it is here.

    `check_size` may refuse the bytes that it has. Raises MissingError where the address has no file, or one
    with another digest, StorageError where it cannot be read or kept.
    """
    name = name_of(file.address)
    path = keep(_PinnedTree(file, name, check_size), progress) / name
    check_size(path.stat().st_size)
    return path


def pin(address: str, progress: OnTransfer = ignore) -> PinnedFile:
    """Return an address with the SHA-256 of the file that it has now; the file is kept for `fetch_pinned`.

    Raises what `fetch_pinned` does.
    """
    root = cache_dir() / "objects"
    asked = eviction.CachedTree(root, _digest(f"pin {address}"))
    with locks.locked(asked.making, wait=True), files.explained(asked.part):
        arriving = _partial(address, asked, progress, lambda _: None, verified=False)
        arriving.complete()
        found = PinnedFile(address, "sha256", files.sha256(arriving.bytes))
        wanted = _PinnedTree(found, name_of(address), lambda _: None)
        cached = eviction.CachedTree(root, wanted.digest)
        with locks.locked(cached.making, wait=True):
            shutil.rmtree(cached.part, ignore_errors=True)
            asked.part.rename(cached.part)
    keep(wanted, ignore)
    shutil.rmtree(cached.part, ignore_errors=True)  # where the file was here already
    return found


@dataclass(frozen=True)
class _PinnedTree:
    """A tree of one file."""

    file: PinnedFile
    name: str
    check_size: Callable[[int], None]

    @property
    def digest(self) -> str:
        return _digest(f"{self.name} {self.file.algorithm} {self.file.digest}")

    def is_whole(self, tree: Path) -> bool:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            return remembered_digest(tree / self.name, self.file.algorithm) == self.file.digest
        return False

    def fill(self, cached: eviction.CachedTree, progress: OnTransfer) -> None:
        begin = time.monotonic()
        arriving = _partial(self.file.address, cached, progress, self.check_size)
        self._bring(arriving)
        arriving.bytes.chmod(0o444)
        arriving.bytes.rename(cached.coming / self.name)
        shutil.rmtree(cached.part, ignore_errors=True)
        files.write_text(cached.seconds(self.digest), f"{time.monotonic() - begin:.6f}")

    def _bring(self, arriving: PartialFile) -> None:
        """Bring the file, again from its beginning where pieces make another one. Raises MissingError."""
        if arriving.done and self._found(arriving) == self.file.digest:
            return  # whole already when its process was killed, or when `pin` found its digest
        arriving.complete()
        found = self._found(arriving)
        if found != self.file.digest and not arriving.is_certain:
            arriving.discard()
            arriving.complete()
            found = self._found(arriving)
        if found != self.file.digest:
            arriving.discard()
            address, algorithm, pinned = self.file
            name = {"sha256": "SHA-256", "sha1": "SHA-1"}[algorithm]
            raise MissingError(
                f"{address}: has another file: its {name} is {found} where {pinned} is pinned: correct the "
                "address or the digest"
            )

    def _found(self, arriving: PartialFile) -> str:
        return files.digest(arriving.bytes, self.file.algorithm)

    def spared(self, cached: eviction.CachedTree) -> Transfer:
        size, seconds = (cached.tree / self.name).stat().st_size, 0.0
        with contextlib.suppress(FileNotFoundError):  # the cache was cleared
            seconds = float(cached.seconds(self.digest).read_text())
        return Transfer(self.file.address, size, size, spared_seconds=seconds)


def _partial(
    address: str,
    cached: eviction.CachedTree,
    progress: OnTransfer,
    check_size: Callable[[int], None],
    *,
    verified: bool = True,
) -> PartialFile:
    """Return what has arrived of a file."""
    return PartialFile(
        address,
        cached.part,
        check_size=check_size,
        make_room=lambda needed: eviction.make_room(cached.root, needed, address),
        progress=lambda done, size: progress(Transfer(address, done, size)),
        verified=verified,
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
