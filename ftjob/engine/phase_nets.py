"""The TRAIN and TEST net that a solver makes of a prototxt, with the shapes that its LMDBs give them."""

from pathlib import Path

from ftjob.dataset.lmdb.read import records
from ftjob.net.layers.rule import Shape, refuse
from ftjob.net.layers.sources import data_shape
from ftjob.net.proto.caffe_pb2 import (
    TRAIN,
    DataParameter,
    LayerParameter,
    NetParameter,
    NetState,
    Phase,
    SolverParameter,
)
from ftjob.net.topology.phases import filter_net
from ftjob.net.topology.shapes import NetShapes, infer_shapes


def phase_net(solver: SolverParameter, net: NetParameter, phase: Phase) -> NetParameter:
    """Return the layers of a solver's TRAIN net or of its first TEST net (solver.cpp, InitTrainNet)."""
    state = NetState(phase=phase)
    state.MergeFrom(net.state)
    state.MergeFrom(solver.train_state if phase == TRAIN else (*solver.test_state, NetState())[0])
    state.phase = phase
    return filter_net(net, state)


def shapes_of(net: NetParameter, cwd: Path = Path()) -> NetShapes:
    """Return the shapes of a net of one phase, the records of its Data layers looked at.

    Paths in the prototxt count from `cwd`. Raises BadNetError, and BadDataError for an LMDB that cannot be
    read.
    """
    inputs = {
        layer.top[0]: data_shape(layer, record_shape(layer, cwd))
        for layer in net.layer
        if layer.type == "Data" and layer.top
    }
    return infer_shapes(net, inputs)


def record_shape(layer: LayerParameter, cwd: Path = Path()) -> Shape:
    """Return (channels, height, width) of a Data layer's first record.

    Raises BadDataError for an LMDB that cannot be read, BadNetError for a database of another kind.
    """
    if layer.data_param.backend != DataParameter.LMDB:
        raise refuse(layer, "its data is no LMDB: give backend: LMDB, and the data as one")
    first = next(records(cwd / layer.data_param.source))
    height, width, channels = first.image.shape
    return channels, height, width
