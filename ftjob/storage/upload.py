"""One file to one object, in parts side by side; no part stays behind when it fails."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, BinaryIO

from ftjob.errors import StorageError
from ftjob.storage.bucket import Bucket, Opened
from ftjob.storage.checksum import mark
from ftjob.storage.directory import readable
from ftjob.storage.retry import ask
from ftjob.storage.store import Entry, OnTransfer, Transfer

if TYPE_CHECKING:
    from ftjob.storage.bucket import Client
    from ftjob.storage.cloud import CloudStore

PART = 8 << 20
"""Bytes in a part; more where a file would have more than MOST_PARTS."""
MOST_PARTS = 10_000
"""As many as S3 allows."""
SIDE_BY_SIDE = 8
"""Parts under way at once."""


def upload(store: "CloudStore", path: Path, key: str, progress: OnTransfer) -> Entry:
    """Copy a file to an object and return its entry."""
    with readable(path), path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        attributes = mark(file.fileno(), size)
        if size <= PART:
            store.put(key, file.read(size), attributes)
            progress(Transfer(key, size, size))
        else:
            upload_parts(store, file, size, key, attributes, progress)
    entry = store.stat(key)
    if entry is None or entry.size != size:
        raise StorageError(
            f"{store.location}/{key}: is not what was just written: something else writes there; stop it"
        )
    return entry


def upload_parts(
    store: "CloudStore",
    file: BinaryIO,
    size: int,
    key: str,
    attributes: dict[str, str],
    progress: OnTransfer,
) -> None:
    """Send a file in parts; what a failed or repeated request left is removed."""
    name = store.name(key)
    part = max(PART, -(-size // MOST_PARTS))
    stopped = Event()

    furthest = 0

    def report(done: int) -> None:
        nonlocal furthest
        if done > furthest:  # a repeated upload must not make the progress fall
            furthest = done
            progress(Transfer(key, done, size))

    def put(client: "Client") -> None:
        file.seek(0)
        parts = pieces(file, part, size, report, stopped)
        client.put(
            name,
            parts,
            attributes=attributes,
            use_multipart=True,
            chunk_size=part,
            max_concurrency=SIDE_BY_SIDE,
        )

    try:
        with ThreadPoolExecutor(1, "upload") as pool:  # so that a signal is heard meanwhile
            try:
                pool.submit(store.ask, key, "writing it", put).result()
            finally:
                stopped.set()
    finally:
        with suppress(StorageError):  # what cannot be removed now, abort_uploads finds later
            abort_uploads(store.bucket, name, whole_name=True, seconds=min(10.0, store.bucket.deadline))


def pieces(
    file: BinaryIO, part: int, size: int, report: Callable[[int], None], stopped: Event
) -> Iterator[bytes]:
    """Yield the first `size` bytes of a file, which may be growing, and report each part once it is taken."""
    done = 0
    while piece := file.read(min(part, size - done)):
        if stopped.is_set():
            raise InterruptedError("the upload was stopped")  # an end would complete it
        yield piece
        done += len(piece)
        report(done)


def abort_uploads(
    bucket: Bucket, prefix: str, *, whole_name: bool = False, seconds: float | None = None
) -> int:
    """Abort every multipart upload below a prefix, or of one name, and return how many there were."""
    name = bucket.uri.bucket

    def abort(opened: Opened) -> int:
        if opened.boto3 is None:
            return 0
        client = opened.boto3()
        pages = client.get_paginator("list_multipart_uploads").paginate(Bucket=name, Prefix=prefix)
        found = [each for page in pages for each in page.get("Uploads", [])]
        mine = [each for each in found if not whole_name or each["Key"] == prefix]
        for each in mine:
            client.abort_multipart_upload(Bucket=name, Key=each["Key"], UploadId=each["UploadId"])
        return len(mine)

    return ask(bucket, str(bucket.uri), "removing unfinished uploads", abort, seconds)
