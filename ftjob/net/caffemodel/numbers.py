"""The numbers of a caffemodel's blobs."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ftjob.net.caffemodel.weights import BlobWeights, LayerWeights
from ftjob.net.legacy.upgrade import upgrade_net
from ftjob.net.proto.caffe_pb2 import NetParameter


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


def _parsed(path: Path, name: str) -> Iterator[NDArray[np.float32]]:
    """A layer whose numbers lie in pieces, by protobuf, which takes memory."""
    net = NetParameter.FromString(path.read_bytes())
    upgrade_net(net)
    for blob in next(layer for layer in net.layer if layer.name == name).blobs:
        yield np.array(blob.data or blob.double_data, np.float32)
