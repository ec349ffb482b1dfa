"""One object to one file: ranges side by side, hashed in order while the others are under way."""

import hashlib
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from ftjob import files
from ftjob.errors import StorageError
from ftjob.storage.store import Progress, Transfer, wrong_digest

if TYPE_CHECKING:
    from obstore import Bytes

    from ftjob.storage.bucket import Client
    from ftjob.storage.cloud import CloudStore
    from ftjob.storage.store import Entry

RANGE = 8 << 20
"""Bytes asked for at once."""
SIDE_BY_SIDE = 8
"""Requests under way at once."""
AHEAD = 2 * SIDE_BY_SIDE
"""Ranges in memory at most: under way, or waiting for those before them to be hashed."""


def download(store: "CloudStore", key: str, path: Path, sha256: str | None, progress: Progress) -> str:
    """Copy an object to a file and return its SHA-256 in hex; a range that fails is asked for again alone.

    Raises StorageError where the object changes meanwhile, or is not the one that `sha256` names.
    """
    found = store.stat(key)
    if found is None:
        store.first_byte(key)  # HEAD does not tell a missing bucket from a missing object; this does
        raise StorageError(f"{store.location}/{key}: came and went while it was asked for: try again")
    with files.whole(path, synced=False) as temporary, temporary.open("wb") as file:
        digest = fill(store, found, file.fileno(), progress)
        if sha256 not in (None, digest):
            raise wrong_digest(f"{store.location}/{key}", digest, str(sha256))
    return digest


def fill(store: "CloudStore", found: "Entry", fd: int, progress: Progress) -> str:
    """Write all ranges to an open file and return the SHA-256 of the whole."""
    digest, done = hashlib.sha256(), 0
    with ThreadPoolExecutor(SIDE_BY_SIDE, "download") as pool:
        try:
            for data in in_order(pool, store, found, fd):
                digest.update(data)
                done += len(data)
                progress(Transfer(found.key, done, found.size))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return digest.hexdigest()


def in_order(pool: ThreadPoolExecutor, store: "CloudStore", found: "Entry", fd: int) -> Iterator["Bytes"]:
    """Yield the ranges in the order of the file, each after it was written; some are always under way."""
    waiting: deque[Future[Bytes]] = deque()
    for start in range(0, found.size, RANGE):
        if len(waiting) == AHEAD:
            yield waiting.popleft().result()
        waiting.append(pool.submit(fetch, store, found, start, fd))
    while waiting:
        yield waiting.popleft().result()


def fetch(store: "CloudStore", found: "Entry", start: int, fd: int) -> "Bytes":
    """Write one range to its place in the file, and return it."""
    end = min(start + RANGE, found.size)
    name = store.name(found.key)

    def get(client: "Client") -> "Bytes":
        answer = client.get(name, options={"range": (start, end)})
        if answer.meta["e_tag"] != found.etag or answer.meta["size"] != found.size:
            raise StorageError(
                f"{store.location}/{found.key}: was replaced while it was being downloaded: try again"
            )
        return answer.bytes()

    data = store.ask(found.key, "reading it", get)
    written = 0
    while written < len(data):
        written += os.pwrite(fd, memoryview(data)[written:], start + written)
    return data
