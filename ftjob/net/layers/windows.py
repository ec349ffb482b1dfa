"""Layers that slide a window: convolutions and im2col (base_conv_layer.cpp)."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from ftjob.net.layers.rule import MAX_COUNT, Rule, Setup, Shape, axis_of, bottom_text, own_top, refuse, text
from ftjob.net.proto.caffe_pb2 import LayerParameter


@dataclass(frozen=True)
class Window:
    """Where a convolution looks, one number per spatial axis."""

    channel_axis: int
    kernel: Shape
    stride: Shape
    pad: Shape
    dilation: Shape

    def forward(self, size: Shape) -> Shape:
        """Return what a convolution makes of a spatial size; below 1 where the kernel does not fit."""
        return tuple(
            (n + 2 * p - (d * (k - 1) + 1)) // s + 1
            for n, k, s, p, d in zip(size, self.kernel, self.stride, self.pad, self.dilation, strict=True)
        )

    def transposed(self, size: Shape) -> Shape:
        """Return what a deconvolution makes of a spatial size."""
        return tuple(
            s * (n - 1) + d * (k - 1) + 1 - 2 * p
            for n, k, s, p, d in zip(size, self.kernel, self.stride, self.pad, self.dilation, strict=True)
        )


def window_of(layer: LayerParameter, bottom: Shape) -> Window:
    """Read a layer's convolution_param for its bottom's spatial axes. Raises BadNetError where wrong."""
    param = layer.convolution_param
    channel_axis = axis_of(layer, bottom, param.axis)
    axes = len(bottom) - channel_axis - 1
    window = Window(
        channel_axis,
        kernel=_per_axis(layer, "kernel_size", axes, param.kernel_size, "kernel_h", "kernel_w", None),
        stride=_per_axis(layer, "stride", axes, param.stride, "stride_h", "stride_w", 1),
        pad=_per_axis(layer, "pad", axes, param.pad, "pad_h", "pad_w", 0),
        dilation=_per_axis(layer, "dilation", axes, param.dilation, None, None, 1),
    )
    for name, values in (("kernel_size", window.kernel), ("stride", window.stride)):
        if min(values, default=1) < 1 or max(values, default=1) > MAX_COUNT:
            raise refuse(layer, f"{name} must be 1 to {MAX_COUNT}")
    return window


def _per_axis(
    layer: LayerParameter,
    name: str,
    axes: int,
    values: Sequence[int],
    height: str | None,
    width: str | None,
    default: int | None,
) -> Shape:
    param = layer.convolution_param
    if height and width and (param.HasField(height) or param.HasField(width)):
        if axes != 2 or values:
            raise refuse(layer, f"give {name}, or {height} and {width} for two spatial axes, not both")
        return (getattr(param, height), getattr(param, width))
    if not values and default is not None:
        return (default,) * axes
    if len(values) not in (1, axes) or not values:
        raise refuse(layer, f"{name} must be given once, or once for each of {axes} spatial axes")
    return tuple(values) * axes if len(values) == 1 else tuple(values)


def _check_groups(layer: LayerParameter, channels: int) -> None:
    param = layer.convolution_param
    if param.num_output < 1:
        raise refuse(layer, "num_output must be at least 1")
    for name, value in (("channels of its bottom", channels), ("num_output", param.num_output)):
        if param.group < 1 or value % param.group:
            raise refuse(layer, f"group {param.group} does not divide {value}, the {name}")


def _same_bottoms(layer: LayerParameter, bottoms: Sequence[Shape]) -> None:
    own_top(layer)
    if len(layer.top) != len(bottoms):
        raise refuse(layer, f"it must have as many tops as bottoms, not {len(layer.top)} and {len(bottoms)}")
    for index, shape in enumerate(bottoms):
        if shape != bottoms[0]:
            first, other = bottom_text(layer, bottoms, 0), bottom_text(layer, bottoms, index)
            raise refuse(layer, f"its bottoms {first} and {other} must have one shape")


def _check_fit(layer: LayerParameter, window: Window, bottoms: Sequence[Shape], size: Shape) -> None:
    if min(size, default=1) < 1:
        raise refuse(
            layer,
            f"its kernel {text(window.kernel)} with pad {text(window.pad)} is larger than its bottom "
            f"{bottom_text(layer, bottoms, 0)}; use larger images or a smaller kernel",
        )


def _convolution(layer: LayerParameter, bottoms: Sequence[Shape]) -> Setup:
    _same_bottoms(layer, bottoms)
    bottom = bottoms[0]
    window = window_of(layer, bottom)
    channels = bottom[window.channel_axis]
    _check_groups(layer, channels)
    size = window.forward(bottom[window.channel_axis + 1 :])
    _check_fit(layer, window, bottoms, size)
    weights = (layer.convolution_param.num_output, channels // layer.convolution_param.group)
    return _convolved(layer, bottoms, window, weights, size)


def _deconvolution(layer: LayerParameter, bottoms: Sequence[Shape]) -> Setup:
    _same_bottoms(layer, bottoms)
    bottom = bottoms[0]
    window = window_of(layer, bottom)
    channels = bottom[window.channel_axis]
    _check_groups(layer, channels)
    size = window.transposed(bottom[window.channel_axis + 1 :])
    weights = (channels, layer.convolution_param.num_output // layer.convolution_param.group)
    return _convolved(layer, bottoms, window, weights, size)


def _convolved(
    layer: LayerParameter, bottoms: Sequence[Shape], window: Window, weights: Shape, size: Shape
) -> Setup:
    param = layer.convolution_param
    top = (*bottoms[0][: window.channel_axis], param.num_output, *size)
    bias = ((param.num_output,),) if param.bias_term else ()
    return Setup((top,) * len(bottoms), ((*weights, *window.kernel), *bias))


def _im2col(layer: LayerParameter, bottoms: Sequence[Shape]) -> Setup:
    window = window_of(layer, bottoms[0])
    if not window.kernel:
        raise refuse(layer, f"its bottom {bottom_text(layer, bottoms, 0)} has no axes for its kernel")
    size = window.forward(bottoms[0][window.channel_axis + 1 :])
    _check_fit(layer, window, bottoms, size)
    channels = bottoms[0][window.channel_axis] * prod(window.kernel)
    return Setup(((*bottoms[0][: window.channel_axis], channels, *size),))


RULES = {
    "Convolution": Rule(_convolution, bottoms=(1, None), tops=(1, None)),
    "Deconvolution": Rule(_deconvolution, bottoms=(1, None), tops=(1, None)),
    "Im2col": Rule(_im2col),
}
