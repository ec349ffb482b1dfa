"""Layers that join, cut, reshape or select."""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from ftjob.engine.torch.process.layers.making import Forward, LayerContext, Make, rows_of
from ftjob.net.layers.arrange import concat_axis, slice_axis
from ftjob.net.layers.rule import axis_of
from ftjob.net.proto.caffe_pb2 import ReductionParameter
from ftjob.net.topology.shapes import LayerShapes


def _concat(layer: LayerShapes, context: LayerContext) -> Forward:
    axis = concat_axis(layer.layer, layer.bottoms[0])
    return lambda bottoms, _: [torch.cat(list(bottoms), axis)]


def _slice(layer: LayerShapes, context: LayerContext) -> Forward:
    axis = slice_axis(layer.layer, layer.bottoms[0])
    sizes = [top[axis] for top in layer.tops]
    return lambda bottoms, _: torch.split(bottoms[0], sizes, axis)


def _split(layer: LayerShapes, context: LayerContext) -> Forward:
    return lambda bottoms, _: [bottoms[0]] * len(layer.tops)


def _reshape(layer: LayerShapes, context: LayerContext) -> Forward:
    return lambda bottoms, _: [bottoms[0].reshape(rows_of(layer.tops[0]))]


def _crop(layer: LayerShapes, context: LayerContext) -> Forward:
    start = axis_of(layer.layer, layer.bottoms[0], layer.layer.crop_param.axis)
    offsets = list(layer.layer.crop_param.offset) or [0]
    axes = len(layer.bottoms[0]) - start
    offsets = offsets * axes if len(offsets) == 1 else offsets
    sizes = zip(offsets, layer.tops[0][start:], layer.bottoms[0][start:], strict=True)
    window = tuple(slice(None) if size == of else slice(at, at + size) for at, size, of in sizes)
    return lambda bottoms, _: [bottoms[0][(slice(None),) * start + window]]


def _tile(layer: LayerShapes, context: LayerContext) -> Forward:
    param = layer.layer.tile_param
    repeats = [1] * len(layer.bottoms[0])
    repeats[axis_of(layer.layer, layer.bottoms[0], param.axis)] = param.tiles
    return lambda bottoms, _: [bottoms[0].repeat(repeats)]


def _argmax(layer: LayerShapes, context: LayerContext) -> Forward:
    param = layer.layer.argmax_param
    by_axis = param.HasField("axis")
    axis = axis_of(layer.layer, layer.bottoms[0], param.axis) if by_axis else 1

    def forward(bottoms: Sequence[Tensor], _: Sequence[Tensor]) -> list[Tensor]:
        values = bottoms[0].detach() if by_axis else bottoms[0].detach().flatten(1)
        # Of equals Caffe takes the last: it sorts pairs of value and index (argmax_layer.cpp).
        ordered, places = torch.sort(values.flip(axis), dim=axis, descending=True, stable=True)
        best = ordered.narrow(axis, 0, param.top_k)
        indices = values.shape[axis] - 1 - places.narrow(axis, 0, param.top_k)
        if by_axis:
            return [best if param.out_max_val else indices.to(values.dtype)]
        found = [indices.to(values.dtype), *([best] if param.out_max_val else [])]
        return [torch.stack(found, 1).reshape(rows_of(layer.tops[0]))]

    return forward


def _reduction(layer: LayerShapes, context: LayerContext) -> Forward:
    param = layer.layer.reduction_param
    start = axis_of(layer.layer, layer.bottoms[0], param.axis)
    count = prod(layer.bottoms[0][start:])

    def forward(bottoms: Sequence[Tensor], _: Sequence[Tensor]) -> list[Tensor]:
        values = bottoms[0].flatten(start)
        if param.operation == ReductionParameter.ASUM:
            values = values.abs()
        elif param.operation == ReductionParameter.SUMSQ:
            values = values * values
        total = values.sum(-1) * param.coeff
        return [total / count if param.operation == ReductionParameter.MEAN else total]

    return forward


def _silence(layer: LayerShapes, context: LayerContext) -> Forward:
    return lambda bottoms, _: []


MAKERS: dict[str, Make] = {
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
