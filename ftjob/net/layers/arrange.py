"""Layers that join, cut, reshape or select, without arithmetic of their own."""

from collections.abc import Sequence
from itertools import pairwise
from math import prod

from ftjob.net.layers.rule import (
    MAX_AXES,
    Rule,
    Setup,
    Shape,
    axis_of,
    bottom_text,
    check_axes,
    own_top,
    refuse,
    text,
)
from ftjob.net.proto.caffe_pb2 import ConcatParameter, LayerParameter, SliceParameter


def _axis_or_dim(layer: LayerParameter, param: ConcatParameter | SliceParameter, dim: str) -> int:
    """The axis, under either of its two names (concat_layer.cpp and slice_layer.cpp, LayerSetUp)."""
    if not param.HasField(dim):
        return param.axis
    if param.HasField("axis"):
        raise refuse(layer, f"give axis or {dim}, which is its old name, not both")
    return int(getattr(param, dim))


def concat_axis(layer: LayerParameter, bottom: Shape) -> int:
    """Return the axis along which a Concat joins."""
    return axis_of(layer, bottom, _axis_or_dim(layer, layer.concat_param, "concat_dim"))


def slice_axis(layer: LayerParameter, bottom: Shape) -> int:
    """Return the axis along which a Slice cuts."""
    return axis_of(layer, bottom, _axis_or_dim(layer, layer.slice_param, "slice_dim"))


def _concat(layer: LayerParameter, bottoms: Sequence[Shape]) -> Setup:
    axis = concat_axis(layer, bottoms[0])
    for index, shape in enumerate(bottoms):
        if shape[:axis] + shape[axis + 1 :] != bottoms[0][:axis] + bottoms[0][axis + 1 :] or len(
            shape
        ) != len(bottoms[0]):
            first, second = bottom_text(layer, bottoms, 0), bottom_text(layer, bottoms, index)
            raise refuse(layer, f"its bottoms {first} and {second} may differ in axis {axis} only")
    joined = sum(shape[axis] for shape in bottoms)
    return Setup(((*bottoms[0][:axis], joined, *bottoms[0][axis + 1 :]),))


def _slice(layer: LayerParameter, bottoms: Sequence[Shape]) -> Setup:
    param = layer.slice_param
    axis = slice_axis(layer, bottoms[0])
    size, tops = bottoms[0][axis], len(layer.top)
    points = list(param.slice_point)
    if not points:
        if size % tops:
            raise refuse(layer, f"axis {axis} of its bottom {text(bottoms[0])} cannot be cut into {tops}")
        points = list(range(size // tops, size, size // tops))
    edges = [0, *points, size]
    if len(points) != tops - 1 or any(low >= high for low, high in pairwise(edges)):
        raise refuse(layer, f"slice_point {points} must cut axis {axis} ({size} long) into {tops} tops")
    return Setup(
        tuple((*bottoms[0][:axis], high - low, *bottoms[0][axis + 1 :]) for low, high in pairwise(edges))
    )


def _flatten(layer: LayerParameter, bottoms: Sequence[Shape]) -> Setup:
    own_top(layer)
    start = axis_of(layer, bottoms[0], layer.flatten_param.axis)
    end = axis_of(layer, bottoms[0], layer.flatten_param.end_axis) + 1
    if start > end:
        raise refuse(layer, "end_axis must not come before axis")
    return Setup(((*bottoms[0][:start], prod(bottoms[0][start:end]), *bottoms[0][end:]),))


def _reshape(layer: LayerParameter, bottoms: Sequence[Shape]) -> Setup:
    own_top(layer)
    bottom, param = bottoms[0], layer.reshape_param
    start = param.axis if param.axis >= 0 else len(bottom) + param.axis + 1
    end = len(bottom) if param.num_axes == -1 else start + param.num_axes
    if not 0 <= start <= end <= len(bottom) or param.num_axes < -1:
        raise refuse(layer, f"axis and num_axes do not name axes of its bottom, which is {text(bottom)}")
    dims = list(param.shape.dim)[: MAX_AXES + 1]
    if any(dim == 0 and start + index >= len(bottom) for index, dim in enumerate(dims)):
        raise refuse(layer, f"a 0 in shape copies an axis which its bottom {text(bottom)} has not")
    if dims.count(-1) > 1 or min(dims, default=1) < -1:
        raise refuse(layer, "shape may hold one -1 (inferred), zeros (copied) and positive sizes")
    top = _reshaped(bottom, dims, start, end)
    if top is None:
        wrong = f"its bottom {bottom_text(layer, bottoms, 0)} {_misfit(bottom, dims, start, end)}"
        raise refuse(layer, wrong)
    return Setup((top,))


def _reshaped(bottom: Shape, dims: Sequence[int], start: int, end: int) -> Shape | None:
    """The shape with axes start to end replaced by those asked for; None where it has another size."""
    new = [bottom[start + index] if dim == 0 else dim for index, dim in enumerate(dims)]
    rest = prod(dim for dim in new if dim != -1) * prod(bottom[:start]) * prod(bottom[end:])
    top = (*bottom[:start], *(prod(bottom) // rest if dim == -1 else dim for dim in new), *bottom[end:])
    return top if prod(top) == prod(bottom) else None


def _misfit(bottom: Shape, dims: Sequence[int], start: int, end: int) -> str:
    """Return which size of a Reshape does not follow the net, and what to write for it."""
    shape = " ".join(f"dim: {dim}" for dim in dims)
    for index, dim in reversed(list(enumerate(dims))):
        copied = bottom[start + index] if start + index < len(bottom) else None
        words = {-1: "-1 (what is left)"} if -1 not in dims else {}
        words |= {0: f"0 (its bottom has {copied} there)"} if copied else {}
        fitting = [
            words[instead]
            for instead in sorted(words, reverse=True)
            if _reshaped(bottom, [*dims[:index], instead, *dims[index + 1 :]], start, end)
        ]
        if dim > 0 and dim != copied and fitting:
            return (
                f"cannot be reshaped to {shape}; {dim} is a size that is no more, such as the old number of "
                f"classes: write {' or '.join(fitting)} instead"
            )
    return f"cannot be reshaped to {shape}; write 0 for a size that stays, -1 for one that is inferred"


def _crop(layer: LayerParameter, bottoms: Sequence[Shape]) -> Setup:
    image, wanted = bottoms
    start = axis_of(layer, image, layer.crop_param.axis)
    offsets = list(layer.crop_param.offset) or [0]
    if len(image) != len(wanted) or len(offsets) not in (1, len(image) - start):
        raise refuse(layer, "its bottoms must have the same axes, and offset one number or one per axis")
    for axis in range(start, len(image)):
        offset = offsets[0] if len(offsets) == 1 else offsets[axis - start]
        if offset + wanted[axis] > image[axis]:
            first, second = bottom_text(layer, bottoms, 0), bottom_text(layer, bottoms, 1)
            raise refuse(layer, f"a crop the size of {second} at offset {offset} is not inside {first}")
    return Setup(((*image[:start], *wanted[start:]),))


def _tile(layer: LayerParameter, bottoms: Sequence[Shape]) -> Setup:
    if layer.tile_param.tiles < 1:
        raise refuse(layer, "tiles must be at least 1")
    axis = axis_of(layer, bottoms[0], layer.tile_param.axis)
    tiled = bottoms[0][axis] * layer.tile_param.tiles
    return Setup(((*bottoms[0][:axis], tiled, *bottoms[0][axis + 1 :]),))


def _argmax(layer: LayerParameter, bottoms: Sequence[Shape]) -> Setup:
    param, bottom = layer.argmax_param, bottoms[0]
    check_axes(layer, bottom, 1)
    per_axis = param.HasField("axis")
    axis = axis_of(layer, bottom, param.axis) if per_axis else 1
    choices = bottom[axis] if per_axis else prod(bottom[1:])
    if not 1 <= param.top_k <= choices:
        raise refuse(layer, f"top_k {param.top_k} must be 1 to {choices}")
    if per_axis:
        return Setup(((*bottom[:axis], param.top_k, *bottom[axis + 1 :]),))
    top = [bottom[0], 2 if param.out_max_val else 1, param.top_k]
    return Setup(((*top, *(1,) * (len(bottom) - 3)),))


def _reduction(layer: LayerParameter, bottoms: Sequence[Shape]) -> Setup:
    return Setup((bottoms[0][: axis_of(layer, bottoms[0], layer.reduction_param.axis)],))


def _batch_reindex(layer: LayerParameter, bottoms: Sequence[Shape]) -> Setup:
    if len(bottoms[1]) != 1:
        raise refuse(layer, f"its second bottom must have one axis and is {text(bottoms[1])}")
    return Setup(((bottoms[1][0], *bottoms[0][1:]),))


def _filter(layer: LayerParameter, bottoms: Sequence[Shape]) -> Setup:
    """Return the shapes before anything is filtered out: the largest its tops can be."""
    selector = bottoms[-1]
    if len(layer.top) != len(bottoms) - 1:
        raise refuse(layer, "it must have one top for each bottom but the last, which selects")
    if prod(selector[1:]) != 1 or any(shape[:1] != selector[:1] for shape in bottoms):
        raise refuse(layer, f"its last bottom, {text(selector)}, must have one number per item of the others")
    return Setup(tuple(bottoms[:-1]))


def _silence(layer: LayerParameter, bottoms: Sequence[Shape]) -> Setup:
    return Setup(())


RULES = {
    "ArgMax": Rule(_argmax),
    "BatchReindex": Rule(_batch_reindex, bottoms=(2, 2)),
    "Concat": Rule(_concat, bottoms=(1, None)),
    "Crop": Rule(_crop, bottoms=(2, 2)),
    "Filter": Rule(_filter, bottoms=(2, None), tops=(1, None)),
    "Flatten": Rule(_flatten),
    "HDF5Output": Rule(_silence, bottoms=(2, 2), tops=(0, 0)),
    "Reduction": Rule(_reduction),
    "Reshape": Rule(_reshape),
    "Silence": Rule(_silence, bottoms=(1, None), tops=(0, 0)),
    "Slice": Rule(_slice, tops=(1, None)),
    "Tile": Rule(_tile),
}
