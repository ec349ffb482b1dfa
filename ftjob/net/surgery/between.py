"""The layers between a classifier and its softmax: left as they are, taken out, or refused.

A softmax can only be sure of a class whose score may grow without a bound above the others. So what counts of
the layers on the way is the range of numbers that a score still has after them.
"""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ftjob.errors import BadNetError
from ftjob.net.layers.rule import refuse
from ftjob.net.proto.caffe_pb2 import TEST, TRAIN, EltwiseParameter, LayerParameter, NetParameter, Phase
from ftjob.net.surgery.heads import Head
from ftjob.net.surgery.renew import is_constant
from ftjob.net.topology.backward import WITHOUT_GRADIENT
from ftjob.net.topology.graph import Graph, graph
from ftjob.net.topology.phases import phase_view

NEGLIGIBLE = 0.01
"""A loss that a net need not come below to be sure: e^-0.01 is a probability of 99 %."""
BOUNDED = frozenset({"Sigmoid", "Softmax", "TanH"})
"""Output activations that belong to losses of other kinds than a softmax."""


@dataclass(frozen=True)
class Range:
    """The numbers a class score may be."""

    low: float = -math.inf
    high: float = math.inf

    @property
    def width(self) -> float:
        return self.high - self.low if self.low != self.high else 0.0


@dataclass(frozen=True)
class Bridge:
    """The layers from a classifier to the softmax, or other loss, of its scores."""

    head: Head
    loss: str
    """Type of the loss; SoftmaxWithLoss where the net has none yet."""
    layers: tuple[LayerParameter, ...]
    """In the net's order."""


@dataclass(frozen=True)
class Cleared:
    """The heads after their ways to the losses were cleared."""

    heads: tuple[Head, ...]
    """As they were, with the blobs that their scores are in now."""
    done: tuple[str, ...]
    """What was taken out, a sentence each."""
    warnings: tuple[str, ...]
    """What was left, and what it costs, a sentence each."""


def clear_ways(net: NetParameter, heads: Iterable[Head], renewed: Collection[str], classes: int) -> Cleared:
    """Take out, in place, what keeps a softmax from being sure.

    `renewed` are the randomly initialised layers: only these were not trained together with what follows.
    Raises BadNetError for what cannot be trained through, or makes no scores of classes.
    """
    found, done, warnings = list(heads), [], []
    views = views_of(net)
    for place in range(len(found)):
        bridge = bridge_of(views, found[place])
        _refuse_hopeless(bridge)
        if loss_floor(bridge, classes) <= NEGLIGIBLE:
            continue
        bounded = [layer for layer in bridge.layers if layer.type in BOUNDED]
        if bounded and bridge.head.layer in renewed:
            blobs = _take_out(net, bounded)
            found = [replace(head, score=blobs.get(head.score, head.score)) for head in found]
            done += [_taken_out(layer, bridge, classes) for layer in bounded]
            views = views_of(net)
            bridge = bridge_of(views, found[place])
        if loss_floor(bridge, classes) > NEGLIGIBLE:
            warnings.append(_cost(bridge, classes))
    return Cleared(tuple(found), tuple(done), tuple(warnings))


def views_of(net: NetParameter) -> dict[Phase, Graph]:
    """Return the graph of a net in each phase."""
    return {phase: graph(phase_view(net, phase)) for phase in (TRAIN, TEST)}


def bridge_of(views: Mapping[Phase, Graph], head: Head) -> Bridge:
    """Return the layers between a head and its softmax."""
    view = views[TRAIN if head.loss else TEST]
    start = [index for index, layer in enumerate(view.layers) if layer.name == head.layer]
    end = _loss_of(view, head)
    if end is None:
        kind, target = "SoftmaxWithLoss", _last_maker(view, head.score)
    else:
        kind, target = view.layers[end].type, view.makers[end][0]
    # What the loss is computed from and the head leads to. A classifier may feed other layers too, and the
    # loss may read other scores: neither of these limits what this head can reach.
    way = sorted((view.upstream([target]) & view.downstream(start)) - set(start))
    if kind == "MultinomialLogisticLoss":
        softmaxes = [index for index in way if view.layers[index].type == "Softmax"]
        if softmaxes:  # the two together are SoftmaxWithLoss
            kind = "SoftmaxWithLoss"
            # Only the last Softmax belongs to the loss; one nested below it still bounds the scores.
            before = view.upstream(view.makers[softmaxes[-1]])
            way = [index for index in way if index in before]
    return Bridge(head, kind, tuple(view.layers[index] for index in way))


def loss_floor(bridge: Bridge, classes: int) -> float:
    """Return what the loss cannot fall below, in nats, whatever the head learns; 0 where it can reach 0."""
    scores = _scores(bridge, classes)
    if bridge.loss == "HingeLoss":  # max(0, 1 - right) + the sum of max(0, 1 + wrong)
        return max(0.0, 1 - scores.high) + (classes - 1) * max(0.0, 1 + scores.low)
    return math.log1p((classes - 1) * math.exp(-scores.width))


def _scores(bridge: Bridge, classes: int) -> Range:
    """The range of a score behind the bridge."""
    ranges: dict[str, Range] = {}
    result = Range()
    for layer in bridge.layers:
        result = _range_after(layer, [ranges.get(blob, Range()) for blob in layer.bottom], classes)
        ranges.update(dict.fromkeys(layer.top, result))
    return result


def _range_after(layer: LayerParameter, bottoms: Sequence[Range], classes: int) -> Range:
    if layer.type == "Eltwise":
        return _eltwise(layer, bottoms)
    if layer.type == "BatchNorm":
        # Of mean 0 and variance 1: a score that is high for 1/K of the images is sqrt(K - 1) there at best.
        return Range(-1 / math.sqrt(classes - 1), math.sqrt(classes - 1)) if classes > 1 else Range()
    rule = _RANGES.get(layer.type)
    return rule(layer, bottoms[0]) if rule else bottoms[0]


def _monotone(function: Callable[[float], float]) -> Callable[[LayerParameter, Range], Range]:
    return lambda _, scores: Range(function(scores.low), function(scores.high))


def _sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value)) if value >= 0 else math.exp(value) / (1 + math.exp(value))


def _softplus(value: float) -> float:
    return max(value, 0.0) + math.log1p(math.exp(-abs(value)))


def _relu(layer: LayerParameter, scores: Range) -> Range:
    slope = layer.relu_param.negative_slope
    ends = [value if value > 0 else slope * value if slope else 0.0 for value in (scores.low, scores.high)]
    return Range(*ends) if slope >= 0 else Range(min(0.0, *ends), max(ends))


def _elu(layer: LayerParameter, scores: Range) -> Range:
    low = scores.low if scores.low > 0 else layer.elu_param.alpha * math.expm1(scores.low)
    return Range(low, scores.high)


def _swish(layer: LayerParameter, scores: Range) -> Range:
    """x * sigmoid(beta * x): it falls to -0.2785 / beta, at -1.2785 / beta, and rises from there."""
    beta = layer.swish_param.beta
    if beta <= 0:
        return Range()
    ends = [0.0 if math.isinf(x) and x < 0 else x * _sigmoid(beta * x) for x in (scores.low, scores.high)]
    is_least_inside = scores.low <= -1.2785 / beta <= scores.high
    return Range(-0.2785 / beta if is_least_inside else min(ends), max(ends))


def _absolute(_: LayerParameter, scores: Range) -> Range:
    ends = abs(scores.low), abs(scores.high)
    return Range(0.0 if scores.low <= 0 <= scores.high else min(ends), max(ends))


def _clip(layer: LayerParameter, scores: Range) -> Range:
    low, high = layer.clip_param.min, layer.clip_param.max
    return Range(min(max(scores.low, low), high), min(max(scores.high, low), high))


def _affine(scores: Range, scale: float, shift: float) -> Range:
    if scale == 0:
        return Range(shift, shift)
    ends = sorted((scores.low * scale + shift, scores.high * scale + shift))
    return Range(*ends)


def _power(layer: LayerParameter, scores: Range) -> Range:
    """(shift + scale * x) ^ power."""
    param = layer.power_param
    inner = _affine(scores, param.scale, param.shift)
    if param.power == 1:
        return inner
    if inner.width == 0 or param.power == 0:
        return Range(0.0, 0.0)
    if inner.low < 0 and param.power != int(param.power):
        raise refuse(layer, f"scores may be negative, and a negative number ^ {param.power:g} is NaN")
    return Range(0.0 if inner.low >= 0 or param.power % 2 == 0 else -math.inf, math.inf)


def _exp(layer: LayerParameter, scores: Range) -> Range:
    param = layer.exp_param
    inner = _affine(scores, param.scale, param.shift)
    log_base = _log_of_base(layer, param.base)
    return Range(*(_exponential(end) for end in _ends(_affine(inner, log_base, 0.0))))


def _log_of_base(layer: LayerParameter, base: float) -> float:
    if base == -1:
        return 1.0
    if not 0 < base < math.inf:
        raise refuse(layer, "base must be positive, or -1 for e")
    return math.log(base)


def _exponential(value: float) -> float:
    return math.exp(value) if value < 700 else math.inf


def _ends(scores: Range) -> tuple[float, float]:
    return scores.low, scores.high


def _log(layer: LayerParameter, scores: Range) -> Range:
    param = layer.log_param
    inner = _affine(scores, param.scale, param.shift)
    if inner.low < 0:
        raise refuse(layer, "scores may be negative, and the log of a negative number is NaN: take it out")
    log_base = _log_of_base(layer, param.base)
    ends = [math.log(end) if 0 < end < math.inf else -math.inf if end == 0 else end for end in _ends(inner)]
    return _affine(Range(*ends), 1 / log_base if log_base else 0.0, 0.0)


def _prelu(_: LayerParameter, scores: Range) -> Range:
    return scores if scores.low >= 0 else Range(-math.inf, scores.high)


def _learned(layer: LayerParameter, scores: Range) -> Range:
    """A factor can become as large as it takes, unless it is a constant, 1 without a filler."""
    filler = layer.scale_param.filler
    if is_constant(layer, 0) and len(layer.bottom) == 1 and filler.type == "constant":
        return _affine(scores, filler.value if layer.scale_param.HasField("filler") else 1.0, 0.0)
    return Range() if scores.width else scores


def _eltwise(layer: LayerParameter, bottoms: Sequence[Range]) -> Range:
    param = layer.eltwise_param
    if param.operation == EltwiseParameter.MAX:
        return Range(max(each.low for each in bottoms), max(each.high for each in bottoms))
    if param.operation == EltwiseParameter.PROD:
        return Range()
    factors = list(param.coeff) or [1.0] * len(bottoms)
    if len(factors) != len(bottoms):  # which Caffe refuses, once shapes are inferred
        return Range()
    scaled = [_affine(each, factor, 0.0) for each, factor in zip(bottoms, factors, strict=True)]
    return Range(sum(each.low for each in scaled), sum(each.high for each in scaled))


_RANGES: Mapping[str, Callable[[LayerParameter, Range], Range]] = {
    "AbsVal": _absolute,
    "BNLL": _monotone(_softplus),
    "Bias": lambda _, scores: scores,
    "Clip": _clip,
    "ELU": _elu,
    "Exp": _exp,
    "Log": _log,
    "PReLU": _prelu,
    "Power": _power,
    "ReLU": _relu,
    "Scale": _learned,
    "Sigmoid": _monotone(_sigmoid),
    "Softmax": lambda _, scores: Range(0.0, 1.0),
    "Swish": _swish,
    "TanH": _monotone(math.tanh),
}
"""All other types that may follow a classifier (heads.PER_CLASS) leave the range as it is."""


def _loss_of(view: Graph, head: Head) -> int | None:
    """The layer that makes the head's loss; None where the net has none yet."""
    found = [index for index, layer in enumerate(view.layers) if head.loss and head.loss in layer.top]
    return found[-1] if found else None


def _last_maker(view: Graph, blob: str) -> int:
    return max(index for index, layer in enumerate(view.layers) if blob in layer.top)


def _refuse_hopeless(bridge: Bridge) -> None:
    for layer in bridge.layers:
        if layer.type in WITHOUT_GRADIENT:
            raise refuse(
                layer,
                f"it stands between {bridge.head.layer} and its loss, and Caffe computes no gradient through "
                "it: take it out",
            )
    if bridge.loss == "MultinomialLogisticLoss":
        raise BadNetError(
            f"the loss {bridge.head.loss} is a MultinomialLogisticLoss, which takes probabilities, and no "
            f"Softmax stands between it and {bridge.head.layer}: put one there, or make it SoftmaxWithLoss"
        )
    if bridge.layers and _scores(bridge, 2).width == 0:
        raise refuse(bridge.layers[-1], f"nothing of {bridge.head.layer}'s scores is left after it")


def _take_out(net: NetParameter, layers: Sequence[LayerParameter]) -> dict[str, str]:
    """Have whatever reads the tops of layers read their bottoms instead, and remove them, in place; return
    which blob is read instead of which."""
    gone = {(layer.name, layer.type, layer.top[0]) for layer in layers}
    instead: dict[str, str] = {}
    now: dict[str, str] = {}
    kept = []
    for layer in net.layer:
        layer.bottom[:] = [now.get(blob, blob) for blob in layer.bottom]
        if layer.top and (layer.name, layer.type, layer.top[0]) in gone:
            now[layer.top[0]] = instead[layer.top[0]] = layer.bottom[0]
            continue
        for place, blob in enumerate(layer.top):
            if now.get(blob) in layer.bottom:  # it works in place on what is read instead
                layer.top[place] = now[blob]
        now = {blob: other for blob, other in now.items() if blob not in layer.top}
        kept.append(layer)
    copies = [LayerParameter.FromString(layer.SerializeToString()) for layer in kept]
    del net.layer[:]
    net.layer.extend(copies)
    return instead


def _taken_out(layer: LayerParameter, bridge: Bridge, classes: int) -> str:
    alone = Bridge(bridge.head, bridge.loss, (layer,))
    return (
        f"layer {layer.name} ({layer.type}), between {bridge.head.layer} and its loss, is left out: with it "
        + _limits(alone, classes)
    )


def _cost(bridge: Bridge, classes: int) -> str:
    names = ", ".join(dict.fromkeys(f"{layer.name} ({layer.type})" for layer in bridge.layers))
    return f"base.net: with {names} between {bridge.head.layer} and its loss " + _limits(bridge, classes)


def _limits(bridge: Bridge, classes: int) -> str:
    floor = loss_floor(bridge, classes)
    limit = f"the loss cannot fall below {floor:.3g}"
    if bridge.loss == "HingeLoss":
        return limit
    return f"{limit}, and no probability of {classes} classes rise above {100 * math.exp(-floor):.3g} %"
