"""One object to one file: ranges side by side, hashed in order while the others are under way.

What arrives goes to the file in small pieces and is read back for the digest: the kernel still has it, and
fresh memory for whole ranges costs more than that, up to half of a download's processor time.
"""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from ftjob.errors import StorageError
from ftjob.fs import files
from ftjob.storage.store import OnTransfer, Transfer, wrong_digest

if TYPE_CHECKING:
    from ftjob.storage.bucket import Client
    from ftjob.storage.cloud import CloudStore
    from ftjob.storage.store import Entry

RANGE = 8 << 20
"""Bytes requested at once."""
SIDE_BY_SIDE = 8
"""Requests under way at once."""
PIECE = 1 << 18
"""Bytes that are written or hashed at once."""


def download(store: "CloudStore", key: str, path: Path, sha256: str | None, progress: OnTransfer) -> str:
    """Copy an object to a file and return its SHA-256 in hex; a range that fails is retried alone.

    Raises StorageError where the object changes meanwhile, or is not the one that `sha256` names.
    """
    found = store.stat(key)
    if found is None:
        store.first_byte(key)  # HEAD cannot distinguish a missing bucket from a missing object; GET can
        raise StorageError(f"{store.location}/{key}: was removed while it was being read: try again")
    with files.whole(path, synced=False) as temporary, temporary.open("w+b") as file:
        digest = fill(store, found, file.fileno(), progress)
        if sha256 not in (None, digest):
            raise wrong_digest(f"{store.location}/{key}", digest, str(sha256))
    return digest


def fill(store: "CloudStore", found: "Entry", fd: int, progress: OnTransfer) -> str:
    """Write all ranges to an open file and return the SHA-256 of the whole."""
    digest = hashlib.sha256()
    buffer = memoryview(bytearray(PIECE))
    done = 0
    with ThreadPoolExecutor(SIDE_BY_SIDE, "download") as pool:
        try:
            for end in pool.map(lambda start: fetch(store, found, start, fd), range(0, found.size, RANGE)):
                while done < end:
                    count = os.preadv(fd, [buffer[: end - done]], done)
                    digest.update(buffer[:count])
                    done += count
                progress(Transfer(found.key, done, found.size))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return digest.hexdigest()


def fetch(store: "CloudStore", found: "Entry", start: int, fd: int) -> int:
    """Write one range to its place in the file, and return where it ends."""
    from obstore.exceptions import GenericError

    name, end = store.name(found.key), min(start + RANGE, found.size)

    def get(client: "Client") -> None:
        answer = client.get(name, options={"range": (start, end)})
        if answer.meta["e_tag"] != found.etag or answer.meta["size"] != found.size:
            raise StorageError(
                f"{store.location}/{found.key}: was replaced while it was being downloaded: try again"
            )
        at = start
        for piece in answer.stream(min_chunk_size=PIECE):
            at += write(fd, memoryview(piece), at)
        if at != end:
            raise GenericError("the answer ended early")  # so that it is retried

    store.ask(found.key, "reading it", get)
    return end


def write(fd: int, piece: memoryview, at: int) -> int:
    """Write all of a piece, and return its length."""
    written = 0
    while written < len(piece):
        written += os.pwrite(fd, piece[written:], at + written)
    return written
