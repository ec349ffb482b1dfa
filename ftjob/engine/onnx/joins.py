"""Layers that join, cut, reshape or select."""

from math import prod

import numpy as np
from onnx import TensorProto

from ftjob.engine.onnx.onnxgraph import Bound, OnnxGraph, Translate
from ftjob.net.layers.arrange import concat_axis, slice_axis
from ftjob.net.layers.rule import axis_of
from ftjob.net.proto.caffe_pb2 import ReductionParameter


def _concat(bound: Bound, graph: OnnxGraph) -> list[str]:
    axis = concat_axis(bound.layer.layer, bound.layer.bottoms[0])
    return [graph.add("Concat", *bound.bottoms, axis=axis)]


def _slice(bound: Bound, graph: OnnxGraph) -> list[str]:
    layer = bound.layer
    axis = slice_axis(layer.layer, layer.bottoms[0])
    sizes = graph.whole(*(top[axis] for top in layer.tops))
    return graph.add_many("Split", (bound.bottoms[0], sizes), len(layer.tops), axis=axis)


def _split(bound: Bound, graph: OnnxGraph) -> list[str]:
    return [bound.bottoms[0]] * len(bound.layer.tops)


def _reshape(bound: Bound, graph: OnnxGraph) -> list[str]:
    return [graph.reshape(bound.bottoms[0], bound.layer.tops[0])]


def _crop(bound: Bound, graph: OnnxGraph) -> list[str]:
    layer = bound.layer
    start = axis_of(layer.layer, layer.bottoms[0], layer.layer.crop_param.axis)
    offsets = list(layer.layer.crop_param.offset) or [0]
    offsets = offsets * (len(layer.bottoms[0]) - start) if len(offsets) == 1 else offsets
    cut = [
        (axis, offset, offset + layer.tops[0][axis])
        for axis, offset in enumerate(offsets, start)
        if layer.tops[0][axis] != layer.bottoms[0][axis]
    ]
    if not cut:
        return [bound.bottoms[0]]
    axes, starts, ends = zip(*cut, strict=True)
    return [
        graph.add("Slice", bound.bottoms[0], graph.whole(*starts), graph.whole(*ends), graph.whole(*axes))
    ]


def _tile(bound: Bound, graph: OnnxGraph) -> list[str]:
    layer = bound.layer
    repeats = [1] * len(layer.bottoms[0])
    repeats[axis_of(layer.layer, layer.bottoms[0], layer.layer.tile_param.axis)] = (
        layer.layer.tile_param.tiles
    )
    return [graph.add("Tile", bound.bottoms[0], graph.whole(*repeats))]


def _argmax(bound: Bound, graph: OnnxGraph) -> list[str]:
    """Of equals Caffe takes the last: it sorts pairs of value and index (argmax_layer.cpp). ONNX takes the
    first, so that the values are asked in reverse order."""
    layer, param = bound.layer, bound.layer.layer.argmax_param
    by_axis = param.HasField("axis")
    axis, values = 1, bound.bottoms[0]
    size = prod(layer.bottoms[0][1:])
    if by_axis:
        axis = axis_of(layer.layer, layer.bottoms[0], param.axis)
        size = layer.bottoms[0][axis]
    else:
        values = graph.reshape(values, (1, size))
    reverse = graph.constant(np.arange(size - 1, -1, -1))
    backwards = graph.add("Gather", values, reverse, axis=axis)
    best, places = graph.add_many("TopK", (backwards, graph.whole(param.top_k)), 2, axis=axis)
    if by_axis and param.out_max_val:
        return [best]
    indices = graph.add("Cast", graph.add("Gather", reverse, places, axis=0), to=TensorProto.FLOAT)
    if by_axis:
        return [indices]
    found = graph.add("Concat", indices, best, axis=1) if param.out_max_val else indices
    return [graph.reshape(found, layer.tops[0])]


def _reduction(bound: Bound, graph: OnnxGraph) -> list[str]:
    layer, param = bound.layer, bound.layer.layer.reduction_param
    start = axis_of(layer.layer, layer.bottoms[0], param.axis)
    axes = tuple(range(start, len(layer.bottoms[0])))
    if param.operation == ReductionParameter.SUM:
        total = graph.add("ReduceSum", bound.bottoms[0], graph.whole(*axes), keepdims=0)
    else:
        total = graph.add(_REDUCTIONS[param.operation], bound.bottoms[0], axes=axes, keepdims=0)
    return [total if param.coeff == 1 else graph.add("Mul", total, graph.number(param.coeff))]


_REDUCTIONS = {
    ReductionParameter.ASUM: "ReduceL1",
    ReductionParameter.MEAN: "ReduceMean",
    ReductionParameter.SUMSQ: "ReduceSumSquare",
}


def _silence(bound: Bound, graph: OnnxGraph) -> list[str]:
    return []


TRANSLATORS: dict[str, Translate] = {
    "ArgMax": _argmax,
    "Concat": _concat,
    "Crop": _crop,
    "Flatten": _reshape,
    "Reduction": _reduction,
    "Reshape": _reshape,
    "Silence": _silence,
    "Slice": _slice,
    "Split": _split,
    "Tile": _tile,
}
