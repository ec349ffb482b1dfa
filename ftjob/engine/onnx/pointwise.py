"""Layers that compute every number from the one at its place (and Softmax, from those along an axis)."""

import math
from functools import reduce

from onnx import TensorProto

from ftjob.engine.onnx.onnxgraph import Bound, OnnxGraph, Translate
from ftjob.net.layers.rule import axis_of, refuse
from ftjob.net.proto.caffe_pb2 import TRAIN, EltwiseParameter


def _of(op: str) -> Translate:
    """A type that is an operator without attributes."""
    return lambda bound, graph: [graph.add(op, bound.bottoms[0])]


def _relu(bound: Bound, graph: OnnxGraph) -> list[str]:
    slope = bound.layer.layer.relu_param.negative_slope
    if slope:
        return [graph.add("LeakyRelu", bound.bottoms[0], alpha=slope)]
    return [graph.add("Relu", bound.bottoms[0])]


def _elu(bound: Bound, graph: OnnxGraph) -> list[str]:
    return [graph.add("Elu", bound.bottoms[0], alpha=bound.layer.layer.elu_param.alpha)]


def _linear(graph: OnnxGraph, tensor: str, scale: float, shift: float) -> str:
    """Return tensor * scale + shift, without what changes nothing."""
    scaled = tensor if scale == 1 else graph.add("Mul", tensor, graph.number(scale))
    return scaled if shift == 0 else graph.add("Add", scaled, graph.number(shift))


def _power(bound: Bound, graph: OnnxGraph) -> list[str]:
    param = bound.layer.layer.power_param
    inner = _linear(graph, bound.bottoms[0], param.scale, param.shift)
    return [inner if param.power == 1 else graph.add("Pow", inner, graph.number(param.power))]


def _rate(base: float) -> float:
    """The natural logarithm of a base; -1 is e."""
    return 1.0 if base == -1 else math.log(base)


def _exp(bound: Bound, graph: OnnxGraph) -> list[str]:
    param = bound.layer.layer.exp_param
    rate = _rate(param.base)
    return [graph.add("Exp", _linear(graph, bound.bottoms[0], param.scale * rate, param.shift * rate))]


def _log(bound: Bound, graph: OnnxGraph) -> list[str]:
    param = bound.layer.layer.log_param
    logarithm = graph.add("Log", _linear(graph, bound.bottoms[0], param.scale, param.shift))
    return [_linear(graph, logarithm, 1 / _rate(param.base), 0)]


def _clip(bound: Bound, graph: OnnxGraph) -> list[str]:
    """Of a min above max it is min that counts (clip_layer.cpp)."""
    param = bound.layer.layer.clip_param
    least, most = graph.number(param.min), graph.number(max(param.min, param.max))
    return [graph.add("Clip", bound.bottoms[0], least, most)]


def _swish(bound: Bound, graph: OnnxGraph) -> list[str]:
    inner = _linear(graph, bound.bottoms[0], bound.layer.layer.swish_param.beta, 0)
    return [graph.add("Mul", bound.bottoms[0], graph.add("Sigmoid", inner))]


def _threshold(bound: Bound, graph: OnnxGraph) -> list[str]:
    limit = graph.number(bound.layer.layer.threshold_param.threshold)
    return [graph.add("Cast", graph.add("Greater", bound.bottoms[0], limit), to=TensorProto.FLOAT)]


def _softmax(bound: Bound, graph: OnnxGraph) -> list[str]:
    layer = bound.layer
    axis = axis_of(layer.layer, layer.bottoms[0], layer.layer.softmax_param.axis)
    return [graph.add("Softmax", bound.bottoms[0], axis=axis)]


def _dropout(bound: Bound, graph: OnnxGraph) -> list[str]:
    layer = bound.layer.layer
    if layer.HasField("phase") and layer.phase == TRAIN:
        raise refuse(layer, "phase: TRAIN makes it drop at random: take it out")
    return [bound.bottoms[0]]


def _prelu(bound: Bound, graph: OnnxGraph) -> list[str]:
    slope = bound.params[0].reshape(-1, *(1,) * (len(bound.layer.bottoms[0]) - 2))
    return [graph.add("PRelu", bound.bottoms[0], graph.constant(slope, "0"))]


def _eltwise(bound: Bound, graph: OnnxGraph) -> list[str]:
    param = bound.layer.layer.eltwise_param
    if param.operation == EltwiseParameter.MAX:
        return [graph.add("Max", *bound.bottoms)]
    weights = list(param.coeff) or [1.0] * len(bound.bottoms)
    terms = [_linear(graph, tensor, w, 0) for tensor, w in zip(bound.bottoms, weights, strict=True)]
    op = "Mul" if param.operation == EltwiseParameter.PROD else "Add"
    return [reduce(lambda before, term: graph.add(op, before, term), terms)]


TRANSLATORS: dict[str, Translate] = {
    "AbsVal": _of("Abs"),
    "BNLL": _of("Softplus"),
    "Clip": _clip,
    "Dropout": _dropout,
    "ELU": _elu,
    "Eltwise": _eltwise,
    "Exp": _exp,
    "Log": _log,
    "PReLU": _prelu,
    "Power": _power,
    "ReLU": _relu,
    "Sigmoid": _of("Sigmoid"),
    "Softmax": _softmax,
    "Swish": _swish,
    "TanH": _of("Tanh"),
    "Threshold": _threshold,
}
