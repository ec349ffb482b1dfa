"""The built-in nets, by name, written layer by layer with a small builder."""

from collections.abc import Callable

from ftjob.errors import BadNetError
from ftjob.net.proto.caffe_pb2 import NetParameter
from ftjob.net.zoo import alexnet, caffenet, googlenet, lenet, resnet50, squeezenet, vgg16, vgg19
from ftjob.net.zoo.entry import ZooNet
from ftjob.suggest import did_you_mean

__all__ = ["NAMES", "ZooNet", "build", "get", "meant"]

_BUILDS: dict[ZooNet, Callable[[], NetParameter]] = {
    lenet.NET: lenet.build,
    caffenet.NET: caffenet.build,
    alexnet.NET: alexnet.build,
    googlenet.NET: googlenet.build,
    vgg16.NET: vgg16.build,
    vgg19.NET: vgg19.build,
    resnet50.NET: resnet50.build,
    squeezenet.NET: squeezenet.build,
}
_NETS = {net.name: net for net in _BUILDS}
NAMES: tuple[str, ...] = tuple(_NETS)
_ALIKE = 0.72
"""Names of nets are alike by their ending already: mobilenet and lenet by 0.71."""


def get(name: str) -> ZooNet:
    """Return what is known of a built-in net. Raises BadNetError for a name that is none."""
    if name not in _NETS:
        raise BadNetError(f'there is no built-in net "{name}"{meant(name)} (there are {", ".join(NAMES)})')
    return _NETS[name]


def meant(name: str) -> str:
    """Return `; did you mean X?` for the name of a net, or of its prototxt, that is near a built-in one."""
    return did_you_mean(name.removesuffix(".prototxt"), NAMES, _ALIKE)


def build(name: str) -> NetParameter:
    """Return a built-in net's train_val: Data layers for TRAIN and TEST (their sources are placeholders),
    losses, and accuracies in TEST. Raises BadNetError for a name that is none."""
    return _BUILDS[get(name)]()
