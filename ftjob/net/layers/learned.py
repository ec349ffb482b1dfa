"""Layers with params that are no windows: inner products, normalisation statistics, scales, embeddings."""

from collections.abc import Sequence
from math import prod

from ftjob.net.layers.rule import Rule, Setup, Shape, axis_of, bottom_text, check_axes, own_top, refuse, text
from ftjob.net.proto.caffe_pb2 import LayerParameter


def _inner_product(layer: LayerParameter, bottoms: Sequence[Shape]) -> Setup:
    param = layer.inner_product_param
    if param.num_output < 1:
        raise refuse(layer, "num_output must be at least 1")
    own_top(layer)
    axis = axis_of(layer, bottoms[0], param.axis)
    inputs = prod(bottoms[0][axis:])
    weights = (inputs, param.num_output) if param.transpose else (param.num_output, inputs)
    bias = ((param.num_output,),) if param.bias_term else ()
    return Setup(((*bottoms[0][:axis], param.num_output),), (weights, *bias))


def _embed(layer: LayerParameter, bottoms: Sequence[Shape]) -> Setup:
    param = layer.embed_param
    if param.num_output < 1 or param.input_dim < 1:
        raise refuse(layer, "num_output and input_dim must be at least 1")
    bias = ((param.num_output,),) if param.bias_term else ()
    return Setup(((*bottoms[0], param.num_output),), ((param.input_dim, param.num_output), *bias))


def _batch_norm(layer: LayerParameter, bottoms: Sequence[Shape]) -> Setup:
    check_axes(layer, bottoms[0], 2)
    # Where all three are there, Caffe itself sets them to 0 (see ftjob.net.topology.params).
    if len(layer.param) != 3 and any(param.lr_mult != 0 for param in layer.param):
        raise refuse(layer, "its statistics are not learned: give its params lr_mult 0, or none")
    channels = (bottoms[0][1],)
    return Setup((bottoms[0],), (channels, channels, (1,)))


def _spanned(layer: LayerParameter, bottom: Shape, axis: int, num_axes: int) -> Shape:
    """Return the bottom's axes that a Scale's or Bias's own param covers."""
    start = axis_of(layer, bottom, axis)
    if num_axes < -1 or start + num_axes > len(bottom):
        raise refuse(
            layer, f"{num_axes} axes from axis {axis} are not in its bottom, which is {text(bottom)}"
        )
    return bottom[start:] if num_axes == -1 else bottom[start : start + num_axes]


def _check_second_bottom(layer: LayerParameter, bottoms: Sequence[Shape], axis: int) -> None:
    first, second = bottoms
    start = axis_of(layer, first, axis) if second else 0
    if first[start : start + len(second)] != second:
        texts = bottom_text(layer, bottoms, 1), bottom_text(layer, bottoms, 0)
        raise refuse(layer, f"its bottom {texts[0]} does not match {texts[1]} from axis {axis} on")


def _scale(layer: LayerParameter, bottoms: Sequence[Shape]) -> Setup:
    param = layer.scale_param
    own: tuple[Shape, ...] = ()
    num_axes = param.num_axes
    if len(bottoms) == 2:
        _check_second_bottom(layer, bottoms, param.axis)
        num_axes = len(bottoms[1])
    else:
        own = (_spanned(layer, bottoms[0], param.axis, num_axes),)
    bias = (_spanned(layer, bottoms[0], param.axis, num_axes),) if param.bias_term else ()
    return Setup((bottoms[0],), (*own, *bias))


def _bias(layer: LayerParameter, bottoms: Sequence[Shape]) -> Setup:
    param = layer.bias_param
    if len(bottoms) == 2:
        _check_second_bottom(layer, bottoms, param.axis)
        return Setup((bottoms[0],))
    return Setup((bottoms[0],), (_spanned(layer, bottoms[0], param.axis, param.num_axes),))


def _parameter(layer: LayerParameter, bottoms: Sequence[Shape]) -> Setup:
    shape = tuple(layer.parameter_param.shape.dim)
    return Setup((shape,), (shape,))


RULES = {
    "BatchNorm": Rule(_batch_norm),
    "Bias": Rule(_bias, bottoms=(1, 2)),
    "Embed": Rule(_embed),
    "InnerProduct": Rule(_inner_product),
    "Parameter": Rule(_parameter, bottoms=(0, 0)),
    "Scale": Rule(_scale, bottoms=(1, 2)),
}
