"""The numbers of a caffemodel's blobs."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from ftjob.net.caffemodel.weights import BlobWeights, LayerWeights
from ftjob.net.legacy.upgrade import upgrade_net
from ftjob.net.proto.caffe_pb2 import NetParameter

AT_ONCE = 1 << 18
"""Numbers that are looked at together."""


def read_layer(path: Path, layer: LayerWeights) -> Iterator[NDArray[np.float32]]:
    """Yield the numbers of each of a layer's blobs, one after another as they lie in the file."""
    if any(blob.offset < 0 for blob in layer.blobs):
        yield from _parsed(path, layer.name)
        return
    for blob in layer.blobs:
        yield read_blob(path, blob)


def read_blob(path: Path, blob: BlobWeights) -> NDArray[np.float32]:
    """Return the numbers of a blob that lies in a file in one piece."""
    kind = "<f8" if blob.double else "<f4"
    return np.fromfile(path, kind, blob.count, offset=blob.offset).astype(np.float32)


def broken_layers(path: Path, layers: Iterable[LayerWeights]) -> list[str]:
    """Return the layers with a number that is NaN or infinite in Caffe's single precision.

    The file is read piece by piece: to map it would hold all of it in memory.
    """
    with path.open("rb") as file, np.errstate(over="ignore"):
        return [layer.name for layer in layers if not all(_is_finite(file, blob) for blob in layer.blobs)]


def _is_finite(file: BinaryIO, blob: BlobWeights) -> bool:
    kind = np.dtype("<f8" if blob.double else "<f4")
    for start, end in blob.pieces:
        file.seek(start)
        for at in range(start, end, AT_ONCE * kind.itemsize):
            content = file.read(min(AT_ONCE * kind.itemsize, end - at))
            part = np.frombuffer(content, kind, len(content) // kind.itemsize)
            if not np.isfinite(part.astype(np.float32, copy=False)).all():
                return False
    return True


def _parsed(path: Path, name: str) -> Iterator[NDArray[np.float32]]:
    """A layer whose numbers lie in pieces, by protobuf, which takes memory."""
    net = NetParameter.FromString(path.read_bytes())
    upgrade_net(net)
    for blob in next(layer for layer in net.layer if layer.name == name).blobs:
        yield np.array(blob.data or blob.double_data, np.float32)
