"""Layers that compute every number from the one at its place (and Softmax, from those along an axis)."""

import math
from collections.abc import Callable, Sequence
from functools import reduce

import torch
from torch import Tensor
from torch.nn import functional

from ftjob.engine.torch.process.layers.making import Forward, LayerContext, Make
from ftjob.engine.torch.process.streams import DROPOUT
from ftjob.net.layers.rule import axis_of
from ftjob.net.proto.caffe_pb2 import TRAIN, EltwiseParameter
from ftjob.net.topology.shapes import LayerShapes


def _of(function: Callable[[Tensor], Tensor]) -> Make:
    """A type whose function has no settings."""
    return lambda layer, context: lambda bottoms, _: [function(bottoms[0])]


def _relu(layer: LayerShapes, context: LayerContext) -> Forward:
    slope = layer.layer.relu_param.negative_slope
    if slope:
        return lambda bottoms, _: [functional.leaky_relu(bottoms[0], slope)]
    return lambda bottoms, _: [torch.relu(bottoms[0])]


def _elu(layer: LayerShapes, context: LayerContext) -> Forward:
    return lambda bottoms, _: [functional.elu(bottoms[0], layer.layer.elu_param.alpha)]


def _power(layer: LayerShapes, context: LayerContext) -> Forward:
    param = layer.layer.power_param

    def forward(bottoms: Sequence[Tensor], _: Sequence[Tensor]) -> list[Tensor]:
        inner = bottoms[0] * param.scale + param.shift
        return [inner if param.power == 1 else inner**param.power]

    return forward


def _exp(layer: LayerShapes, context: LayerContext) -> Forward:
    param = layer.layer.exp_param
    rate = 1.0 if param.base == -1 else math.log(param.base)
    return lambda bottoms, _: [torch.exp((bottoms[0] * param.scale + param.shift) * rate)]


def _log(layer: LayerShapes, context: LayerContext) -> Forward:
    param = layer.layer.log_param
    rate = 1.0 if param.base == -1 else math.log(param.base)
    return lambda bottoms, _: [torch.log(bottoms[0] * param.scale + param.shift) / rate]


def _clip(layer: LayerShapes, context: LayerContext) -> Forward:
    """Of a min above max it is min that counts (clip_layer.cpp)."""
    param = layer.layer.clip_param
    return lambda bottoms, _: [bottoms[0].clamp_max(param.max).clamp_min(param.min)]


def _swish(layer: LayerShapes, context: LayerContext) -> Forward:
    beta = layer.layer.swish_param.beta
    return lambda bottoms, _: [bottoms[0] * torch.sigmoid(bottoms[0] * beta)]


def _threshold(layer: LayerShapes, context: LayerContext) -> Forward:
    limit = layer.layer.threshold_param.threshold
    return lambda bottoms, _: [(bottoms[0].detach() > limit).to(bottoms[0].dtype)]


def _softmax(layer: LayerShapes, context: LayerContext) -> Forward:
    axis = axis_of(layer.layer, layer.bottoms[0], layer.layer.softmax_param.axis)
    return lambda bottoms, _: [torch.softmax(bottoms[0], axis)]


def _dropout(layer: LayerShapes, context: LayerContext) -> Forward:
    """Scaled while training, so that TEST has nothing to do (dropout_layer.cpp)."""
    kept = 1 - layer.layer.dropout_param.dropout_ratio
    factor = 1 / kept if kept else math.inf  # of nothing, which is NaN in Caffe too
    if context.phase != TRAIN:
        return lambda bottoms, _: [bottoms[0]]
    random = torch.Generator(context.net.device)

    def forward(bottoms: Sequence[Tensor], _: Sequence[Tensor]) -> list[Tensor]:
        random.manual_seed(context.random(DROPOUT))
        mask = torch.empty_like(bottoms[0]).bernoulli_(kept, generator=random).mul_(factor)
        return [bottoms[0] * mask]

    return forward


def _eltwise(layer: LayerShapes, context: LayerContext) -> Forward:
    param = layer.layer.eltwise_param
    weights = list(param.coeff) or [1.0] * len(layer.bottoms)

    def sum_(bottoms: Sequence[Tensor], _: Sequence[Tensor]) -> list[Tensor]:
        terms = [bottom if w == 1 else bottom * w for bottom, w in zip(bottoms, weights, strict=True)]
        return [reduce(torch.add, terms)]

    def product(bottoms: Sequence[Tensor], _: Sequence[Tensor]) -> list[Tensor]:
        return [reduce(torch.mul, bottoms)]

    def largest(bottoms: Sequence[Tensor], _: Sequence[Tensor]) -> list[Tensor]:
        """Of equals the second bottom gets the gradient, then the earlier one (eltwise_layer.cpp)."""
        top = torch.where(bottoms[0] > bottoms[1], bottoms[0], bottoms[1])
        return [reduce(lambda before, bottom: torch.where(bottom > before, bottom, before), bottoms[2:], top)]

    kinds = {EltwiseParameter.SUM: sum_, EltwiseParameter.PROD: product, EltwiseParameter.MAX: largest}
    return kinds[param.operation]


MAKERS: dict[str, Make] = {
    "AbsVal": _of(torch.abs),
    "BNLL": _of(functional.softplus),
    "Clip": _clip,
    "Dropout": _dropout,
    "ELU": _elu,
    "Eltwise": _eltwise,
    "Exp": _exp,
    "Log": _log,
    "Power": _power,
    "ReLU": _relu,
    "Sigmoid": _of(torch.sigmoid),
    "Softmax": _softmax,
    "Swish": _swish,
    "TanH": _of(torch.tanh),
    "Threshold": _threshold,
}
