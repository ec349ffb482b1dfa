"""LRN, local response normalisation (lrn_layer.cpp)."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ftjob.engine.torch.process.layers.making import Forward, LayerContext, Make
from ftjob.net.layers.elementwise import lrn_within_channel
from ftjob.net.topology.shapes import LayerShapes


class AcrossChannels(torch.autograd.Function):
    """x (k + alpha/n S)^-beta, S being the sum of squares over the n channels around each."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, size: int, alpha: float, beta: float, k: float) -> Tensor:
        scale = window_sum(x * x, size).mul_(alpha / size).add_(k)
        factor = negative_power(scale, beta)
        top = x * factor
        ctx.save_for_backward(x, top, scale, factor)
        ctx.size, ctx.ratio = size, 2 * alpha * beta / size
        return top

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (d_top,) = gradients
        x, top, scale, factor = ctx.saved_tensors
        sums = window_sum((d_top * top).div_(scale), ctx.size)
        return (d_top * factor).sub_(sums.mul_(x).mul_(ctx.ratio)), None, None, None, None


def window_sum(values: Tensor, size: int) -> Tensor:
    """Sum over the `size` channels around each, in additions of whole maps: the quickest on processors."""
    channels = values.shape[1]
    total = values.clone()
    for offset in range(1, min(size // 2 + 1, channels)):
        total[:, offset:] += values[:, :-offset]
        total[:, :-offset] += values[:, offset:]
    return total


def negative_power(values: Tensor, beta: float) -> Tensor:
    """values ** -beta; nets have 0.75, for which two square roots are quicker than a power."""
    if beta == 0.75:
        root = values.rsqrt()
        return root.sqrt().mul_(root)
    return values**-beta


def _lrn(layer: LayerShapes, context: LayerContext) -> Forward:
    param = layer.layer.lrn_param
    size, alpha, beta = param.local_size, param.alpha, param.beta
    if not lrn_within_channel(layer.layer):

        def across_channels(bottoms: Sequence[Tensor], _: Sequence[Tensor]) -> list[Tensor]:
            top = AcrossChannels.apply(bottoms[0].float(), size, alpha, beta, param.k)
            return [top.to(bottoms[0].dtype)]

        return across_channels

    def within_channel(bottoms: Sequence[Tensor], _: Sequence[Tensor]) -> list[Tensor]:
        x = bottoms[0].float()
        squares = functional.avg_pool2d(x**2, size, 1, size // 2)
        return [(x * (1 + alpha * squares) ** -beta).to(bottoms[0].dtype)]

    return within_channel


MAKERS: dict[str, Make] = {"LRN": _lrn}
