"""Layers with params that are no windows."""

from math import prod

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from ftjob.engine.onnx.onnxgraph import Bound, OnnxGraph, Translate
from ftjob.net.layers.rule import axis_of, refuse


def _inner_product(bound: Bound, graph: OnnxGraph) -> list[str]:
    layer, param = bound.layer, bound.layer.layer.inner_product_param
    axis = axis_of(layer.layer, layer.bottoms[0], param.axis)
    flat = bound.bottoms[0]
    if len(layer.bottoms[0]) != 2 or axis != 1:
        flat = graph.reshape(flat, (1, prod(layer.bottoms[0][axis:])))
    params = [graph.constant(values, str(number)) for number, values in enumerate(bound.params)]
    top = graph.add("Gemm", flat, *params, transB=int(not param.transpose))
    return [top if len(layer.tops[0]) == 2 else graph.reshape(top, layer.tops[0])]


def _embed(bound: Bound, graph: OnnxGraph) -> list[str]:
    indices = graph.add("Cast", bound.bottoms[0], to=TensorProto.INT64)
    top = graph.add("Gather", graph.constant(bound.params[0], "0"), indices, axis=0)
    if not bound.layer.layer.embed_param.bias_term:
        return [top]
    return [graph.add("Add", top, graph.constant(bound.params[1], "1"))]


def _batch_norm(bound: Bound, graph: OnnxGraph) -> list[str]:
    """With the statistics that were collected: the sums of means and of variances, and how much was summed
    (batch_norm_layer.cpp)."""
    param = bound.layer.layer.batch_norm_param
    if param.HasField("use_global_stats") and not param.use_global_stats:
        raise refuse(bound.layer.layer, "use_global_stats: false makes it compute with the whole batch")
    means, variances, (count,) = bound.params
    factor = np.float32(0 if count == 0 else 1 / count)
    constants = {
        "scale": np.ones_like(means),
        "shift": np.zeros_like(means),
        "mean": means * factor,
        "variance": variances * factor,
    }
    names = [graph.constant(values, suffix) for suffix, values in constants.items()]
    return [graph.add("BatchNormalization", bound.bottoms[0], *names, epsilon=param.eps)]


def _second(bound: Bound, axis: int, graph: OnnxGraph) -> str:
    """Return the second bottom or the first param, with ones for the first bottom's axes after its own."""
    first, *others = bound.layer.bottoms
    if not others:
        return graph.constant(_spread(bound.params[0], axis, bound), "0")
    (second,) = others
    start = axis_of(bound.layer.layer, first, axis) if second else 0
    after = len(first) - start - len(second)
    return graph.reshape(bound.bottoms[1], (*second, *(1,) * after)) if second and after else bound.bottoms[1]


def _spread(values: NDArray[np.float32], axis: int, bound: Bound) -> NDArray[np.float32]:
    axes = len(bound.layer.bottoms[0])
    start = axis_of(bound.layer.layer, bound.layer.bottoms[0], axis) if values.ndim else axes
    return values.reshape((*values.shape, *(1,) * (axes - start - values.ndim)))


def _scale(bound: Bound, graph: OnnxGraph) -> list[str]:
    param = bound.layer.layer.scale_param
    top = graph.add("Mul", bound.bottoms[0], _second(bound, param.axis, graph))
    if not param.bias_term:
        return [top]
    number = len(bound.params) - 1
    return [graph.add("Add", top, graph.constant(_spread(bound.params[-1], param.axis, bound), str(number)))]


def _bias(bound: Bound, graph: OnnxGraph) -> list[str]:
    return [graph.add("Add", bound.bottoms[0], _second(bound, bound.layer.layer.bias_param.axis, graph))]


def _parameter(bound: Bound, graph: OnnxGraph) -> list[str]:
    return [graph.constant(bound.params[0], "0")]


TRANSLATORS: dict[str, Translate] = {
    "BatchNorm": _batch_norm,
    "Bias": _bias,
    "Embed": _embed,
    "InnerProduct": _inner_product,
    "Parameter": _parameter,
    "Scale": _scale,
}
