"""Converts source files to records: the work of one thread. Decoding releases Python's lock."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ftjob.dataset.build.order import Part
from ftjob.dataset.build_options import BuildOptions
from ftjob.dataset.folder import TRAIN
from ftjob.dataset.image.pixels import Shape, UnreadableImageError, encode_pixels, stored_picture
from ftjob.dataset.journal import JournalLine
from ftjob.dataset.lmdb.datum import RecordError, encode_datum, read_head
from ftjob.dataset.lmdb.decode import decode_data
from ftjob.dataset.lmdb.records import record_key
from ftjob.errors import BadDataError

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Converted:
    """One image of the source. Key and value are empty where it was left out."""

    line: JournalLine
    key: bytes
    value: bytes
    reused: bool


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some images in a row."""

    images: list[Converted]
    sums: NDArray[np.float32] | None
    """Sum of their pixels, exact; None where they are not of train."""


@dataclass(frozen=True)
class Earlier:
    """The records of the previous build: images that have not changed need not be decoded again."""

    lines: Mapping[str, Mapping[str, JournalLine]]
    """By the source's folder and the image's path in it."""
    read: Callable[[JournalLine], bytes]
    """Gives a line's record."""


NOTHING = Earlier({}, lambda _: b"")


@dataclass(frozen=True, slots=True)
class _Image:
    """What became of one image's bytes."""

    sha256: str
    data: bytes = b""
    pixels: Pixels | None = None
    notes: tuple[str, ...] = ()
    error: str = ""
    reused: bool = False


def convert(part: Part, start: int, end: int, options: BuildOptions, earlier: Earlier) -> Chunk:
    """Make the records at places start to end of a part."""
    shape = Shape(options.height, options.width, options.mode, options.color, options.face_crop)
    size = (shape.height, shape.width, 3)[: 3 if shape.color else 2]
    sums = np.zeros(size, dtype=np.float32) if part.split == TRAIN else None
    known = earlier.lines.get(part.listing.tree.name, {})
    images = []
    for place in range(start, end):
        at = part.places[place]
        old = known.get(part.listing.paths[at])
        if old is not None and old.stamp == part.listing.stamps[at]:
            image = _again(old, earlier, shape)
        else:
            image = _fresh(part, at, shape, options.encoding)
        if sums is not None and image.pixels is not None:
            cv2.accumulate(image.pixels, sums)
        images.append(_record(part, place, image, options))
    return Chunk(images, sums)


def _fresh(part: Part, at: int, shape: Shape, encoding: str) -> _Image:
    try:
        file = part.listing.tree.read(part.listing.paths[at])
    except OSError as error:
        return _Image("", error=f"cannot be read ({error.strerror})")
    sha256 = hashlib.sha256(file).hexdigest()
    try:
        picture = stored_picture(file, shape)
    except UnreadableImageError as error:
        return _Image(sha256, error=str(error))
    return _Image(sha256, encode_pixels(picture.pixels, encoding), picture.pixels, picture.notes)


def _again(old: JournalLine, earlier: Earlier, shape: Shape) -> _Image:
    """Return an image from the previous build."""
    if old.error:
        return _Image(old.sha256, error=old.error)
    record = earlier.read(old)
    try:
        head = read_head(record)
        pixels = decode_data(head, record[head.data])
    except RecordError as error:
        raise BadDataError(f"record {old.key} of the previous build: {error}") from error
    return _Image(
        old.sha256, record[head.data], pixels if shape.color else pixels[:, :, 0], old.notes, reused=True
    )


def _record(part: Part, place: int, image: _Image, options: BuildOptions) -> Converted:
    at = part.places[place]
    path, label = part.listing.paths[at], part.listing.labels[at]
    key = b"" if image.error else record_key(place, path)
    line = JournalLine(
        split=part.split,
        source=path,
        stamp=part.listing.stamps[at],
        label=label,
        key=key.decode(errors="surrogateescape"),
        sha256=image.sha256,
        notes=image.notes,
        error=image.error,
    )
    if image.error:
        return Converted(line, b"", b"", reused=False)
    size = {"channels": options.channels, "height": options.height, "width": options.width}
    value = encode_datum(image.data, label, **size, encoded=options.encoding != "raw")
    return Converted(line, key, value, image.reused)
