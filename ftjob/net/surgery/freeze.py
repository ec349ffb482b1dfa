"""Layers whose weights stay as they are."""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from types import MappingProxyType

from ftjob.errors import BadNetError
from ftjob.net.proto.caffe_pb2 import TEST, TRAIN, NetParameter
from ftjob.net.surgery.renew import set_param
from ftjob.net.topology.graph import graph
from ftjob.net.topology.layertypes import param_count
from ftjob.net.topology.phases import phase_view
from ftjob.suggest import did_you_mean
from jobspec.spec import FreezeLayers, FreezeUpTo

NO_OTHERS: Mapping[str, str] = MappingProxyType({})


def frozen_layers(
    net: NetParameter, freeze: FreezeUpTo | FreezeLayers | str, renamed: Mapping[str, str] = NO_OTHERS
) -> tuple[str, ...]:
    """Return the layers with params that a spec's `freeze` names, in the net's order.

    `renamed` has the present name of layers that the spec may call by their name in the base net.

    Raises BadNetError for a name or glob that no layer has, and where there is nothing to freeze.
    """
    if isinstance(freeze, FreezeUpTo):
        field, names = "surgery.freeze.up_to", _up_to(net, renamed.get(freeze.up_to, freeze.up_to))
    elif isinstance(freeze, FreezeLayers):
        field, names = "surgery.freeze.layers", _matching(net, freeze.layers, renamed)
    else:
        return ()
    frozen = tuple(
        dict.fromkeys(layer.name for layer in net.layer if layer.name in names and param_count(layer))
    )
    if not frozen:
        raise BadNetError(f"{field}: no layer there has weights to freeze; name a later layer")
    return frozen


def freeze(net: NetParameter, frozen: Iterable[str]) -> None:
    """Freeze layers, in place: lr_mult and decay_mult 0, and BatchNorm uses the statistics it has.

    Caffe then has nothing to compute backwards below the first layer that learns (net.cpp, Init), as long as
    nothing forces it to: force_backward and the frozen layers' propagate_down are taken out. Params that a
    frozen layer shares by name are frozen in every layer that shares them.
    """
    names = set(frozen)
    if names:
        net.ClearField("force_backward")
    for layer in net.layer:
        if layer.name not in names:
            continue
        layer.ClearField("propagate_down")
        if layer.type == "BatchNorm":
            layer.batch_norm_param.use_global_stats = True
        for index in range(param_count(layer)):
            set_param(layer, index, 0, 0)
    _freeze_shared(net, names)


def matches(name: str, globs: Iterable[str], suffix: str = "") -> bool:
    """Return whether a layer's name, with or without a renamed layer's suffix, matches one of the globs."""
    names = {name, name.removesuffix(f"_{suffix}") if suffix else name}
    return any(fnmatchcase(name, glob) for glob in globs for name in names)


def _up_to(net: NetParameter, name: str) -> set[str]:
    views = [graph(phase_view(net, phase)) for phase in (TRAIN, TEST)]
    every = list(dict.fromkeys(layer.name for view in views for layer in view.layers))
    last = {name} & set(every) or {layer for layer in every if _begins(layer, name)}
    if not last:
        raise BadNetError(
            f"surgery.freeze.up_to: no layer is called {name}, or begins so{did_you_mean(name, every)}"
        )
    found = set()
    for view in views:
        starts = [index for index, layer in enumerate(view.layers) if layer.name in last]
        found |= {view.layers[index].name for index in view.upstream(starts)}
    return found


def _begins(layer: str, prefix: str) -> bool:
    """`res4` begins res4a_conv, but `conv1` does not begin conv10."""
    rest = layer[len(prefix) :]
    return layer.startswith(prefix) and not (prefix[-1:].isdigit() and rest[:1].isdigit())


def _matching(net: NetParameter, globs: Iterable[str], renamed: Mapping[str, str]) -> set[str]:
    every = list(dict.fromkeys(layer.name for layer in net.layer))
    found = set()
    for glob in globs:
        matched = {name for name in every if fnmatchcase(name, glob)}
        matched |= {new for old, new in renamed.items() if fnmatchcase(old, glob)}
        if not matched:
            raise BadNetError(f"surgery.freeze.layers: no layer matches {glob}{did_you_mean(glob, every)}")
        found |= matched
    return found


def _freeze_shared(net: NetParameter, frozen: set[str]) -> None:
    shared = {spec.name for layer in net.layer if layer.name in frozen for spec in layer.param if spec.name}
    for layer in net.layer:
        for index, spec in enumerate(layer.param):
            if spec.name in shared:
                set_param(layer, index, 0, 0)
