"""Caffe's snapshot files, written and read without a copy of the numbers: they are most of them.

The bytes to write are determined beforehand; writing them touches no tensor, so that a fork of the process
can do it.
"""

import mmap
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ftjob.engine.process.snapshotfile import HISTORY, LAYER
from ftjob.engine.torch.process.weights import ByLayer
from ftjob.errors import BadNetError
from ftjob.net.caffemodel.numbers import read_blob
from ftjob.net.caffemodel.weights import BlobWeights, blob_in
from ftjob.net.layers.rule import Shape
from ftjob.net.proto.caffe_pb2 import BlobProto, BlobShape, LayerParameter, NetParameter, SolverState
from ftjob.net.topology.shapes import LayerShapes
from ftjob.protowire import BYTES, CutOffError, MalformedError, bytes_field, fields

Chunks = list[bytes | memoryview]
LOSS_SCALE = 1000
"""A field of ours in the solverstates of fp16. Caffe reads past it, as protobuf does past unknown numbers."""
SCALE_STATE = struct.Struct("<ii")


def net_chunks(name: str, layers: Sequence[LayerShapes], weights: ByLayer) -> Chunks:
    """Return a caffemodel's bytes, in pieces: every layer with its settings and blobs (Net::ToProto)."""
    chunks: Chunks = [NetParameter(name=name).SerializeToString()]
    for layer in layers:
        blobs = [
            part
            for tensor in weights.get(layer.name, ())
            for part in bytes_field(LayerParameter.BLOBS_FIELD_NUMBER, _blob_chunks(tensor))
        ]
        chunks += bytes_field(LAYER, [layer.layer.SerializeToString(), *blobs])
    return chunks


def state_chunks(
    iteration: int,
    current_step: int,
    history: Iterable[Tensor | Shape],
    loss_scale: tuple[int, int] | None = None,
) -> Chunks:
    """Return a solverstate's bytes, in pieces. A shape means a history of zeros.

    The path of the caffemodel is added when the file is finished.
    """
    state = SolverState(iter=iteration, current_step=current_step)
    parts = (_blob_chunks(each) for each in history)
    chunks: Chunks = [state.SerializeToString()]
    if loss_scale:
        chunks += bytes_field(LOSS_SCALE, [SCALE_STATE.pack(*loss_scale)])
    return chunks + [chunk for part in parts for chunk in bytes_field(HISTORY, part)]


def write(path: Path, chunks: Chunks) -> None:
    """Write the pieces to a file."""
    with path.open("wb") as stream:
        for chunk in chunks:
            stream.write(chunk)


def _blob_chunks(values: Tensor | Shape) -> Chunks:
    array = np.zeros(values, np.float32) if isinstance(values, tuple) else values.detach().cpu().numpy()
    shape = BlobProto(shape=BlobShape(dim=array.shape)).SerializeToString()
    data = np.ascontiguousarray(array, "<f4").reshape(-1).view(np.uint8).data
    return [shape, *bytes_field(BlobProto.DATA_FIELD_NUMBER, [data])]


@dataclass(frozen=True)
class RestoredState:
    """The contents of a solverstate."""

    iteration: int
    path: Path
    history: tuple[BlobWeights, ...]
    loss_scale: tuple[int, int] | None
    """The exponent and the updates since it changed, of a snapshot in fp16."""

    def values(self) -> Iterator[NDArray[np.float32]]:
        """Yield the numbers of each history."""
        for blob in self.history:
            yield read_blob(self.path, blob).reshape(blob.shape)


def read_state(path: Path) -> RestoredState:
    """Read a solverstate but for its numbers. Raises BadNetError where it is none."""
    try:
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
            memoryview(mapped) as buffer,
        ):
            iteration, history, loss_scale = 0, [], None
            for each in fields(buffer, 0, len(buffer)):
                if each.number == SolverState.ITER_FIELD_NUMBER:
                    iteration = each.value
                elif each.number == HISTORY and each.wire_type == BYTES:
                    history.append(blob_in(buffer, each, "history"))
                elif each.number == LOSS_SCALE and each.end - each.start == SCALE_STATE.size:
                    loss_scale = SCALE_STATE.unpack(buffer[each.start : each.end])
            return RestoredState(iteration, path, tuple(history), loss_scale)
    except (OSError, ValueError, CutOffError, MalformedError) as error:
        raise BadNetError(f"{path} is no solverstate ({error}): fetch it again") from error
