"""Caffemodels of NVIDIA's fork in the form of Caffe 1.0, piece by piece, without loading them whole.

NVIDIA's Caffe stores numbers as `raw_data` from 0.16 on, which Caffe 1.0 does not read, and its BatchNorm has
other blobs: mean, variance, a number that it does not look at, scale and bias; up to 0.15 scale, bias, mean,
variance and that number (its net.cpp, CopyTrainedLayersFrom). Mean and variance are what they are; Caffe 1.0
divides them by the number.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from math import prod

from ftjob.net.caffemodel.weights import RAW_CODES, BlobWeights, LayerWeights
from ftjob.net.forks.rewrite import scale_of
from ftjob.net.proto.caffe_pb2 import BlobProto, BlobShape, LayerParameter, NetParameter
from ftjob.protowire import bytes_field

_STATISTICS = 3
_WITH_SCALE = 5
_LAYER, _BLOBS = NetParameter.LAYER_FIELD_NUMBER, LayerParameter.BLOBS_FIELD_NUMBER
_ONE = struct.pack("<f", 1.0)
AT_ONCE = 1 << 16
"""Numbers that are converted at a time."""
_Bytes = bytes | memoryview


@dataclass(frozen=True)
class _Blob:
    shape: tuple[int, ...]
    numbers: _Bytes
    """float32, little-endian."""


def is_nvidias(layers: Sequence[LayerWeights]) -> bool:
    """Return whether only NVIDIA's fork reads these weights as they are meant."""
    return any(any(blob.raw for blob in layer.blobs) or _is_nvidias_norm(layer) for layer in layers)


def caffe_form(buffer: memoryview, layers: Sequence[LayerWeights]) -> Iterator[_Bytes]:
    """Yield the pieces of a caffemodel that Caffe 1.0 reads as NVIDIA's fork reads the one in the buffer,
    whose layers these are.

    A BatchNorm that scales as well becomes two layers, as it does in a prototxt (rewrite.py). What a layer
    has besides name, type and blobs is left out: nothing reads it.
    """
    for layer in layers:
        if layer.blobs:
            yield from _layer(layer, [_Blob(blob.shape, _numbers(buffer, blob)) for blob in layer.blobs])


def _is_nvidias_norm(layer: LayerWeights) -> bool:
    if layer.type != "BatchNorm":
        return False
    return len(layer.blobs) == _WITH_SCALE or (
        len(layer.blobs) == _STATISTICS and (layer.uncounted or len(layer.blobs[0].shape) > 1)
    )


def _layer(layer: LayerWeights, blobs: Sequence[_Blob]) -> Iterator[_Bytes]:
    if not _is_nvidias_norm(layer):
        yield from _written(layer.name, layer.type, blobs)
        return
    if len(blobs) == _STATISTICS:
        mean, variance, number = blobs
        number = _Blob((1,), _ONE) if layer.uncounted else number
        yield from _written(
            layer.name, layer.type, [_flat(mean), _flat(variance), _Blob((1,), number.numbers)]
        )
        return
    old = prod(blobs[4].shape) == 1 != prod(blobs[2].shape)
    scale, bias, mean, variance = (blobs[index] for index in ((0, 1, 2, 3) if old else (3, 4, 0, 1)))
    yield from _written(layer.name, layer.type, [_flat(mean), _flat(variance), _Blob((1,), _ONE)])
    yield from _written(scale_of(layer.name), "Scale", [_flat(scale), _flat(bias)])


def _flat(blob: _Blob) -> _Blob:
    """One axis, whatever the writer had: 1 x C x 1 x 1."""
    return _Blob((prod(blob.shape),), blob.numbers)


def _numbers(buffer: memoryview, blob: BlobWeights) -> _Bytes:
    """A blob's numbers as float32."""
    pieces = [buffer[start:end] for start, end in blob.pieces]
    content: _Bytes = pieces[0] if len(pieces) == 1 else b"".join(pieces)
    size = blob.raw or (8 if blob.double else 4)
    if size == 4:
        return content
    step = size * AT_ONCE
    return b"".join(
        _as_float32(content[start : start + step], size) for start in range(0, len(content), step)
    )


def _as_float32(content: _Bytes, size: int) -> bytes:
    count = len(content) // size
    return struct.pack(f"<{count}f", *struct.unpack(f"<{count}{RAW_CODES[size]}", content))


def _written(name: str, kind: str, blobs: Sequence[_Blob]) -> Iterator[_Bytes]:
    """A field of a net that is a layer."""
    head = LayerParameter(name=name, type=kind).SerializeToString()
    yield from bytes_field(
        _LAYER, [head, *chain.from_iterable(bytes_field(_BLOBS, _proto(blob)) for blob in blobs)]
    )


def _proto(blob: _Blob) -> list[_Bytes]:
    shape = BlobProto(shape=BlobShape(dim=blob.shape)).SerializeToString()
    return [shape, *bytes_field(BlobProto.DATA_FIELD_NUMBER, [blob.numbers])]
