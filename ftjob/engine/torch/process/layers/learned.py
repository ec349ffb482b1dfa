"""Layers with params that are no windows."""

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ftjob.engine.torch.process.layers.making import Forward, LayerContext, Make, rows_of
from ftjob.net.layers.rule import Shape, axis_of
from ftjob.net.proto.caffe_pb2 import TEST
from ftjob.net.topology.shapes import LayerShapes

MANY_WEIGHTS = 2**18
"""With fewer, both of the libraries below take as long."""
ONEDNN = hasattr(torch.ops.mkldnn, "_linear_pointwise")
"""Whether PyTorch was built with it, and has this way to it."""


class QuickProduct(torch.autograd.Function):
    """Images (N, inputs) times weights (outputs, inputs), by oneDNN.

    On an AMD EPYC it takes half of MKL's time for ten images, since MKL copies all weights into an order of
    its own first, and nine tenths for 256.
    """

    @staticmethod
    def forward(ctx: Any, images: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(images, weights)
        return _times_transposed(images, weights)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None]:
        (d_top,), (images, weights) = gradients, ctx.saved_tensors
        for_images, for_weights = ctx.needs_input_grad
        return (
            _times_transposed(d_top, weights.t()) if for_images else None,
            _times_transposed(d_top.t(), images.t()) if for_weights else None,
        )


def _times_transposed(left: Tensor, right: Tensor) -> Tensor:
    top: Tensor = torch.ops.mkldnn._linear_pointwise(left, right, None, "none", [], "")
    return top


def product(images: Tensor, weights: Tensor, bias: Tensor | None) -> Tensor:
    """Return images (N, inputs) times weights (outputs, inputs), and a bias added."""
    quick = ONEDNN and images.device.type == "cpu" and images.dtype == weights.dtype == torch.float32
    if not quick or weights.numel() < MANY_WEIGHTS or torch.compiler.is_compiling():
        return functional.linear(images, weights, bias)
    top: Tensor = QuickProduct.apply(images, weights)
    return top if bias is None else top + bias


def _inner_product(layer: LayerShapes, context: LayerContext) -> Forward:
    param = layer.layer.inner_product_param
    axis = axis_of(layer.layer, layer.bottoms[0], param.axis)
    inputs = prod(layer.bottoms[0][axis:])

    def forward(bottoms: Sequence[Tensor], params: Sequence[Tensor]) -> list[Tensor]:
        weights = params[0].t() if param.transpose else params[0]
        flat = bottoms[0].reshape(-1, inputs)
        top = product(flat, weights, params[1] if param.bias_term else None)
        return [top.reshape(rows_of(layer.tops[0]))]

    return forward


def _embed(layer: LayerShapes, context: LayerContext) -> Forward:
    bias = layer.layer.embed_param.bias_term

    def forward(bottoms: Sequence[Tensor], params: Sequence[Tensor]) -> list[Tensor]:
        top = functional.embedding(bottoms[0].long(), params[0])
        return [top + params[1] if bias else top]

    return forward


def _batch_norm(layer: LayerShapes, context: LayerContext) -> Forward:
    """With the batch's statistics, which are added to the running ones, or with those (batch_norm_layer.cpp).

    Params: the sums of means and of variances, and how much was summed.
    """
    param = layer.layer.batch_norm_param
    running = param.use_global_stats if param.HasField("use_global_stats") else context.phase == TEST
    fraction = param.moving_average_fraction
    count = prod(layer.bottoms[0]) // layer.bottoms[0][1]
    eps = max(param.eps, torch.finfo(torch.float32).tiny)  # PyTorch trains with no eps of 0

    def forward(bottoms: Sequence[Tensor], params: Sequence[Tensor]) -> list[Tensor]:
        factor = torch.where(params[2] == 0, params[2], 1 / params[2])
        mean, variance = params[0] * factor, params[1] * factor
        return [functional.batch_norm(bottoms[0], mean, variance, training=False, eps=param.eps)]

    def forward_and_learn(bottoms: Sequence[Tensor], params: Sequence[Tensor]) -> list[Tensor]:
        mean, variance = torch.zeros_like(params[0]), torch.zeros_like(params[1])
        if count > 1:  # momentum 1: what is filled in is the batch's mean, and its variance for one fewer
            top = functional.batch_norm(bottoms[0], mean, variance, training=True, momentum=1, eps=eps)
        else:
            mean, top = bottoms[0].detach().reshape(-1), bottoms[0] * 0
        with torch.no_grad():
            for sums, now in zip(params, (mean, variance, 1.0), strict=True):
                sums.mul_(fraction).add_(now)
        return [top]

    return forward if running else forward_and_learn


def _spread(param: Tensor, axis: int, axes: int) -> Tensor:
    """Give a param of some of the bottom's axes ones for those after it."""
    return param.reshape(*param.shape, *(1,) * (axes - axis - param.dim()))


def _axis(layer: LayerShapes, axis: int, second: Shape | None) -> int:
    return 0 if second == () else axis_of(layer.layer, layer.bottoms[0], axis)


def _scale(layer: LayerShapes, context: LayerContext) -> Forward:
    param, axes = layer.layer.scale_param, len(layer.bottoms[0])
    axis = _axis(layer, param.axis, layer.bottoms[1] if len(layer.bottoms) == 2 else None)

    def forward(bottoms: Sequence[Tensor], params: Sequence[Tensor]) -> list[Tensor]:
        scale = bottoms[1] if len(bottoms) == 2 else params[0]
        top = bottoms[0] * _spread(scale, axis, axes)
        return [top + _spread(params[-1], axis, axes) if param.bias_term else top]

    return forward


def _bias(layer: LayerShapes, context: LayerContext) -> Forward:
    axes = len(layer.bottoms[0])
    axis = _axis(layer, layer.layer.bias_param.axis, layer.bottoms[1] if len(layer.bottoms) == 2 else None)

    def forward(bottoms: Sequence[Tensor], params: Sequence[Tensor]) -> list[Tensor]:
        return [bottoms[0] + _spread(bottoms[1] if len(bottoms) == 2 else params[0], axis, axes)]

    return forward


def _prelu(layer: LayerShapes, context: LayerContext) -> Forward:
    return lambda bottoms, params: [functional.prelu(bottoms[0], params[0].reshape(-1))]


def _parameter(layer: LayerShapes, context: LayerContext) -> Forward:
    return lambda _, params: [params[0]]


MAKERS: dict[str, Make] = {
    "BatchNorm": _batch_norm,
    "Bias": _bias,
    "Embed": _embed,
    "InnerProduct": _inner_product,
    "PReLU": _prelu,
    "Parameter": _parameter,
    "Scale": _scale,
}
