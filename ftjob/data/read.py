"""Reading datasets: what they hold without touching pixels, and their records from any position."""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import lmdb

from ftjob.data.datum import Buffer, DatumHead, read_head
from ftjob.data.facts import DatasetFacts, Lmdb
from ftjob.data.folder import DATA_FILE, DatasetFolder
from ftjob.data.manifest import Manifest, read_manifest
from ftjob.data.options import BuildOptions
from ftjob.digests import remembered_sha256
from ftjob.errors import BadDataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Record:
    """One image of a dataset."""

    key: bytes
    label: int
    image: "NDArray[np.uint8]"
    """(H, W, C) in BGR."""


@contextmanager
def opened(location: Path, *, in_order: bool = True) -> Iterator[lmdb.Environment]:
    """Open an LMDB for reading: memory-mapped, without a lock file, so that a read-only mount will do.

    `in_order` says that whole records are going to be read in key order, for which the system reads ahead.
    Raises BadDataError where it is missing, no LMDB, cut short or empty.
    """
    data = location / DATA_FILE
    if not location.exists():
        raise BadDataError(f"{location}: is not there: mend the path")
    if not data.is_file():
        raise BadDataError(f"{location}: is no LMDB, there is no {DATA_FILE} in it: give the folder of one")
    try:
        env = lmdb.open(str(location), readonly=True, lock=False, readahead=in_order)
    except lmdb.Error as error:
        raise BadDataError(
            f"{location}: is no LMDB that can be read ({error}): copy or build it again"
        ) from error
    with env:
        expected = (env.info()["last_pgno"] + 1) * env.stat()["psize"]
        if data.stat().st_size < expected:
            raise BadDataError(
                f"{location}: {DATA_FILE} is cut short, {data.stat().st_size} of {expected} bytes: "
                "copy it again"
            )
        if env.stat()["entries"] == 0:
            raise BadDataError(f"{location}: holds no records: build it again")
        yield env


@contextmanager
def reading(location: Path, *, in_order: bool = True) -> Iterator[lmdb.Cursor]:
    """Open an LMDB as `opened` does, with a cursor whose values are views of the file."""
    with (
        opened(location, in_order=in_order) as env,
        env.begin(buffers=True) as transaction,
        transaction.cursor() as cursor,
    ):
        yield cursor


def inspect(lmdb: Path | Lmdb, *, believe_manifest: bool = True) -> DatasetFacts:
    """Return what an LMDB holds. labels.txt and manifest.json are looked for beside it and above it.

    Where a manifest tells of an LMDB of this size, its counts are believed and the first record alone is
    read; else the head of every record. Raises BadDataError, which speaks of it as people do.
    """
    if isinstance(lmdb, Path):
        return _inspect(lmdb, believe_manifest=believe_manifest)
    try:
        return replace(_inspect(lmdb.path, believe_manifest=believe_manifest), location=lmdb.location)
    except BadDataError as error:
        raise BadDataError(str(error).replace(str(lmdb.path), lmdb.location)) from error


def _inspect(location: Path, *, believe_manifest: bool) -> DatasetFacts:
    with reading(location, in_order=False) as cursor:
        cursor.first()
        key, value = cursor.item()
        head = read_head(value, _where(location, key))
        height, width, channels = _shape(head, value, _where(location, key))
        manifest = _manifest_of(location, (location / DATA_FILE).stat().st_size)
        if manifest is not None and believe_manifest:
            histogram = Counter(dict(enumerate(manifest.splits[location.name].histogram)))
        else:
            histogram = Counter(read_head(value, _where(location, key)).label for key, value in cursor)
    return DatasetFacts(
        location=str(location),
        records=histogram.total(),
        channels=channels,
        height=height,
        width=width,
        histogram={label: count for label, count in sorted(histogram.items()) if count},
        encoded=head.encoded,
        digest=manifest.splits[location.name].digest if manifest else remembered_sha256(location / DATA_FILE),
        labels=_labels_of(location),
        mean=manifest.mean if manifest else (),
        resize_mode=manifest.options["mode"] if manifest else "squash",
        local=location,
    )


def inspect_manifest(location: Path, size: int) -> DatasetFacts | None:
    """Return what the manifest above tells of an LMDB that is not here itself, only what lies around it.

    None where there is no manifest, or it is of another LMDB than one whose data.mdb has `size` bytes. Raises
    BadDataError where it is no manifest.
    """
    manifest = _manifest_of(location, size)
    if manifest is None:
        return None
    options, counts = BuildOptions(**manifest.options), manifest.splits[location.name]
    return DatasetFacts(
        location=str(location),
        records=counts.records,
        channels=options.channels,
        height=options.height,
        width=options.width,
        histogram={label: count for label, count in enumerate(counts.histogram) if count},
        encoded=options.encoding != "raw",
        digest=counts.digest,
        labels=_labels_of(location),
        mean=manifest.mean,
        resize_mode=options.mode,
    )


def records(location: Path, start: int = 0) -> Iterator[Record]:
    """Yield the records in key order, from a position on. Raises BadDataError for one that is no image."""
    with reading(location) as cursor:
        if not cursor.first() or not _skip(cursor, start):
            return
        for key, value in cursor.iternext():
            yield _record(location, key, value)


def read_records(location: Path, indices: Iterable[int]) -> list[Record]:
    """Return the records at some positions, in the order asked for. Raises BadDataError, also for a position
    past the end."""
    wanted = list(indices)
    found: dict[int, Record] = {}
    with reading(location, in_order=False) as cursor:
        at, there = 0, cursor.first()
        for index in sorted(set(wanted)):
            there = there and _skip(cursor, index - at)
            if not there:
                raise BadDataError(f"{location}: has no record {index}: it holds fewer")
            found[index], at = _record(location, cursor.key(), cursor.value()), index
    return [found[index] for index in wanted]


def channel_means(location: Path) -> tuple[float, ...]:
    """Return the mean of each channel (BGR) over all pixels of all records. Raises BadDataError."""
    import cv2  # here, because they are slow to import
    import numpy as np

    total, pixels, channels = np.zeros(4), 0, 0
    for record in records(location):
        height, width, channels = record.image.shape
        total += cv2.sumElems(record.image)
        pixels += height * width
    return tuple(float(value) for value in total[:channels] / pixels)


def _skip(cursor: lmdb.Cursor, steps: int) -> bool:
    return all(cursor.next() for _ in range(steps))


def _where(location: Path, key: Buffer) -> str:
    return f"{location}: record {bytes(key).decode(errors='backslashreplace')}"


def _record(location: Path, key: Buffer, value: Buffer) -> Record:
    from ftjob.data.decode import decode_data  # here, because OpenCV is slow to import

    where = _where(location, key)
    head = read_head(value, where)
    return Record(bytes(key), head.label, decode_data(head, value[head.data], where))


def _shape(head: DatumHead, value: Buffer, where: str) -> tuple[int, ...]:
    """(H, W, C): encoded records of convert_imageset do not say it, their image does."""
    if not head.encoded:
        return head.height, head.width, head.channels
    from ftjob.data.decode import decode_data

    return decode_data(head, value[head.data], where).shape


def _labels_of(location: Path) -> tuple[str, ...]:
    for folder in (location, location.parent):
        path = DatasetFolder(folder).labels
        if path.is_file():
            return tuple(path.read_text(encoding="utf-8").splitlines())
    return ()


def _manifest_of(location: Path, size: int) -> Manifest | None:
    """The manifest of the build that made an LMDB of so many bytes; None where there is none such."""
    path = DatasetFolder(location.parent).manifest
    if not path.is_file():
        return None
    manifest = read_manifest(path)
    counts = manifest.splits.get(location.name)
    return manifest if counts and counts.bytes == size else None
