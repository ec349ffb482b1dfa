"""Layers whose top has the shape of their bottom (MVN's always has four axes)."""

from collections.abc import Sequence
from math import inf

from ftjob.net.layers.rule import (
    MAX_COUNT,
    Rule,
    Setup,
    Shape,
    axis_of,
    bottom_text,
    check_axes,
    own_top,
    refuse,
)
from ftjob.net.proto.caffe_pb2 import EltwiseParameter, LayerParameter, LRNParameter


def _same(layer: LayerParameter, bottoms: Sequence[Shape]) -> Setup:
    return Setup((bottoms[0],))


def _not_in_place(layer: LayerParameter, bottoms: Sequence[Shape]) -> Setup:
    own_top(layer)
    return Setup((bottoms[0],))


def _dropout(layer: LayerParameter, bottoms: Sequence[Shape]) -> Setup:
    if not 0 <= layer.dropout_param.dropout_ratio <= 1:
        raise refuse(layer, f"dropout_ratio {layer.dropout_param.dropout_ratio:g} must be 0 to 1")
    return Setup((bottoms[0],))


def _clip(layer: LayerParameter, bottoms: Sequence[Shape]) -> Setup:
    if not layer.HasField("clip_param"):
        raise refuse(layer, "give clip_param with min and max")
    return Setup((bottoms[0],))


def _softmax(layer: LayerParameter, bottoms: Sequence[Shape]) -> Setup:
    axis_of(layer, bottoms[0], layer.softmax_param.axis)
    return Setup((bottoms[0],))


def _lrn(layer: LayerParameter, bottoms: Sequence[Shape]) -> Setup:
    check_axes(layer, bottoms[0], 4, 4)
    if layer.lrn_param.local_size % 2 == 0 or layer.lrn_param.local_size > MAX_COUNT:
        raise refuse(layer, f"local_size {layer.lrn_param.local_size} must be odd")
    if not lrn_within_channel(layer):
        own_top(layer)
    return Setup((bottoms[0],))


def _mvn(layer: LayerParameter, bottoms: Sequence[Shape]) -> Setup:
    check_axes(layer, bottoms[0], 0, 4)
    return Setup(((*bottoms[0], 1, 1, 1, 1)[:4],))


def _power_base(base: float) -> bool:
    return base == -1 or 0 < base < inf


def _exp(layer: LayerParameter, bottoms: Sequence[Shape]) -> Setup:
    if not _power_base(layer.exp_param.base):
        raise refuse(layer, "base must be positive, or -1 for e")
    return Setup((bottoms[0],))


def _log(layer: LayerParameter, bottoms: Sequence[Shape]) -> Setup:
    base = layer.log_param.base
    if not _power_base(base) or base == 1:
        raise refuse(layer, "base must be positive and not 1, or -1 for e")
    return Setup((bottoms[0],))


def _prelu(layer: LayerParameter, bottoms: Sequence[Shape]) -> Setup:
    check_axes(layer, bottoms[0], 2, 4)
    slope = () if layer.prelu_param.channel_shared else (bottoms[0][1],)
    return Setup((bottoms[0],), (slope,))


def _eltwise(layer: LayerParameter, bottoms: Sequence[Shape]) -> Setup:
    param = layer.eltwise_param
    if param.coeff and len(param.coeff) != len(bottoms):
        raise refuse(layer, f"{len(param.coeff)} coeff for {len(bottoms)} bottoms; give none or one each")
    if param.coeff and param.operation == EltwiseParameter.PROD:
        raise refuse(layer, "coeff is for sums only, not for operation PROD")
    if param.operation != EltwiseParameter.PROD:
        own_top(layer)
    for index, shape in enumerate(bottoms):
        if shape != bottoms[0]:
            first, other = bottom_text(layer, bottoms, 0), bottom_text(layer, bottoms, index)
            raise refuse(layer, f"its bottoms {first} and {other} must have one shape")
    return Setup((bottoms[0],))


def _split(layer: LayerParameter, bottoms: Sequence[Shape]) -> Setup:
    return Setup((bottoms[0],) * len(layer.top))


def lrn_within_channel(layer: LayerParameter) -> bool:
    """Return whether an LRN sums over neighbours in space (lrn_layer.cpp builds it of five layers)."""
    return layer.lrn_param.norm_region == LRNParameter.WITHIN_CHANNEL


RULES = {
    "AbsVal": Rule(_not_in_place),
    "BNLL": Rule(_same),
    "Clip": Rule(_clip),
    "Dropout": Rule(_dropout),
    "ELU": Rule(_same),
    "Eltwise": Rule(_eltwise, bottoms=(2, None)),
    "Exp": Rule(_exp),
    "LRN": Rule(_lrn),
    "Log": Rule(_log),
    "MVN": Rule(_mvn),
    "PReLU": Rule(_prelu),
    "Power": Rule(_same),
    "ReLU": Rule(_same),
    "Sigmoid": Rule(_same),
    "Softmax": Rule(_softmax),
    "Split": Rule(_split, tops=(1, None)),
    "Swish": Rule(_same),
    "TanH": Rule(_same),
    "Threshold": Rule(_same),
}
