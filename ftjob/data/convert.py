"""From source files to records: the work of one thread. Decoders and LMDB let go of Python's lock."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from ftjob.data.datum import encode_datum, read_head
from ftjob.data.decode import decode_data
from ftjob.data.folder import TRAIN
from ftjob.data.journal import Line
from ftjob.data.options import BuildOptions
from ftjob.data.order import Part
from ftjob.data.picture import Shape, UnreadableError, encode_pixels, stored_picture
from ftjob.data.records import record_key


@dataclass(frozen=True, slots=True)
class Converted:
    """One image of the source. Key and value are empty where it was left out."""

    line: Line
    key: bytes
    value: bytes
    reused: bool


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some images in a row."""

    images: list[Converted]
    sums: NDArray[np.float32] | None
    """Sum of their pixels, exact; None where there are none or they are not of train."""


@dataclass(frozen=True)
class Earlier:
    """The records of the build before, which need no decoding again."""

    lines: Mapping[str, Line]
    """By the image's path."""
    read: Callable[[Line], bytes]
    """Gives a line's record."""


NOTHING = Earlier({}, lambda _: b"")


def convert(part: Part, start: int, end: int, options: BuildOptions, earlier: Earlier) -> Chunk:
    """Make the records at places start to end of a part."""
    shape = Shape(options.height, options.width, options.mode, options.color)
    sums = np.zeros((shape.height, shape.width, 3)[: 3 if shape.color else 2], dtype=np.float32)
    images = []
    for place in range(start, end):
        image, pixels = _image(part, place, shape, options.encoding, earlier)
        images.append(image)
        if pixels is not None and part.split == TRAIN:
            cv2.accumulate(pixels, sums)
    return Chunk(images, sums if part.split == TRAIN else None)


def _image(
    part: Part, place: int, shape: Shape, encoding: str, earlier: Earlier
) -> tuple[Converted, NDArray[np.uint8] | None]:
    at = part.places[place]
    path = part.listing.paths[at]
    line = Line(
        split=part.split,
        source=path,
        stamp=part.listing.stamps[at],
        label=part.listing.labels[at],
        key="",
        sha256="",
        record="",
        notes=(),
        error="",
    )
    key = record_key(place, path)
    old = earlier.lines.get(path)
    if old is not None and old.stamp == line.stamp:
        return _again(line, key, old, earlier, shape, encoding)
    try:
        data = part.listing.folder.read(path)
    except OSError as error:
        return _left_out(line, f"cannot be read ({error.strerror})"), None
    line = replace(line, sha256=hashlib.sha256(data).hexdigest())
    try:
        picture = stored_picture(data, shape)
    except UnreadableError as error:
        return _left_out(line, str(error)), None
    line = replace(line, notes=picture.notes)
    return _record(line, key, encode_pixels(picture.pixels, encoding), shape, encoding, False), picture.pixels


def _again(
    line: Line, key: bytes, old: Line, earlier: Earlier, shape: Shape, encoding: str
) -> tuple[Converted, NDArray[np.uint8] | None]:
    """Take over an image of the build before: its label may be another now."""
    if old.error:
        return _left_out(replace(line, sha256=old.sha256), old.error), None
    value = earlier.read(old)
    head = read_head(memoryview(value), old.key)
    data = value[head.data]
    pixels = decode_data(head, data, old.key)
    line = replace(line, sha256=old.sha256, notes=old.notes)
    pixels = pixels if shape.color else pixels[:, :, 0]
    return _record(line, key, data, shape, encoding, True), pixels


def _record(line: Line, key: bytes, data: bytes, shape: Shape, encoding: str, reused: bool) -> Converted:
    value = encode_datum(
        data,
        line.label,
        channels=3 if shape.color else 1,
        height=shape.height,
        width=shape.width,
        encoded=encoding != "raw",
    )
    told = replace(line, key=key.decode(errors="surrogateescape"), record=hashlib.sha256(value).hexdigest())
    return Converted(told, key, value, reused)


def _left_out(line: Line, why: str) -> Converted:
    return Converted(replace(line, error=why), b"", b"", False)
