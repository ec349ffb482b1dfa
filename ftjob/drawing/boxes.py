"""A net as boxes and arrows: what is drawn, before it is decided where."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from ftjob.drawing.drawn_net import DrawnNet
from ftjob.formatting import count
from ftjob.net.proto.caffe_pb2 import (
    TRAIN,
    EltwiseParameter,
    LayerParameter,
    PoolingParameter,
)
from ftjob.net.surgery.data_layers import IMAGES, LABELS, is_source
from ftjob.net.topology.graph import Graph, graph
from ftjob.net.topology.phases import phase_view

Kind = Literal["head", "new", "copied", "frozen", "plain"]
_STRONGEST: tuple[Kind, ...] = ("head", "new", "copied", "frozen")
"""Of the layers in one box, the first of these that one of them is."""


@dataclass(frozen=True)
class Box:
    """A layer, together with those that work in place on its top."""

    name: str
    kind: Kind
    """head: new, and one output per class; new: randomly initialised; copied: learns from the weights on;
    frozen: stays as the weights have it; plain: has no params."""
    does: str
    """Its types and windows, in words."""
    makes: str
    """The shape of its top for one image, and how many params it has."""


@dataclass(frozen=True)
class Boxes:
    """The TRAIN net."""

    boxes: tuple[Box, ...]
    arrows: tuple[tuple[int, int], ...]
    """(from, to), as indices of boxes. Labels have none: every loss reads them."""


def boxes_of(drawn: DrawnNet) -> Boxes:
    """Return the boxes of a TRAIN net, in the order of its layers."""
    net = graph(phase_view(drawn.train_val, TRAIN))
    first = _first_layers(net)
    numbers = {layer: number for number, layer in enumerate(dict.fromkeys(first))}
    together: dict[int, list[LayerParameter]] = {number: [] for number in numbers.values()}
    for index, layer in enumerate(net.layers):
        together[numbers[first[index]]].append(layer)
    arrows = {
        (numbers[first[maker]], numbers[first[index]]): None
        for index, layer in enumerate(net.layers)
        for blob, maker in zip(layer.bottom, net.makers[index], strict=True)
        if first[maker] != first[index] and not (blob == LABELS and is_source(net.layers[maker]))
    }
    kinds = _kinds(drawn)
    counts = {each.name: sum(param.count for param in each.owned) for each in drawn.shapes.layers}
    return Boxes(
        tuple(_box(layers, kinds, counts, drawn.shapes.blobs) for layers in together.values()), tuple(arrows)
    )


def _first_layers(net: Graph) -> list[int]:
    """For each layer the one in whose box it is drawn: itself, or the one on whose top it works in place."""
    first: list[int] = []
    for index, layer in enumerate(net.layers):
        in_place = len(layer.bottom) == 1 and list(layer.bottom) == list(layer.top)
        first.append(first[net.makers[index][0]] if in_place else index)
    return first


def _kinds(drawn: DrawnNet) -> dict[str, Kind]:
    known: dict[str, Kind] = {"new": "new", "copied": "copied", "frozen": "frozen"}
    kinds = {layer: known[kind] for layer, kind in drawn.kinds.items() if kind in known}
    return {**kinds, **dict.fromkeys(drawn.heads, "head")}


def _box(
    layers: list[LayerParameter],
    kinds: Mapping[str, Kind],
    counts: Mapping[str, int],
    blobs: Mapping[str, tuple[int, ...]],
) -> Box:
    found = [kinds[layer.name] for layer in layers if layer.name in kinds]
    kind: Kind = next((kind for kind in _STRONGEST if kind in found), "plain")
    top = IMAGES if is_source(layers[0]) else next(iter(layers[-1].top), "")
    shape = "×".join(map(str, blobs.get(top, ())[1:]))
    numbers = sum(counts.get(layer.name, 0) for layer in layers)
    makes = [shape, f"{count(numbers)} params" if numbers else ""]
    return Box(layers[0].name, kind, _words(layers), ", ".join(part for part in makes if part))


def _words(layers: Iterable[LayerParameter]) -> str:
    first, *others = (_summary(layer) for layer in layers)
    return " + ".join([first, *others])


def _summary(layer: LayerParameter) -> str:
    """What a layer computes, in a few words."""
    match layer.type:
        case "Convolution" | "Deconvolution":
            conv = layer.convolution_param
            sizes = list(conv.kernel_size) or [conv.kernel_h, conv.kernel_w]
            groups = f", {conv.group} groups" if conv.group > 1 else ""
            return f"{layer.type} {_window(sizes, list(conv.stride) or [conv.stride_h])}{groups}"
        case "Pooling":
            pool = layer.pooling_param
            how = PoolingParameter.PoolMethod.Name(pool.pool).lower()
            if pool.global_pooling:
                return f"Pooling, {how} of all"
            sizes = [pool.kernel_size] if pool.kernel_size else [pool.kernel_h, pool.kernel_w]
            return f"Pooling, {how} {_window(sizes, [pool.stride])}"
        case "Eltwise":
            return f"Eltwise {EltwiseParameter.EltwiseOp.Name(layer.eltwise_param.operation).lower()}"
        case "Dropout":
            return f"Dropout {layer.dropout_param.dropout_ratio:.2g}"
    weights = [weight for weight in layer.loss_weight if weight != 1]
    return layer.type + (f", weight {weights[0]:.3g}" if weights else "")


def _window(sizes: list[int], strides: list[int]) -> str:
    sides = "×".join(map(str, sizes * 2 if len(sizes) == 1 else sizes))
    stride = max(strides, default=1)
    return f"{sides}, stride {stride}" if stride > 1 else sides
