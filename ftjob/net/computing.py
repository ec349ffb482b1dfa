"""The nets that are opened as they come from outside: one source of images, and layers that only compute."""

from ftjob.net.layers.rule import refuse
from ftjob.net.proto.caffe_pb2 import LayerParameter, NetParameter
from ftjob.net.topology.layertypes import COMPUTING, DATA

INPUT = "Input"
_WHY = {
    "HDF5Output": "it writes a file",
    "InfogainLoss": "it reads a matrix from a file",
    "Python": "it runs code that is not in the prototxt",
}


def refuse_others(net: NetParameter) -> None:
    """Raise BadNetError, naming the layer, for one that does more than to compute, in whatever phase.

    Input layers are let through: they bring what whoever opened the net gives them.
    """
    for layer in net.layer:
        if layer.type not in COMPUTING and layer.type != INPUT:
            raise refuse(layer, f"{_why(layer)}, and a net from outside may only compute: take it out")


def _why(layer: LayerParameter) -> str:
    if layer.type in DATA:
        return "it brings data of its own"
    return _WHY.get(layer.type, "it needs more than images")
