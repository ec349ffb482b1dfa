"""The losses and accuracies of a training, and what is known of the net that has them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

from ftjob.caffelog.progress import LoggedProgress, Point
from ftjob.errors import BadNetError
from ftjob.net.proto.caffe_pb2 import TRAIN, LossParameter, NetParameter
from ftjob.net.surgery.heads import Head, find_heads, trace
from ftjob.net.topology.graph import graph
from ftjob.net.topology.params import param_specs
from ftjob.net.topology.phases import phase_view

SOFTMAX = "SoftmaxWithLoss"
SUM = "sum of losses"
"""How that is called among the outputs, where it stands for them."""
SQUASHED = {"Softmax": 1.0, "Sigmoid": 1.0, "TanH": 2.0}
"""Types whose outputs differ by so much at most: scores behind them cannot distinguish classes."""


@dataclass(frozen=True)
class Curves:
    """The points of a training, and what is known of its net and solver."""

    train: tuple[Point, ...]
    test: tuple[Point, ...]
    batches: tuple[Point, ...]
    """Of a `caffe test`, which tests given weights."""
    heads: tuple[Head, ...]
    """Those with a softmax loss per image, which chance puts at ln K. Other losses may begin anywhere."""
    losses: Mapping[str, str]
    """The blobs of all losses → their layers' types; empty where the net is not known."""
    top_k: Mapping[str, int]
    """The top_k of each Accuracy, by its blob."""
    lr_mults: Mapping[str, float]
    """The largest lr_mult of each head's params."""
    squashed: Mapping[str, str]
    """The type of SQUASHED that stands between a head and its loss, for heads that have one."""
    uncollected: str
    """A BatchNorm that uses statistics which no training has collected; empty where there is none."""
    batch_norm: bool
    """Whether the net normalizes by statistics that it collects for tests."""
    base_lr: float
    """0 where it is not known."""
    rises: bool
    """Whether the policy raises the rate for as long as the training lasts."""

    @classmethod
    def of(cls, progress: LoggedProgress) -> Self:
        """Return the curves of a log or a run; an incomplete net adds nothing to them."""
        try:
            return cls._of(progress, progress.net)
        except BadNetError:
            return cls._of(progress, NetParameter())

    @classmethod
    def _of(cls, progress: LoggedProgress, net: NetParameter) -> Self:
        heads, losses = _heads(net), _losses(net)
        return cls(
            tuple(_with_total(point, losses) for point in progress.train),
            progress.test,
            progress.batches,
            heads,
            losses,
            {layer.top[0]: layer.accuracy_param.top_k for layer in net.layer if layer.type == "Accuracy"},
            {head.layer: _lr_mult(net, head.layer) for head in heads},
            _squashed(net, heads),
            "" if progress.pretrained else _fixed_batch_norm(net),
            any(layer.type == "BatchNorm" for layer in net.layer),
            progress.solver.base_lr,
            progress.solver.lr_policy == "exp" and progress.solver.gamma > 1,
        )

    @cached_property
    def series(self) -> Mapping[str, Sequence[Point]]:
        """The points of the training that have an output, by its blob."""
        return _by_blob(self.train)

    @cached_property
    def tests(self) -> Mapping[str, Sequence[Point]]:
        """The same of the tests."""
        return _by_blob(self.test)


def _by_blob(points: Sequence[Point]) -> dict[str, list[Point]]:
    """The points that have an output, by its blob."""
    found: dict[str, list[Point]] = {}
    for point in points:
        for blob in point.outputs:
            found.setdefault(blob, []).append(point)
    return found


def _with_total(point: Point, losses: Mapping[str, str]) -> Point:
    """A point with the sum of the losses among its outputs, where it has no others or that alone is NaN."""
    if point.loss is None or (point.outputs and math.isfinite(point.loss)):
        return point
    if point.outputs or len(losses) > 1:
        return replace(point, outputs={**point.outputs, SUM: point.loss})
    return replace(point, outputs={next(iter(losses), "loss"): point.loss})


def _losses(net: NetParameter) -> dict[str, str]:
    """The blobs of the losses, and the types of their layers."""
    return {
        layer.top[0]: layer.type
        for layer in phase_view(net, TRAIN).layer
        if layer.top and (layer.type.endswith("Loss") or any(layer.loss_weight))
    }


def _heads(net: NetParameter) -> tuple[Head, ...]:
    """The classifiers whose loss is that of a softmax, per image; none where the net is none on its own."""
    per_image = {
        layer.top[0]
        for layer in net.layer
        if layer.type == SOFTMAX and layer.top and _is_per_image(layer.loss_param)
    }
    return tuple(head for head in find_heads(net) if head.loss in per_image and head.num_output > 1)


def _is_per_image(loss: LossParameter) -> bool:
    """Whether a loss is a mean: else it grows with the images and places that it is summed over."""
    whole = loss.normalization in (LossParameter.FULL, LossParameter.VALID)
    return whole and (loss.normalize or not loss.HasField("normalize"))


def _squashed(net: NetParameter, heads: Sequence[Head]) -> dict[str, str]:
    """For the heads that have one: the type of a layer behind which scores differ but little."""
    train = graph(phase_view(net, TRAIN))
    found: dict[str, str] = {}
    for head in heads:
        ends = [at for at, layer in enumerate(train.layers) if head.loss in layer.top]
        kinds = (train.layers[at].type for end in ends for at in trace(train, end)[1])
        for kind in SQUASHED.keys() & set(kinds):
            found[head.layer] = kind
    return found


def _fixed_batch_norm(net: NetParameter) -> str:
    """The first BatchNorm that uses its collected statistics in training, or ""."""
    names = (
        layer.name
        for layer in phase_view(net, TRAIN).layer
        if layer.type == "BatchNorm" and layer.batch_norm_param.use_global_stats
    )
    return next(names, "")


def _lr_mult(net: NetParameter, name: str) -> float:
    layer = next(layer for layer in net.layer if layer.name == name)
    return max((spec.lr_mult for spec in param_specs(layer)), default=1.0)
