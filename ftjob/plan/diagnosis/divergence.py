"""Losses that are no numbers, or grew: a training that diverged."""

import math
import statistics
from collections.abc import Iterator

from ftjob.caffelog.progress import SATURATED_LOSS
from ftjob.plan.diagnosis.curves import SUM, Curves
from ftjob.plan.diagnosis.symptom import (
    ENOUGH_POINTS,
    LEARNED,
    Symptom,
    is_learned_in_tests,
    is_loss,
    lower_rate,
    mean_of,
    patch_rate,
    plain,
    shown,
)

GROWN = 100
"""A loss that ends at so many times its beginning (or 1) has grown, not wavered."""
LEAPT = 3
"""So many times ln K is a leap."""


def not_a_number(curves: Curves) -> Iterator[Symptom]:
    for point in curves.train:
        for blob, value in point.outputs.items():
            if not math.isfinite(value):
                yield diverged(
                    curves,
                    f"the loss is {plain(value)} from iteration {point.iteration} on",
                    "the training diverged",
                    "; if it starts that way, `ftjob data check` the labels and the mean",
                    shown(point, blob),
                )
                return


def tests_are_no_numbers(curves: Curves) -> Iterator[Symptom]:
    """What a TEST net puts out beside a training that is well: of the last test, for the first may be so."""
    for last in curves.test[1:][-1:]:
        losses = [blob for blob in last.outputs if blob in curves.losses or "loss" in blob]
        blob = next((blob for blob in losses if not math.isfinite(last.outputs[blob])), "")
        if blob:
            yield Symptom(
                f"{blob} is {plain(last.outputs[blob])} in tests, but the training loss is a number: "
                "something only the TEST net uses is wrong, such as the images of val, or a BatchNorm's "
                "statistics",
                "`ftjob data check` val, and check that use_global_stats is not set in TEST",
                "",
                shown(last, blob),
            )


def saturated(curves: Curves) -> Iterator[Symptom]:
    for blob, points in curves.series.items():
        at = next((at for at, point in enumerate(points) if _is_saturated(point.outputs[blob])), None)
        if at is None:
            continue
        rest = [point.outputs[blob] for point in points[at:]]
        if statistics.median(rest) > SATURATED_LOSS / 4:
            since = "from iteration {} on" if all(map(_is_saturated, rest)) else "at iteration {}"
            yield diverged(
                curves,
                f"the loss is {SATURATED_LOSS} {since.format(points[at].iteration)}",
                "-ln of the smallest float, so the right class has probability 0; the training diverged, or "
                "labels lie outside 0..num_output-1",
                "; `ftjob data check` finds wrong labels",
                shown(points[at], blob),
            )
            return


def _is_saturated(value: float) -> bool:
    return abs(value - SATURATED_LOSS) < 0.001


def grown(curves: Curves) -> Iterator[Symptom]:
    """A loss of any type that is a number still, and far larger than it was."""
    for blob, points in curves.series.items():
        if not (blob == SUM or blob in curves.losses or is_loss(blob, points)) or len(points) < ENOUGH_POINTS:
            continue
        first, last = points[0].outputs[blob], points[-1]
        late = [point.outputs[blob] for point in points[-(len(points) // 3) :]]
        if min(late) > GROWN * max(first, 1.0):
            what = f"the loss grows from {first:g} to {last.outputs[blob]:g} at iteration {last.iteration}"
            yield diverged(curves, what, "the training diverged", "", shown(last, blob))
            return


def above_chance(curves: Curves) -> Iterator[Symptom]:
    """A softmax that ends worse than a guess, and than it began."""
    for head in curves.heads:
        chance, late = math.log(head.num_output), mean_of(curves, head.loss)
        points = curves.series.get(head.loss, ())
        least = min((point.outputs[head.loss] for point in points[-(len(points) // 3) :]), default=0.0)
        if late is None or least <= max(1.5 * chance + 0.5, points[0].outputs[head.loss]):
            continue
        if is_learned_in_tests(curves, head):
            continue
        yield diverged(
            curves,
            f"the loss rose from {points[0].outputs[head.loss]:.3g} to about {late:.3g}, where guessing "
            f"among {head.num_output} classes gives {chance:.4g}",
            "the training diverged",
            "; if that changes nothing, `ftjob data check` the labels",
            shown(points[-1], head.loss),
        )
        return


def back_to_chance(curves: Curves, blob: str, chance: float) -> Iterator[Symptom]:
    """What a loss that ends at chance did before: it was lower, or it leapt."""
    points = curves.series[blob]
    values = [point.outputs[blob] for point in points]
    top = max(range(len(values)), key=values.__getitem__)
    lowest = min(map(statistics.fmean, zip(values, values[1:], values[2:], strict=False)))
    if values[top] > max(LEAPT * chance, values[0]):
        what, at = f"leapt to {values[top]:g} at iteration {points[top].iteration}", points[top]
    elif lowest < LEARNED * chance:
        what, at = f"fell to about {lowest:.3g}", points[-1]
    else:
        return
    why = "the training diverged, and left units that react to no image"
    yield diverged(curves, f"the loss {what} and has stayed at chance since", why, "", shown(at, blob))


def bad_weights(curves: Curves) -> Iterator[Symptom]:
    """What a `caffe test` shows of weights that a training left behind when it had diverged."""
    losses = [(blob, point) for point in curves.batches for blob in point.outputs if "loss" in blob]
    bad = [
        (blob, point)
        for blob, point in losses
        if not math.isfinite(point.outputs[blob]) or _is_saturated(point.outputs[blob])
    ]
    if bad and 2 * len(bad) > len(losses):
        blob, point = bad[0]
        yield Symptom(
            f"{blob} is {plain(point.outputs[blob])} in a test of these weights: the training that made them "
            "diverged, or mean, scale and labels of the images are not those of that training",
            "test an earlier snapshot, `ftjob data check` the images, and train again with a lower "
            "solver.base_lr",
            "",
            f"batch {point.iteration}: {blob} = {plain(point.outputs[blob])}",
        )


def diverged(curves: Curves, what: str, why: str, more: str, seen: str) -> Symptom:
    """The symptom of a training that diverged, with what made it diverge where that is known."""
    if curves.rises:
        return Symptom(
            f"{what}: lr_policy exp with a gamma above 1 raises the learning rate until a training diverges",
            "see with `ftjob tune lr` what the rates before that show, or give a solver.gamma below 1",
            "",
            seen,
        )
    if not curves.uncollected:
        return Symptom(f"{what}: {why}", lower_rate(curves) + more, patch_rate(curves, 0.1), seen)
    return Symptom(
        f"{what}: layer {curves.uncollected} has use_global_stats: true in training, but no loaded "
        "weights have its statistics, so it normalizes nothing",
        "start from weights that have them, or leave use_global_stats out",
        "base:\n  weights: ...",
        seen,
    )
