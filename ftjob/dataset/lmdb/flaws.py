"""Why a Datum is no image that a net can be trained or tested on, found without reading its pixels."""

from collections.abc import Callable
from dataclasses import dataclass

from ftjob.dataset.lmdb.datum import Buffer, DatumHead, RecordError, Shape

COLOURS = {1: "grey", 3: "in colour"}
"""By number of channels: those that image files have, the input of a bundle; colour is BGR."""
SMALLEST_SIDE = 5
"""From here on a number of channels looks like the side of an image."""
FILE_STARTS = ((b"\xff\xd8\xff", "JPEG"), (b"\x89PNG", "PNG"), (b"BM", "BMP"), (b"RIFF", "WebP"))
VALUE_TYPES = {2: "uint16 or float16", 4: "float32", 8: "float64"}
"""By the bytes of a value."""
BUILD = "build the dataset again with `ftjob data build`"


def raw_shape(head: DatumHead, data: Buffer) -> Shape:
    """Return (H, W, C) of a record of plain pixels. Raises RecordError where it is no image.

    As Caffe does, float_data is passed over where there is data too (data_transformer.cpp).
    """
    channels, height, width = head.channels, head.height, head.width
    if channels in COLOURS and height > 0 and width > 0 and channels * height * width == head.size:
        return height, width, channels
    raise next(flaw.error(head, data) for flaw in _FLAWS if flaw.applies(head, data))


def check_decoded(shape: Shape) -> Shape:
    """Return the shape (H, W, C) of a decoded image. Raises RecordError for one that is not grey or BGR."""
    if shape[2] in COLOURS:
        return shape
    raise RecordError(
        f"has {shape[2]} channels, and an image has 3 (BGR) or 1 (grey)",
        "store it without its alpha channel, or " + BUILD,
    )


def undecodable(head: DatumHead) -> RecordError:
    """Return the error for an encoded record that is no image file."""
    if head.size and head.size == head.channels * head.height * head.width:
        return RecordError(
            "is marked as encoded and holds plain pixels, which cannot be decoded", "write encoded: false"
        )
    return RecordError("cannot be decoded", "build the dataset again without this image")


@dataclass(frozen=True)
class _Flaw:
    """A way in which a record of plain pixels is no image."""

    applies: Callable[[DatumHead, Buffer], bool]
    what: Callable[[DatumHead, Buffer], str]
    remedy: str

    def error(self, head: DatumHead, data: Buffer) -> RecordError:
        return RecordError(self.what(head, data), self.remedy)


def _file_kind(data: Buffer) -> str:
    start = bytes(data[:4])
    return next((kind for magic, kind in FILE_STARTS if start.startswith(magic)), "")


def _count(head: DatumHead) -> int:
    return head.channels * head.height * head.width


def _shape(head: DatumHead) -> str:
    return f"{head.channels}x{head.height}x{head.width}"


def _size_mismatch(head: DatumHead, data: Buffer) -> str:
    what = f"has {head.size} bytes of pixels and a shape of {_shape(head)}"
    each, rest = divmod(head.size, _count(head)) if _count(head) > 0 else (0, 1)
    return f"{what}: they are {VALUE_TYPES[each]}" if not rest and each in VALUE_TYPES else what


def _is_swapped(head: DatumHead, data: Buffer) -> bool:
    return head.width in (1, 3, 4) and min(head.channels, head.height) >= SMALLEST_SIDE


_FLAWS = (
    _Flaw(
        lambda head, data: head.floats and not head.size,
        lambda head, data: "holds float_data, which is no image",
        "store 8-bit pixels in data, or build the dataset from the images with `ftjob data build`",
    ),
    _Flaw(
        lambda head, data: bool(_file_kind(data)) and head.size != _count(head),
        lambda head, data: f"holds a {_file_kind(data)} file and is not marked as encoded",
        "write encoded: true",
    ),
    _Flaw(lambda head, data: not head.size, lambda head, data: "has no pixels", BUILD),
    _Flaw(
        lambda head, data: head.size != _count(head),
        _size_mismatch,
        "store 8-bit pixels (uint8), channels x height x width of them",
    ),
    _Flaw(
        lambda head, data: min(head.channels, head.height, head.width) < 1,
        lambda head, data: f"has a shape of {_shape(head)}",
        BUILD,
    ),
    _Flaw(
        _is_swapped,
        lambda head, data: (
            f"has {head.channels} channels, height {head.height} and width {head.width}: it was stored as "
            "height, width, channels"
        ),
        "Caffe stores channels, height, width: write array.transpose(2, 0, 1)",
    ),
    _Flaw(
        lambda head, data: True,
        lambda head, data: f"has {head.channels} channels, and an image has 3 (BGR) or 1 (grey)",
        BUILD,
    ),
)
