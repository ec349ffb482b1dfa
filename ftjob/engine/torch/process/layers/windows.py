"""Convolutions, whose weights lie in PyTorch as they lie in Caffe."""

from collections.abc import Callable, Sequence

from torch import Tensor
from torch.nn import functional

from ftjob.engine.torch.process.layers.making import Forward, LayerContext, Make
from ftjob.net.layers.windows import window_of
from ftjob.net.topology.shapes import LayerShapes

FORWARD = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
TRANSPOSED = {
    1: functional.conv_transpose1d,
    2: functional.conv_transpose2d,
    3: functional.conv_transpose3d,
}


def _each(layer: LayerShapes, convolve: Callable[[Tensor, Tensor, Tensor | None], Tensor]) -> Forward:
    """All bottoms alike, with the same weights."""
    bias = layer.layer.convolution_param.bias_term

    def forward(bottoms: Sequence[Tensor], params: Sequence[Tensor]) -> list[Tensor]:
        return [convolve(bottom, params[0], params[1] if bias else None) for bottom in bottoms]

    return forward


def _convolution(layer: LayerShapes, context: LayerContext) -> Forward:
    window, group = window_of(layer.layer, layer.bottoms[0]), layer.layer.convolution_param.group
    convolve = FORWARD[len(window.kernel)]
    stride, pad, dilation = window.stride, window.pad, window.dilation
    return _each(layer, lambda x, weights, bias: convolve(x, weights, bias, stride, pad, dilation, group))


def _deconvolution(layer: LayerShapes, context: LayerContext) -> Forward:
    window, group = window_of(layer.layer, layer.bottoms[0]), layer.layer.convolution_param.group
    convolve = TRANSPOSED[len(window.kernel)]
    stride, pad, dilation = window.stride, window.pad, window.dilation
    return _each(layer, lambda x, weights, bias: convolve(x, weights, bias, stride, pad, 0, group, dilation))


MAKERS: dict[str, Make] = {"Convolution": _convolution, "Deconvolution": _deconvolution}
