"""What losses and accuracies reveal about a training that went wrong."""

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ftjob.caffelog.progress import SATURATED_LOSS, Point
from ftjob.net.surgery.heads import Head
from ftjob.plan.diagnosis.curves import SOFTMAX, SQUASHED, SUM, Curves

ENOUGH_POINTS = 6
ENOUGH_ITERATIONS = 50
"""Before that a loss at ln K is only a beginning."""
NEAR = 0.03
"""How near to ln K, or to its own beginning above that, a loss must stay, as a share of ln K."""
LEARNED = 0.8
"""A loss below this share of ln K has learned something; an accuracy above it, most of it."""
NEAR_CHANCE = 0.3
"""How near to 1/K an accuracy must stay, as a share of it."""
BY_HEART = 0.1
"""A training loss below this share of ln K, or this where K is not known, has nothing left to learn."""
ROUNDING = 1e-4
"""How far below zero a loss may be by the rounding of floats."""


@dataclass(frozen=True)
class Symptom:
    """Something that curves show, its remedy, and what shows it."""

    cause: str
    fix: str
    patch: str
    seen: str


def curve_symptoms(curves: Curves) -> Iterator[Symptom]:
    """Yield what the curves show, what is most certain first."""
    looks: tuple[Callable[[Curves], Iterator[Symptom]], ...] = (
        _not_a_number,
        _tests_are_no_numbers,
        _saturated,
        _negative,
        _absurd_start,
        _test_at_chance,
        _zero,
        _flat,
        _stays_at_start,
    )
    for look in looks:
        yield from look(curves)


def _not_a_number(curves: Curves) -> Iterator[Symptom]:
    for point in curves.train:
        for blob, value in point.outputs.items():
            if not math.isfinite(value):
                yield _diverged(
                    curves,
                    f"the loss is {_plain(value)} from iteration {point.iteration} on",
                    "the training diverged",
                    "; if it starts that way, `ftjob data check` the labels and the mean",
                    _shown(point, blob),
                )
                return


def _tests_are_no_numbers(curves: Curves) -> Iterator[Symptom]:
    """What a TEST net puts out beside a training that is well: of the last test, for the first may be so."""
    for last in curves.test[1:][-1:]:
        losses = [blob for blob in last.outputs if blob in curves.losses or "loss" in blob]
        blob = next((blob for blob in losses if not math.isfinite(last.outputs[blob])), "")
        if blob:
            yield Symptom(
                f"{blob} is {_plain(last.outputs[blob])} in tests, but the training loss is a number: "
                "something only the TEST net uses is wrong, such as the images of val, or a BatchNorm's "
                "statistics",
                "`ftjob data check` val, and check that use_global_stats is not set in TEST",
                "",
                _shown(last, blob),
            )


def _saturated(curves: Curves) -> Iterator[Symptom]:
    for blob, points in curves.series.items():
        at = next((at for at, point in enumerate(points) if _is_saturated(point.outputs[blob])), None)
        if at is None:
            continue
        rest = [point.outputs[blob] for point in points[at:]]
        if statistics.median(rest) > SATURATED_LOSS / 4:
            since = "from iteration {} on" if all(map(_is_saturated, rest)) else "at iteration {}"
            yield _diverged(
                curves,
                f"the loss is {SATURATED_LOSS} {since.format(points[at].iteration)}",
                "-ln of the smallest float: the right class has probability 0, so the training diverged, or "
                "labels lie outside 0..num_output-1",
                "; `ftjob data check` finds wrong labels",
                _shown(points[at], blob),
            )
            return


def _is_saturated(value: float) -> bool:
    return abs(value - SATURATED_LOSS) < 0.001


def _diverged(curves: Curves, what: str, why: str, more: str, seen: str) -> Symptom:
    if curves.rises:
        return Symptom(
            f"{what}: lr_policy exp with a gamma above 1 raises the learning rate until a training diverges",
            "see with `ftjob tune lr` what the rates before that show, or give a solver.gamma below 1",
            "",
            seen,
        )
    if not curves.uncollected:
        joint = ", " if why.startswith("-ln") else ": "
        return Symptom(f"{what}{joint}{why}", _lower(curves) + more, _patch_lr(curves, 0.1), seen)
    return Symptom(
        f"{what}: layer {curves.uncollected} has use_global_stats: true in training, but no loaded "
        "weights have its statistics, so it normalizes nothing",
        "start from weights that have them, or leave use_global_stats out",
        "base:\n  weights: ...",
        seen,
    )


def _negative(curves: Curves) -> Iterator[Symptom]:
    """A softmax's loss is never below zero; a GPU that reads past the scores can return anything."""
    for point in (*curves.train, *curves.test):
        for blob, value in point.outputs.items():
            if value < -ROUNDING and _is_softmax(curves, blob):
                yield Symptom(
                    f"the loss is {value:g} at iteration {point.iteration}, and a softmax loss is never "
                    "negative: labels lie outside 0..num_output-1, so it reads past the scores",
                    "`ftjob data check` finds wrong labels: they count from 0, and num_output is one more "
                    "than the largest",
                    "surgery:\n  num_output: auto",
                    _shown(point, blob),
                )
                return


def _zero(curves: Curves) -> Iterator[Symptom]:
    """Where there are several classes, no training gets rid of all loss at once."""
    for blob, points in curves.series.items():
        at = next((at for at, point in enumerate(points[:2]) if point.outputs[blob] == 0), None)
        if at is None or not _is_softmax(curves, blob):
            continue
        zeros = [point.outputs[blob] == 0 for point in points[at:]]
        if len(zeros) > 1 and sum(zeros) >= 0.9 * len(zeros):
            yield Symptom(
                f"the loss is 0 from iteration {points[at].iteration} on: there is nothing to learn, "
                "as when all records have one label, or none",
                "`ftjob data check` counts the labels; a list of images needs a label on each line",
                "",
                _shown(points[at], blob),
            )
            return


def _absurd_start(curves: Curves) -> Iterator[Symptom]:
    """A fresh head of K classes starts near ln K; far above it its labels are not among its classes."""
    for head in curves.heads:
        chance = math.log(head.num_output)
        points = curves.series.get(head.loss)
        if not points or points[0].iteration > 1 or points[0].outputs[head.loss] <= 3 * chance + 3:
            continue
        if not _went_well(curves, head):
            first = points[0].outputs[head.loss]
            yield Symptom(
                f"the very first loss of {head.layer} is {first:.4g}, where {head.num_output} classes start "
                f"at ln {head.num_output} = {chance:.4g}: labels lie outside 0..{head.num_output - 1}, or "
                "the images are not scaled as the weights expect",
                "`ftjob data check` finds wrong labels; mean and scale must be those of the weights",
                "surgery:\n  num_output: auto",
                _shown(points[0], head.loss),
            )


def _went_well(curves: Curves, head: Head) -> bool:
    """Whether a head has learned in the end all that there is to learn, however it began."""
    late, chance = _mean(curves, head.loss), math.log(head.num_output)
    if late is None or late > LEARNED * chance:
        return False
    right = [points[-1].outputs[blob] for blob, points in curves.tests.items() if _is_accuracy(blob, points)]
    return late < BY_HEART * chance or any(value > LEARNED for value in right)


def _test_at_chance(curves: Curves) -> Iterator[Symptom]:
    """The loss falls in training, and in tests the accuracy stays at chance, or below it."""
    main = next((head for head in curves.heads if head.main), None)
    classes = main.num_output if main else _classes_at_start(curves)
    if classes < 2:
        return
    late = _level(curves, main.loss if main else "loss")
    if late is None or late > (LEARNED if main else BY_HEART) * math.log(classes):
        return
    wrong = _mean_of_tests(curves, main.loss if main else "")
    for blob, points in curves.tests.items():
        values = [point.outputs[blob] for point in points][1:]
        chance = (1 + NEAR_CHANCE) / classes
        if len(values) < 2 or not _is_accuracy(blob, points) or any(value >= chance for value in values):
            continue
        shown = f"{blob} = {', '.join(f'{value:.3g}' for value in values[-3:])}"
        if wrong is not None and wrong > math.log(classes):
            yield _by_heart(curves, f"{blob} stays at chance, 1/{classes}", late, wrong, shown)
        elif main:
            yield _reads_another(main, blob, shown)
        return


def _by_heart(curves: Curves, what: str, train: float, test: float, seen: str) -> Symptom:
    norm = ", or BatchNorm uses other statistics in TEST than in TRAIN" if curves.batch_norm else ""
    return Symptom(
        f"the loss falls to {train:.3g} in training and is {test:.3g} in tests, where {what}: the training "
        "data was memorized, because records are sorted by class (Caffe does not shuffle them) or few, for "
        f"example; or val is another kind of data, or numbers its classes differently{norm}",
        "build train and val in one go with `ftjob data build`, which shuffles (convert_imageset: "
        "-shuffle), and compare them with `ftjob data check`",
        "",
        seen,
    )


def _reads_another(main: Head, blob: str, seen: str) -> Symptom:
    return Symptom(
        f"the loss of {main.layer} falls, but {blob} stays at 1/{main.num_output}, which is chance: it reads "
        "a layer other than the one that learns, or val numbers its classes differently",
        "let ftjob put the accuracy on the head (surgery.heads: auto), and build train and val in one go",
        "surgery:\n  heads: auto",
        seen,
    )


def _classes_at_start(curves: Curves) -> int:
    """How many classes K the loss of a test before any training, ln K, reveals; 0 where it reveals none."""
    start = curves.test[0] if curves.test and curves.test[0].iteration == 0 else None
    losses = (
        [value for blob, value in start.outputs.items() if _is_loss(blob, curves.tests[blob])]
        if start
        else []
    )
    if len(losses) != 1 or not 0.5 < losses[0] < 12:
        return 0
    classes = math.exp(losses[0])
    return round(classes) if abs(classes - round(classes)) < 0.1 * classes else 0


def _is_accuracy(blob: str, points: Sequence[Point]) -> bool:
    """Whether an output is an accuracy, by its name or, where it has only a number, by its values."""
    if blob.startswith("score #"):
        return all(0 <= point.outputs[blob] <= 1 for point in points)
    return "acc" in blob


def _is_loss(blob: str, points: Sequence[Point]) -> bool:
    if blob.startswith("score #"):
        return any(point.outputs[blob] > 1 for point in points)
    return "loss" in blob


def _mean_of_tests(curves: Curves, loss: str) -> float | None:
    """The mean loss of the tests but the first: that of a head, else of the only one there is."""
    blobs = (
        [loss]
        if loss in curves.tests
        else [each for each, found in curves.tests.items() if _is_loss(each, found)]
    )
    values = [point.outputs[blobs[0]] for point in curves.tests[blobs[0]][1:]] if len(blobs) == 1 else []
    return statistics.fmean(values) if values else None


def _stays_at_start(curves: Curves) -> Iterator[Symptom]:
    """The same where the net is not known: the loss and the accuracy both stay where the first test was."""
    classes = 0 if curves.losses else _classes_at_start(curves)
    late = _mean(curves, "loss")
    if classes < 2 or late is None or not _is_flat(late, late, math.log(classes)):
        return
    for blob, points in curves.tests.items():
        values = [point.outputs[blob] for point in points]
        if _is_accuracy(blob, points) and max(values) < (1 + NEAR_CHANCE) / classes:
            shown = f"loss stays at {late:.4g}, and ln {classes} is {math.log(classes):.4g}"
            yield _nothing_learns(classes, curves, shown)
            return


def _flat(curves: Curves) -> Iterator[Symptom]:
    """Heads whose loss stays at ln K, or above it where it began: all of them, or some while others learn."""
    early = {head.layer: _mean(curves, head.loss, first=True) for head in curves.heads}
    late = {head.layer: _mean(curves, head.loss) for head in curves.heads}
    chance = {head.layer: math.log(head.num_output) for head in curves.heads}
    flat = [name for name in late if _is_flat(early[name], late[name], chance[name])]
    learning = [name for name, loss in late.items() if loss and loss < LEARNED * chance[name]]
    for head in curves.heads:
        if head.layer in flat:
            level = chance[head.layer]
            shown = f"{head.loss} stays at {late[head.layer]:.4g}, and ln {head.num_output} is {level:.4g}"
            if curves.lr_mults.get(head.layer) == 0:
                yield _frozen_head(head, shown)
            elif learning:
                yield _missing_head(head, learning, shown)
            elif head.layer in curves.squashed:
                yield _squashed_head(head, curves.squashed[head.layer], shown)
            else:
                yield _nothing_learns(head.num_output, curves, shown)


def _is_flat(early: float | None, late: float | None, chance: float) -> bool:
    if early is None or late is None:
        return False
    stays = late > chance and abs(late - early) < NEAR * chance
    return stays or abs(late - chance) < NEAR * chance


def _frozen_head(head: Head, seen: str) -> Symptom:
    return Symptom(
        f"head {head.layer} is frozen: its lr_mult is 0, so its loss stays at chance",
        "let surgery rename it, which gives it a rate, or take it out of surgery.freeze",
        "surgery:\n  heads: auto\n  head_lr_mult: 10",
        seen,
    )


def _missing_head(head: Head, learning: Sequence[str], seen: str) -> Symptom:
    return Symptom(
        f"head {head.layer} is not learning while {', '.join(learning)} is: its loss stays at chance",
        "rename and relearn every head, not just some: a head that is copied, or has no rate, predicts the "
        "old classes",
        "surgery:\n  heads: auto\n  head_lr_mult: 10",
        seen,
    )


def _squashed_head(head: Head, kind: str, seen: str) -> Symptom:
    floor = math.log1p((head.num_output - 1) * math.exp(-SQUASHED[kind]))
    return Symptom(
        f"nothing is learned: {kind} is between {head.layer} and its loss, which has its own "
        f"softmax, so the loss cannot fall below {floor:.3g} and passes almost nothing back",
        f"remove {kind}: let the loss read the scores of {head.layer}",
        "",
        seen,
    )


def _nothing_learns(classes: int, curves: Curves, seen: str) -> Symptom:
    higher = f" from {curves.base_lr:g} to {curves.base_lr * 10:g}" if curves.base_lr else ""
    return Symptom(
        f"nothing is learned: the loss stays at chance, near ln {classes} for {classes} classes",
        f"raise solver.base_lr{higher}, freeze less, and check that the labels match the images "
        "(`ftjob data check --sheet`)",
        _patch_lr(curves, 10),
        seen,
    )


def _level(curves: Curves, blob: str) -> float | None:
    """Where a training's loss is at its end; the median where there are too few points for more."""
    late = _mean(curves, blob)
    points = curves.series.get(blob, ())
    if late is None and len(points) > 1 and points[-1].iteration >= ENOUGH_ITERATIONS:
        return statistics.median(point.outputs[blob] for point in points)
    return late


def _mean(curves: Curves, blob: str, *, first: bool = False) -> float | None:
    """The mean of a blob over the last (or first) third of enough points; None where there are too few."""
    points = curves.series.get(blob, ())
    if len(points) < ENOUGH_POINTS or points[-1].iteration < ENOUGH_ITERATIONS:
        return None
    third = len(points) // 3
    return statistics.fmean(point.outputs[blob] for point in (points[:third] if first else points[-third:]))


def _shown(point: Point, blob: str) -> str:
    return f"iteration {point.iteration}: {blob} = {_plain(point.outputs[blob])}"


def _plain(value: float) -> str:
    """A number in few digits; NaN has no sign that means anything."""
    return "nan" if math.isnan(value) else f"{value:g}"


def _lower(curves: Curves) -> str:
    if not curves.base_lr:
        return "lower solver.base_lr to a tenth"
    return f"lower solver.base_lr from {curves.base_lr:g} to {curves.base_lr / 10:g}"


def _patch_lr(curves: Curves, factor: float) -> str:
    if not curves.base_lr:
        return f"solver:\n  base_lr: ...   # {'a tenth' if factor < 1 else 'ten times'} of it"
    return f"solver:\n  base_lr: {curves.base_lr * factor:g}"


def _is_softmax(curves: Curves, blob: str) -> bool:
    """Whether an output is the loss of a softmax; where the net is not known, whether it may be."""
    if blob == SUM:
        return set(curves.losses.values()) == {SOFTMAX}
    return curves.losses.get(blob) == SOFTMAX if curves.losses else "loss" in blob
