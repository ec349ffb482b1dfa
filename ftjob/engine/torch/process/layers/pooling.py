"""Pooling (pooling_layer.cpp): rounded up, the last window clipped, AVE divided as Caffe divides."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ftjob.engine.torch.process.layers.making import Forward, LayerContext, Make
from ftjob.net.layers.pooling import Pair, PoolingWindow, pooled, pooling_window
from ftjob.net.proto.caffe_pb2 import PoolingParameter
from ftjob.net.topology.shapes import LayerShapes


def torchs_own(window: PoolingWindow) -> bool:
    """Whether PyTorch's rounding up gives the same windows, and takes this pad."""
    return all(
        2 * pad <= kernel and pooled(size, kernel, stride, pad, True) == windows
        for kernel, stride, pad, size, windows in window.axes
    )


def padded(values: Tensor, window: PoolingWindow, filling: float) -> Tensor:
    """Give a map exactly the margins that its windows look at, or cut off what none does."""
    (top, left), (bottom, right) = window.pad, window.margins
    return functional.pad(values, [left, right, top, bottom], value=filling)


class QuickMax(torch.autograd.Function):
    """PyTorch's max_pool2d, to the bit, in a third of its time on processors.

    Its forward pass is quick where the channels lie together, its backward pass where the maps do.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Pair, stride: Pair, pad: Pair, ceil_mode: bool) -> Tensor:
        together = x.contiguous(memory_format=torch.channels_last)
        top, places = functional.max_pool2d_with_indices(together, kernel, stride, pad, ceil_mode=ceil_mode)
        ctx.save_for_backward(x, places.contiguous())
        ctx.window = kernel, stride, pad, (1, 1), ceil_mode
        return top.contiguous()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, places = ctx.saved_tensors
        (d_top,) = (each.contiguous() for each in gradients)
        backward = torch.ops.aten.max_pool2d_with_indices_backward
        return backward(d_top, x, *ctx.window, places), None, None, None, None


def max_pool(x: Tensor, kernel: Pair, stride: Pair, pad: Pair = (0, 0), ceil_mode: bool = False) -> Tensor:
    """Return the largest of each window; of equals the first gets the gradient, as in Caffe."""
    if x.device.type == "cpu" and not torch.compiler.is_compiling():  # an exported net has neither of the two
        if not x.requires_grad and x.dtype == torch.float32 and torch.backends.mkldnn.is_available():
            # oneDNN's takes less than half of QuickMax's time, but its backward pass twice as much
            return functional.max_pool2d(x.to_mkldnn(), kernel, stride, pad, ceil_mode=ceil_mode).to_dense()
        top: Tensor = QuickMax.apply(x, kernel, stride, pad, ceil_mode)
        return top
    return functional.max_pool2d(x, kernel, stride, pad, ceil_mode=ceil_mode)


def _max(window: PoolingWindow) -> Callable[[Tensor], Tensor]:
    kernel, stride, pad = window.kernel, window.stride, window.pad
    if torchs_own(window):
        return lambda x: max_pool(x, kernel, stride, pad, ceil_mode=True)
    # the margin is the least number: what Caffe begins with
    return lambda x: max_pool(padded(x, window, torch.finfo(x.dtype).min), kernel, stride)


def _average(window: PoolingWindow) -> Callable[[Tensor], Tensor]:
    kernel, stride, pad = window.kernel, window.stride, window.pad
    if torchs_own(window):
        return lambda x: functional.avg_pool2d(x, kernel, stride, pad, ceil_mode=True)
    divisors = torch.outer(*map(torch.tensor, window.lengths)).float()

    def average(x: Tensor) -> Tensor:
        sums = functional.avg_pool2d(padded(x, window, 0), kernel, stride, divisor_override=1)
        return sums / divisors.to(x)

    return average


def _pooling(layer: LayerShapes, context: LayerContext) -> Forward:
    param = layer.layer.pooling_param
    if param.pool == PoolingParameter.AVE and param.global_pooling:
        return lambda bottoms, _: [bottoms[0].mean((2, 3), keepdim=True)]
    pool = (_max if param.pool == PoolingParameter.MAX else _average)(
        pooling_window(layer.layer, layer.bottoms[0], layer.tops[0])
    )

    def forward(bottoms: Sequence[Tensor], _: Sequence[Tensor]) -> list[Tensor]:
        return [pool(bottoms[0])]

    return forward


MAKERS: dict[str, Make] = {"Pooling": _pooling}
