"""Layer names: Caffe finds params by them, so each must mean one layer."""

from collections.abc import Collection

from ftjob.errors import BadNetError
from ftjob.net.proto.caffe_pb2 import TEST, TRAIN, LayerParameter, NetParameter, Phase
from ftjob.net.topology.layertypes import param_count
from ftjob.net.topology.phases import phase_view


def refuse_twins(net: NetParameter) -> None:
    """Raise BadNetError for two layers of one name in one phase, of which one has params.

    Caffe copies weights into the first layer of a name (net.cpp, CopyTrainedLayersFrom): the second stays as
    its fillers made it, and a snapshot of such a net, which has both, cannot be read back.
    """
    for phase in (TRAIN, TEST):
        first: dict[str, LayerParameter] = {}
        for layer in phase_view(net, phase).layer:
            twin = first.setdefault(layer.name, layer)
            if twin is not layer and (param_count(twin) or param_count(layer)):
                raise BadNetError(
                    f'two layers of the {Phase.Name(phase)} net are called "{layer.name}" (types {twin.type} '
                    f"and {layer.type}): Caffe gives weights to the first of them alone and cannot read back "
                    "its own snapshot of such a net; rename one"
                )


def free_name(name: str, taken: Collection[str]) -> str:
    """Return the name, or one like it that is not taken."""
    while name in taken:
        name += "_2"
    return name


def layer_names(net: NetParameter) -> frozenset[str]:
    """Return the names of a net's layers."""
    return frozenset(layer.name for layer in net.layer)
