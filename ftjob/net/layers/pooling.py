"""Layers that pool a window of a map: Pooling (pooling_layer.cpp) and SPP (spp_layer.cpp)."""

from collections.abc import Sequence
from dataclasses import dataclass

from ftjob.net.layers.rule import (
    MAX_COUNT,
    Rule,
    Setup,
    Shape,
    bottom_text,
    check_axes,
    own_top,
    refuse,
    text,
)
from ftjob.net.proto.caffe_pb2 import LayerParameter, PoolingParameter

Pair = tuple[int, int]


@dataclass(frozen=True)
class PoolingWindow:
    """Where a pooling looks: (height, width) of everything."""

    kernel: Pair
    stride: Pair
    pad: Pair
    bottom: Pair
    top: Pair

    @property
    def axes(self) -> list[tuple[int, int, int, int, int]]:
        """(kernel, stride, pad, bottom, top) of both axes."""
        return list(zip(self.kernel, self.stride, self.pad, self.bottom, self.top, strict=True))

    @property
    def margins(self) -> list[int]:
        """What the last window needs after the map; negative where no window looks at the map's end."""
        return [
            (windows - 1) * stride + kernel - pad - size for kernel, stride, pad, size, windows in self.axes
        ]

    @property
    def lengths(self) -> list[list[int]]:
        """How much of each window lies in the map or its pad, which is what AVE divides by."""
        return [
            [min(at + kernel, size + pad) - at for at in range(-pad, windows * stride - pad, stride)]
            for kernel, stride, pad, size, windows in self.axes
        ]


def pooling_window(layer: LayerParameter, bottom: Shape, top: Shape) -> PoolingWindow:
    """Read a layer's pooling_param, whose values were checked when the shapes were inferred."""
    return PoolingWindow(
        kernel=_kernel(layer, bottom),
        stride=_pair(layer, "stride", "stride_h", "stride_w"),
        pad=_pair(layer, "pad", "pad_h", "pad_w"),
        bottom=(bottom[2], bottom[3]),
        top=(top[2], top[3]),
    )


def _pair(layer: LayerParameter, name: str, height: str, width: str) -> Pair:
    param: PoolingParameter = layer.pooling_param
    sides = param.HasField(height), param.HasField(width)
    if any(sides):
        if param.HasField(name) or not all(sides):
            raise refuse(layer, f"give either {name}, or both {height} and {width}")
        return getattr(param, height), getattr(param, width)
    return (getattr(param, name),) * 2


def _kernel(layer: LayerParameter, bottom: Shape) -> Pair:
    kernel = _pair(layer, "kernel_size", "kernel_h", "kernel_w")
    param: PoolingParameter = layer.pooling_param
    if param.global_pooling:
        if any(map(param.HasField, ("kernel_size", "kernel_h", "kernel_w"))):
            raise refuse(layer, "global_pooling takes the whole map; leave kernel_size out")
        return bottom[2], bottom[3]
    if min(kernel) < 1:
        raise refuse(layer, "kernel_size must be given and at least 1")
    return kernel


def pooled(size: int, kernel: int, stride: int, pad: int, either_pad: bool, *, up: bool = True) -> int:
    """Return the number of windows along one axis: rounded up, and clipped so that the last one starts inside
    the image or its near pad."""
    span = size + 2 * pad - kernel
    windows = (-(-span // stride) if up else span // stride) + 1
    if either_pad and (windows - 1) * stride >= size + pad:
        windows -= 1
    return windows


def _pooling(layer: LayerParameter, bottoms: Sequence[Shape]) -> Setup:
    own_top(layer)
    check_axes(layer, bottoms[0], 4, 4)
    param = layer.pooling_param
    kernel = _kernel(layer, bottoms[0])
    pad = _pair(layer, "pad", "pad_h", "pad_w")
    stride = _pair(layer, "stride", "stride_h", "stride_w")
    _check(layer, kernel, pad, stride)
    up = param.round_mode == PoolingParameter.CEIL
    size = tuple(
        pooled(n, k, s, p, any(pad), up=up)
        for n, k, s, p in zip(bottoms[0][2:], kernel, stride, pad, strict=True)
    )
    if min(size) < 1:
        raise refuse(
            layer,
            f"its kernel {text(kernel)} with pad {text(pad)} is larger than its bottom "
            f"{bottom_text(layer, bottoms, 0)}; use larger images or a smaller kernel",
        )
    return Setup(((*bottoms[0][:2], *size),) * len(layer.top))


def _check(layer: LayerParameter, kernel: Shape, pad: Shape, stride: Shape) -> None:
    param = layer.pooling_param
    if not 1 <= min(stride) <= max(stride) <= MAX_COUNT:
        raise refuse(layer, f"stride must be 1 to {MAX_COUNT}")
    if param.global_pooling and (any(pad) or stride != (1, 1)):
        raise refuse(layer, "global_pooling takes neither pad nor stride")
    if any(pad) and param.pool == PoolingParameter.STOCHASTIC:
        raise refuse(layer, "only MAX and AVE pooling can have a pad")
    if any(pad) and any(p >= k for p, k in zip(pad, kernel, strict=True)):
        raise refuse(layer, f"pad {text(pad)} must be smaller than the kernel {text(kernel)}")
    if len(layer.top) > 1 and param.pool != PoolingParameter.MAX:
        raise refuse(layer, "only MAX pooling has a second top, the mask")


def _spp(layer: LayerParameter, bottoms: Sequence[Shape]) -> Setup:
    own_top(layer)
    check_axes(layer, bottoms[0], 4, 4)
    num, channels, height, width = bottoms[0]
    levels = layer.spp_param.pyramid_height
    if not 1 <= levels <= MAX_COUNT.bit_length() // 2:
        raise refuse(layer, f"pyramid_height {levels} must be 1 to {MAX_COUNT.bit_length() // 2}")
    if levels == 1:
        return Setup(((num, channels, 1, 1),))
    bins = sum(_bins(layer, height, width, 2**level) for level in range(levels))
    return Setup(((num, channels * bins),))


def _bins(layer: LayerParameter, height: int, width: int, divisions: int) -> int:
    (kernel_h, pad_h), (kernel_w, pad_w) = (_spp_window(side, divisions) for side in (height, width))
    if pad_h >= kernel_h or pad_w >= kernel_w:
        raise refuse(layer, f"a map of {height}x{width} is too small for {divisions}x{divisions} bins")
    either = bool(pad_h or pad_w)
    rows = pooled(height, kernel_h, kernel_h, pad_h, either)
    return rows * pooled(width, kernel_w, kernel_w, pad_w, either)


def _spp_window(side: int, divisions: int) -> tuple[int, int]:
    """Return kernel and pad that make `divisions` windows of a side (spp_layer.cpp, GetPoolingParam)."""
    kernel = -(-side // divisions)
    return kernel, (kernel * divisions - side + 1) // 2


RULES = {
    "Pooling": Rule(_pooling, tops=(1, 2)),
    "SPP": Rule(_spp),
}
