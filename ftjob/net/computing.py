"""Which nets an engine is given: their layers compute, and neither open files nor run code of others."""

from ftjob.net.layers.rule import refuse
from ftjob.net.layertypes import COMPUTING, DATA
from ftjob.net.proto.caffe_pb2 import LayerParameter, NetParameter

_INSTEAD = {
    "HDF5Output": "it writes a file",
    "InfogainLoss": "it reads a matrix from a file",
    "Python": "it runs code that is not in the prototxt",
}


def refuse_others(net: NetParameter, sources: frozenset[str]) -> None:
    """Raise BadNetError, naming the layer, for one of a type that does more than to compute.

    Of all types that bring data, those in `sources` are let through. Phases make no difference.
    """
    for layer in net.layer:
        if layer.type not in COMPUTING and layer.type not in sources:
            raise refuse(
                layer, f"{_why(layer)}, and a net that is given to an engine may only compute: take it out"
            )


def _why(layer: LayerParameter) -> str:
    if layer.type in DATA:
        return "it brings data of its own"
    return _INSTEAD.get(layer.type, "what it does is not known")
