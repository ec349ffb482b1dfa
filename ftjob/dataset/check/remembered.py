"""The contents of an LMDB, remembered as long as its bytes stay the same."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from ftjob.dataset.build_options import DataProgress
from ftjob.dataset.check.census import Census
from ftjob.dataset.check.counting import RecordCount
from ftjob.dataset.facts import Contents, ImageSize, LongRuns, OtherSizes
from ftjob.dataset.lmdb.datum import Buffer, DatumHead, RecordError, Shape, read_head
from ftjob.dataset.lmdb.flaws import COLOURS, raw_shape
from ftjob.dataset.lmdb.pages import check_pages
from ftjob.dataset.lmdb.read import opened, reading, record_name
from ftjob.errors import BadDataError, StorageError
from ftjob.fs import documents, files
from ftjob.fs.paths import cache_dir

FORMAT = 1
"""Version of what is remembered and of its rules; LMDBs remembered in another are read again."""


def contents_of(location: Path, digest: str, progress: Callable[[DataProgress], None]) -> Contents:
    """Return what the records of an LMDB are; they are read the first time an LMDB of this digest appears.

    Encoded images are decoded for it, plain pixels are not touched. Raises BadDataError for the first record
    that is no image, or has other channels than the first.
    """
    note = cache_dir() / "contents" / f"{digest}-{FORMAT}.json"
    with contextlib.suppress(
        OSError, ValueError, KeyError, TypeError, AttributeError
    ):  # nothing there, or not whole
        return _from_json(documents.read_json(note))
    contents = _count_all(location, progress)
    with contextlib.suppress(StorageError):  # a cache that cannot be written only costs time
        files.write_json(note, asdict(contents))
    return contents


def _from_json(values: dict[str, Any]) -> Contents:
    others, long_runs = values.pop("others"), values.pop("long_runs")
    histogram = {int(label): count for label, count in values.pop("histogram").items()}
    if others:
        others |= {name: ImageSize(**others[name]) for name in ("first", "smallest")}
    return Contents(
        **values,
        histogram=histogram,
        others=OtherSizes(**others) if others else None,
        long_runs=LongRuns(**long_runs) if long_runs else None,
    )


def _count_all(location: Path, progress: Callable[[DataProgress], None]) -> Contents:
    census = Census()
    with opened(location) as env:
        count = RecordCount(int(env.stat()["entries"]), progress)
    check_pages(location)
    for key, label, shape, encoded in _summaries(location):
        census.add(key, label, shape, encoded=encoded)
        if census.shape and shape[2] != census.shape[2]:
            raise BadDataError(
                f"{record_name(location, key)}: is {COLOURS[shape[2]]}, and the first record is "
                f"{COLOURS[census.shape[2]]}: build the dataset again, all in colour or all grey"
            )
        count.add()
    return census.contents()


_Summary = tuple[bytes, int, Shape, bool]
"""Key, label, (H, W, C), and whether the record is encoded."""


def _summaries(location: Path) -> Iterator[_Summary]:
    """Look at every record: by threads where the first is encoded, since decoding is what takes time."""
    with reading(location, in_order=False) as cursor:
        cursor.first()
        key, value = cursor.item()
        if not _summary(location, key, value)[3]:
            for key, value in cursor:
                yield _summary(location, key, value)
            return
    from ftjob.dataset.check.walk import walk

    yield from walk(location, partial(_summary, location))


def _summary(location: Path, key: Buffer, value: Buffer) -> _Summary:
    try:
        head = read_head(value)
        return bytes(key), head.label, _shape(head, value[head.data]), head.encoded
    except RecordError as error:
        raise BadDataError(f"{record_name(location, key)}: {error}") from error


def _shape(head: DatumHead, data: Buffer) -> Shape:
    """Return (H, W, C), of encoded records from the image: convert_imageset leaves the fields empty."""
    if not head.encoded:
        return raw_shape(head, data)
    from ftjob.dataset.lmdb.decode import decode_data  # here, because OpenCV is slow to import

    height, width, channels = decode_data(head, data).shape
    return height, width, channels
