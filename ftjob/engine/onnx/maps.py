"""Layers that slide a window over maps: convolutions, Pooling, LRN."""

from math import prod

import numpy as np
from numpy.typing import NDArray

from ftjob.engine.onnx.onnxgraph import Bound, OnnxGraph, Translate
from ftjob.net.layers.elementwise import lrn_within_channel
from ftjob.net.layers.pooling import PoolingWindow, pooling_window
from ftjob.net.layers.windows import window_of
from ftjob.net.proto.caffe_pb2 import PoolingParameter

LOWEST = float(np.finfo(np.float32).min)
"""What Caffe's MAX begins with."""


def _convolve(op: str) -> Translate:
    def translate(bound: Bound, graph: OnnxGraph) -> list[str]:
        """All bottoms alike, with the same weights; a bias may be missing."""
        layer = bound.layer
        window = window_of(layer.layer, layer.bottoms[0])
        params = [graph.constant(values, str(number)) for number, values in enumerate(bound.params)]
        return [
            graph.add(
                op,
                bottom,
                *params,
                kernel_shape=window.kernel,
                strides=window.stride,
                pads=window.pad * 2,
                dilations=window.dilation,
                group=layer.layer.convolution_param.group,
            )
            for bottom in bound.bottoms
        ]

    return translate


def _pooling(bound: Bound, graph: OnnxGraph) -> list[str]:
    param = bound.layer.layer.pooling_param
    largest = param.pool == PoolingParameter.MAX
    if param.global_pooling:
        return [graph.add("GlobalMaxPool" if largest else "GlobalAveragePool", bound.bottoms[0])]
    window = pooling_window(bound.layer.layer, bound.layer.bottoms[0], bound.layer.tops[0])
    tensor, pads = _padded(bound.bottoms[0], window, LOWEST if largest else 0.0, graph)
    where = {"kernel_shape": window.kernel, "strides": window.stride, "pads": pads}
    if largest:
        return [graph.add("MaxPool", tensor, **where)]
    average = graph.add("AveragePool", tensor, count_include_pad=1, **where)
    shares = _shares(window)
    return [average if (shares == 1).all() else graph.add("Mul", average, graph.constant(shares))]


def _padded(
    tensor: str, window: PoolingWindow, filling: float, graph: OnnxGraph
) -> tuple[str, tuple[int, ...]]:
    """Return a map and the pads to pool it with, as many as its windows look at: ONNX knows other ways to
    round up. Pads as wide as the kernel, which ONNX refuses, become part of the map."""
    after = tuple(max(0, margin) for margin in window.margins)
    if all(margin < kernel for margin, kernel in zip(after, window.kernel, strict=True)):
        return tensor, (*window.pad, *after)
    pads = graph.whole(0, 0, *window.pad, 0, 0, *after)
    return graph.add("Pad", tensor, pads, graph.number(filling)), (0,) * 4


def _shares(window: PoolingWindow) -> NDArray[np.float32]:
    """What averages over whole windows become Caffe's by, (1, 1, H, W): it divides by the part of a window
    that lies in the map or its pad (pooling_layer.cpp)."""
    rows, columns = (np.array(lengths, np.float32) for lengths in window.lengths)
    with np.errstate(divide="ignore"):
        shares = prod(window.kernel) / np.outer(rows, columns)
    return shares.astype(np.float32)[np.newaxis, np.newaxis]


def _lrn(bound: Bound, graph: OnnxGraph) -> list[str]:
    param, (bottom,) = bound.layer.layer.lrn_param, bound.bottoms
    size, alpha, beta = param.local_size, param.alpha, param.beta
    if not lrn_within_channel(bound.layer.layer):
        return [graph.add("LRN", bottom, size=size, alpha=alpha, beta=beta, bias=param.k)]
    squares = graph.add(
        "AveragePool",
        graph.add("Mul", bottom, bottom),
        kernel_shape=(size, size),
        pads=(size // 2,) * 4,
        count_include_pad=1,
    )
    scale = graph.add("Add", graph.add("Mul", squares, graph.number(alpha)), graph.number(1))
    return [graph.add("Mul", bottom, graph.add("Pow", scale, graph.number(-beta)))]


TRANSLATORS: dict[str, Translate] = {
    "Convolution": _convolve("Conv"),
    "Deconvolution": _convolve("ConvTranspose"),
    "LRN": _lrn,
    "Pooling": _pooling,
}
