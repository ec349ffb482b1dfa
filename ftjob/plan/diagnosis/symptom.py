"""A symptom of a training that went wrong, and what symptoms are read from: levels of losses, rates."""

import math
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from ftjob.caffelog.progress import Point
from ftjob.net.surgery.heads import Head
from ftjob.plan.diagnosis.curves import SOFTMAX, SUM, Curves

ENOUGH_POINTS = 6
ENOUGH_ITERATIONS = 50
"""Before that a loss at ln K is only a beginning."""
LEARNED = 0.8
"""A loss below this share of ln K has learned something; an accuracy above it, most of it."""
_ACCURACY = re.compile(r"acc|top[-_@]?\d", re.I)
"""Names of accuracies; GoogLeNet's are loss3/top-1 and loss3/top-5."""


@dataclass(frozen=True)
class Symptom:
    """Something that curves show, its remedy, and what shows it."""

    cause: str
    fix: str
    patch: str
    seen: str


def is_accuracy(blob: str, points: Sequence[Point]) -> bool:
    """Whether an output is an accuracy, by its name or, where it has only a number, by its values."""
    if blob.startswith("score #"):
        return all(0 <= point.outputs[blob] <= 1 for point in points)
    return _ACCURACY.search(blob) is not None


def is_loss(blob: str, points: Sequence[Point]) -> bool:
    """Whether an output is a loss, in the same way."""
    if blob.startswith("score #"):
        return any(point.outputs[blob] > 1 for point in points)
    return "loss" in blob and not _ACCURACY.search(blob)


def level_of(curves: Curves, blob: str) -> float | None:
    """Where a training's loss is at its end; the median where there are too few points for more."""
    late = mean_of(curves, blob)
    points = curves.series.get(blob, ())
    if late is None and len(points) > 1 and points[-1].iteration >= ENOUGH_ITERATIONS:
        return statistics.median(point.outputs[blob] for point in points)
    return late


def mean_of(curves: Curves, blob: str, *, first: bool = False) -> float | None:
    """The mean of a blob over the last (or first) third of enough points; None where there are too few."""
    points = curves.series.get(blob, ())
    if len(points) < ENOUGH_POINTS or points[-1].iteration < ENOUGH_ITERATIONS:
        return None
    third = len(points) // 3
    return statistics.fmean(point.outputs[blob] for point in (points[:third] if first else points[-third:]))


def is_learned_in_tests(curves: Curves, head: Head) -> bool:
    """Whether a head is better than a guess in its last test, whatever its batches make of the training loss:
    few images, augmentation and dropout raise that."""
    points = curves.tests.get(head.loss, ())[1:]
    return bool(points) and points[-1].outputs[head.loss] < LEARNED * math.log(head.num_output)


def shown(point: Point, blob: str) -> str:
    """The evidence: an output at an iteration."""
    return f"iteration {point.iteration}: {blob} = {plain(point.outputs[blob])}"


def plain(value: float) -> str:
    """A number in few digits; NaN has no sign that means anything."""
    return "nan" if math.isnan(value) else f"{value:g}"


def lower_rate(curves: Curves) -> str:
    """The remedy for a training that diverged."""
    if not curves.base_lr:
        return "lower solver.base_lr to a tenth"
    return f"lower solver.base_lr from {curves.base_lr:g} to {curves.base_lr / 10:g}"


def patch_rate(curves: Curves, factor: float) -> str:
    """The change to the spec that multiplies the learning rate."""
    if not curves.base_lr:
        return f"solver:\n  base_lr: ...   # {'a tenth' if factor < 1 else 'ten times'} of it"
    return f"solver:\n  base_lr: {curves.base_lr * factor:g}"


def is_softmax(curves: Curves, blob: str) -> bool:
    """Whether an output is the loss of a softmax; where the net is not known, whether it may be."""
    if blob == SUM:
        return set(curves.losses.values()) == {SOFTMAX}
    return curves.losses.get(blob) == SOFTMAX if curves.losses else "loss" in blob
