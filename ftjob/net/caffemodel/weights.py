"""A caffemodel's layers and the shapes of their blobs, read without loading the blobs."""

import mmap
import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import BinaryIO

from ftjob.errors import BadNetError
from ftjob.fs.documents import UnreadableError, opened
from ftjob.net.caffemodel.filekinds import CAFFEMODEL, HEAD, file_kind
from ftjob.net.legacy.upgrade import V1_TYPES
from ftjob.net.proto.caffe_pb2 import (
    BlobProto,
    LayerParameter,
    NetParameter,
    V0LayerParameter,
    V1LayerParameter,
)
from ftjob.protowire import (
    BYTES,
    FIXED32,
    FIXED64,
    Allowance,
    CutOffError,
    Field,
    MalformedError,
    fields,
    int64s,
)

MOST_FIELDS = 1_000_000
"""In a whole caffemodel; a net of 1,000 layers has about 20,000."""
_LONGEST_SHAPE = 32 * 10
"""Bytes: of the most axes that a blob has (blob.hpp), each as long as a varint can be."""
_HDF5 = b"\x89HDF\r\n\x1a\n"


@dataclass(frozen=True)
class BlobWeights:
    """One blob of a layer, and where its numbers are in the file."""

    shape: tuple[int, ...]
    legacy: bool
    """Whether it has the four dimensions (num, channels, height, width) of old instead of a shape."""
    offset: int
    """Of its numbers in the file, little-endian; -1 where they are not in one piece."""
    count: int
    double: bool
    """float64 instead of float32."""
    raw: int = 0
    """Bytes per number in NVIDIA's raw_data, which Caffe 1.0 does not read; else 0."""
    pieces: tuple[tuple[int, int], ...] = ()
    """Where its numbers are in the file: (start, end) of each piece."""
    number: float | None = None
    """The number of a blob that has one only, such as BatchNorm's third."""


@dataclass(frozen=True)
class LayerWeights:
    """One layer of a caffemodel."""

    name: str
    type: str
    blobs: tuple[BlobWeights, ...]
    uncounted: bool = False
    """Whether it is a BatchNorm with statistics whose count is 0."""

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        return tuple(blob.shape for blob in self.blobs)


@dataclass(frozen=True)
class _Form:
    """Field numbers of one of the three forms a layer has had."""

    name: int
    type: int
    blobs: int


def _form(message: type[LayerParameter | V1LayerParameter | V0LayerParameter]) -> _Form:
    numbers = {field.name: field.number for field in message.DESCRIPTOR.fields}
    return _Form(numbers["name"], numbers["type"], numbers["blobs"])


_LAYER, _LAYERS = NetParameter.LAYER_FIELD_NUMBER, NetParameter.LAYERS_FIELD_NUMBER
_V2, _V1, _V0 = _form(LayerParameter), _form(V1LayerParameter), _form(V0LayerParameter)
_LEGACY = (
    BlobProto.NUM_FIELD_NUMBER,
    BlobProto.CHANNELS_FIELD_NUMBER,
    BlobProto.HEIGHT_FIELD_NUMBER,
    BlobProto.WIDTH_FIELD_NUMBER,
)


_NUMBERS = (BlobProto.DATA_FIELD_NUMBER, BlobProto.DOUBLE_DATA_FIELD_NUMBER)
_RAW_DATA = 12
"""Of BlobProto in NVIDIA's caffe.proto."""
RAW_CODES = {4: "f", 2: "e", 8: "d"}
"""Bytes per number → struct's code for it."""


def read_weights(path: Path) -> tuple[LayerWeights, ...]:
    """Return the layers of a caffemodel of any age, those without blobs too, in the file's order.

    The file is mapped, not loaded: of 528 MB a few pages are read. Raises BadNetError where it is not there,
    is cut off, or is something else, saying what.
    """
    try:
        with opened(path) as file:
            _refuse_something_else(path, file.read(HEAD))
            _refuse_hdf5_inside(path, file)
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as buffer:
                layers = tuple(_layers(buffer, path))
    except UnreadableError as error:
        raise BadNetError(f"{path}: {error}; give a .caffemodel") from None
    except OSError as error:
        raise BadNetError(f"{path}: cannot be read: {error.strerror or error}") from None
    if not any(layer.blobs for layer in layers):
        raise BadNetError(f"{path}: holds no weights of any layer; give a .caffemodel")
    return layers


def _refuse_something_else(path: Path, head: bytes) -> None:
    if not head:
        raise BadNetError(f"{path}: is empty; the download or copy did not begin")
    kind = file_kind(head)
    if kind and kind.as_weights:
        raise BadNetError(f"{path}: is {kind.what}; {kind.as_weights}")


def _refuse_hdf5_inside(path: Path, file: BinaryIO) -> None:
    """Refuse what HDF5 takes for a file of its own although it begins as a caffemodel: its signature may
    stand at any power of two from 512 on, and Caffe asks HDF5 first (net.cpp, CopyTrainedLayersFrom)."""
    at, size = 512, file.seek(0, os.SEEK_END)
    while at < size:
        file.seek(at)
        if file.read(len(_HDF5)) == _HDF5:
            raise BadNetError(f"{path}: is a .caffemodel and an HDF5 file at once; give a .caffemodel")
        at *= 2


def _layers(buffer: memoryview, path: Path) -> Iterator[LayerWeights]:
    allowance = Allowance(MOST_FIELDS, "it has more fields than any net's weights")
    try:
        whole = fields(buffer, 0, len(buffer), allowance)
        found = [field for field in whole if field.number in (_LAYER, _LAYERS)]
        if len({field.number for field in found}) > 1:
            raise BadNetError(
                f"{path}: has layers of the old form and of today's, over which Caffe ends: save it again "
                "with the Caffe that wrote it"
            )
        for field in found:
            if field.wire_type == BYTES:
                old = field.number == _LAYERS
                yield (_v1_layer(buffer, field, allowance) if old else _layer(buffer, field, _V2, allowance))
    except CutOffError as error:
        raise BadNetError(f"{path}: is cut off after {len(buffer)} bytes ({error}); fetch it again") from None
    except (MalformedError, UnicodeDecodeError) as error:
        damaged = file_kind(bytes(buffer[:HEAD])) is CAFFEMODEL
        what = "begins as a .caffemodel and is damaged" if damaged else "is not a .caffemodel"
        raise BadNetError(f"{path}: {what} ({error}); fetch or convert it again") from None


def _v1_layer(buffer: memoryview, field: Field, allowance: Allowance) -> LayerWeights:
    for inner in fields(buffer, field.start, field.end, allowance):
        if inner.number == V1LayerParameter.LAYER_FIELD_NUMBER and inner.wire_type == BYTES:
            return _layer(buffer, inner, _V0, allowance)
    return _layer(buffer, field, _V1, allowance)


def _layer(buffer: memoryview, layer: Field, form: _Form, allowance: Allowance) -> LayerWeights:
    name = kind = ""
    blobs = []
    for field in fields(buffer, layer.start, layer.end, allowance):
        if field.number == form.name and field.wire_type == BYTES:
            name = _text(buffer, field)
        elif field.number == form.type:
            kind = _text(buffer, field) if field.wire_type == BYTES else V1_TYPES.get(field.value, "")  # type: ignore[call-overload]
        elif field.number == form.blobs and field.wire_type == BYTES:
            blobs.append(blob_in(buffer, field, name, allowance))
    uncounted = kind == "BatchNorm" and [_is_zero(buffer, blob) for blob in blobs[1:]] == [False, True]
    return LayerWeights(name, kind, tuple(blobs), uncounted)


def _is_zero(buffer: memoryview, blob: BlobWeights) -> bool:
    return not any(bytes(buffer[start:end]).strip(b"\0") for start, end in blob.pieces)


def _text(buffer: memoryview, field: Field) -> str:
    return bytes(buffer[field.start : field.end]).decode()


def blob_in(buffer: memoryview, blob: Field, layer: str, allowance: Allowance | None = None) -> BlobWeights:
    """Return what a field that is a BlobProto holds. Raises MalformedError where it contradicts itself."""
    dims: list[int] = []
    legacy: dict[int, int] = {}
    pieces: list[Field] = []
    for field in fields(buffer, blob.start, blob.end, allowance):
        if field.number == BlobProto.SHAPE_FIELD_NUMBER and field.wire_type == BYTES:
            if field.end - field.start + len(dims) > _LONGEST_SHAPE:
                raise MalformedError(f'a blob of layer "{layer[:60]}" has more axes than a blob can have')
            dims += [
                d for f in fields(buffer, field.start, field.end) if f.number == 1 for d in int64s(buffer, f)
            ]
        elif field.number in _LEGACY:
            legacy[field.number] = field.value
        elif field.number in (*_NUMBERS, _RAW_DATA):
            pieces.append(field)
    shape = tuple(legacy.get(number, 0) for number in _LEGACY) if legacy else tuple(dims)
    raw = _raw_size(pieces, prod(shape))
    double = any(piece.number == BlobProto.DOUBLE_DATA_FIELD_NUMBER for piece in pieces)
    count = sum(piece.end - piece.start for piece in pieces) // (raw or (8 if double else 4))
    if count != prod(shape):
        raise MalformedError(
            f'a blob of layer "{layer[:60]}" has {count} numbers, not those of its shape {shape}'
        )
    one_piece = len(pieces) == 1 and pieces[0].wire_type not in (FIXED32, FIXED64) and not raw
    number = None
    if count == 1 and len(pieces) == 1 and not raw:
        (number,) = struct.unpack_from("<d" if double else "<f", buffer, pieces[0].start)
    return BlobWeights(
        shape,
        bool(legacy),
        offset=pieces[0].start if one_piece else -1,
        count=count,
        double=double,
        raw=raw,
        pieces=tuple((piece.start, piece.end) for piece in pieces),
        number=number,
    )


def _raw_size(pieces: Sequence[Field], count: int) -> int:
    """Bytes per number of NVIDIA's raw_data, by its length; 0 where there is none or it fits no number."""
    [*length] = [piece.end - piece.start for piece in pieces if piece.number == _RAW_DATA]
    return next((size for size in RAW_CODES if length == [size * count]), 0) if len(pieces) == 1 else 0
