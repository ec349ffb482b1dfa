"""One object to one file: ranges side by side, each written where it belongs as it arrives."""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ftjob.errors import StorageError
from ftjob.fs import files
from ftjob.storage.checksum import PIECE, Algorithm, Checksum, kept_checksum
from ftjob.storage.store import DamagedError, MissingError, OnTransfer, Transfer, check_sha256, ignore

if TYPE_CHECKING:
    from ftjob.storage.bucket import Client
    from ftjob.storage.cloud import CloudStore
    from ftjob.storage.store import Entry

SMALLEST, LARGEST = 8 << 20, 32 << 20
"""Bytes requested at once: each request costs the server, and a small object needs several side by side."""
SIDE_BY_SIDE = 8
"""Requests under way at once."""
TIMES = 3
"""How often an object is downloaded that arrives damaged: its checksum does not show which range was."""


def download(store: "CloudStore", key: str, path: Path, sha256: str | None, progress: OnTransfer) -> None:
    """Copy an object to a file; a range that fails is retried alone.

    Raises StorageError where the object changes meanwhile, DamagedError where its bytes are not those that
    the store's checksum or `sha256` is of.
    """
    found = store.head(key)
    if found is None:
        store.first_byte(key)  # HEAD cannot distinguish a missing bucket from a missing object; GET can
        raise StorageError(f"{store.location}/{key}: was removed while it was being read: try again")
    kept = kept_checksum(store, found)
    # Not "wb": ext4 writes what was truncated before to disk when it is closed, a quarter of the time.
    with files.whole(path, synced=False) as temporary, temporary.open("r+b") as file:
        fill_checked(store, found.entry, file.fileno(), kept, progress)
        check_sha256(temporary, sha256, f"{store.location}/{key}")


def fill_checked(
    store: "CloudStore", found: "Entry", fd: int, kept: Checksum | None, progress: OnTransfer
) -> None:
    """Write an object to an open file, again where it arrives with another checksum than the store keeps."""
    if kept is None:
        fill(store, found, fd, None, progress)
        return
    arrived = fill(store, found, fd, kept.algorithm, progress)
    for _ in range(TIMES - 1):
        if arrived != kept.value:
            with suppress(MissingError):  # Swift removes what it finds damaged while it sends it
                arrived = fill(store, found, fd, kept.algorithm, ignore)  # progress must not fall
    if arrived != kept.value:
        text = kept.algorithm.text
        raise DamagedError(
            f"{store.location}/{found.key}: arrives damaged, also when it is downloaded again (its "
            f"{kept.algorithm.name} is {text(arrived)} where {text(kept.value)} was stored): look for a "
            "proxy that changes bytes, or upload it again"
        )


def fill(
    store: "CloudStore", found: "Entry", fd: int, algorithm: Algorithm | None, progress: OnTransfer
) -> int:
    """Write all ranges to an open file and return the CRC of the whole, 0 without an algorithm."""
    step = range_bytes(found.size)
    starts = range(0, found.size, step)
    crc = 0
    with ThreadPoolExecutor(SIDE_BY_SIDE, "download") as pool:
        try:
            ends = [min(start + step, found.size) for start in starts]
            parts = pool.map(lambda start, end: fetch(store, found, start, end, fd, algorithm), starts, ends)
            for start, end, part in zip(starts, ends, parts, strict=True):
                if algorithm:
                    crc = algorithm.combine(crc, part, end - start)
                progress(Transfer(found.key, end, found.size))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return crc


def range_bytes(size: int) -> int:
    """Return the bytes of each range of an object of some size."""
    return min(LARGEST, max(SMALLEST, size // (2 * SIDE_BY_SIDE)))


def fetch(
    store: "CloudStore", found: "Entry", start: int, end: int, fd: int, algorithm: Algorithm | None
) -> int:
    """Write one range to its place in the file, and return its CRC, 0 without an algorithm."""
    from obstore.exceptions import GenericError

    name = store.name(found.key)

    def get(client: "Client") -> int:
        answer = client.get(name, options={"range": (start, end)})
        if answer.meta["e_tag"] != found.etag or answer.meta["size"] != found.size:
            raise StorageError(
                f"{store.location}/{found.key}: was replaced while it was being downloaded: try again"
            )
        at, crc = start, 0
        for each in answer.stream(min_chunk_size=PIECE):
            piece = memoryview(each)
            if algorithm:
                crc = algorithm.extend(piece, crc)
            at += write(fd, piece, at)
        if at != end:
            raise GenericError("the answer ended early")  # so that it is retried
        return crc

    return store.ask(found.key, "reading it", get)


def write(fd: int, piece: memoryview, at: int) -> int:
    """Write all of a piece, and return its length."""
    written = 0
    while written < len(piece):
        written += os.pwrite(fd, piece[written:], at + written)
    return written
