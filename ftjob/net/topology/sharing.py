"""What the TEST net is given of the TRAIN net's params (net.cpp, ShareTrainedLayersWith)."""

from collections.abc import Sequence

from ftjob.errors import BadNetError
from ftjob.net.layers.rule import Shape, text
from ftjob.net.topology.shapes import NetShapes

_Params = tuple[Shape, ...]


def refuse_unshared(train: NetShapes, test: NetShapes) -> None:
    """Raise BadNetError for a layer with params that is in the TEST net only, since nothing trains it, and
    for one whose params are others in the TRAIN net: Caffe shares by name, and ends where shapes differ.
    """
    trained = _by_name(train)
    for name, params in _by_name(test).items():
        if name not in trained:
            if params:
                raise BadNetError(
                    f'layer "{name}" has params and is in the TEST net only, so nothing trains it: give the '
                    "layer of the TRAIN net that does its work the same name"
                )
        elif trained[name] != params:
            raise BadNetError(
                f'layer "{name}" has params {_text(trained[name])} in the TRAIN net and {_text(params)} in '
                "the TEST net, which are to be the same: give both the same settings, or names of their own"
            )


def _by_name(shapes: NetShapes) -> dict[str, _Params]:
    """The params of the first layer of every name."""
    found: dict[str, _Params] = {}
    for layer in shapes.layers:
        found.setdefault(layer.name, tuple(param.shape for param in layer.params))
    return found


def _text(params: Sequence[Shape]) -> str:
    return ", ".join(map(text, params)) or "none"
