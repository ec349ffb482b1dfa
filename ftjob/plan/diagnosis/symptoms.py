"""What losses and accuracies reveal about a training that went wrong."""

import math
import statistics
from collections.abc import Callable, Iterator, Sequence

from ftjob.net.surgery.heads import Head
from ftjob.plan.diagnosis.curves import SQUASHED, Curves
from ftjob.plan.diagnosis.divergence import (
    above_chance,
    back_to_chance,
    bad_weights,
    grown,
    not_a_number,
    saturated,
    tests_are_no_numbers,
)
from ftjob.plan.diagnosis.symptom import (
    ENOUGH_ITERATIONS,
    LEARNED,
    Symptom,
    is_accuracy,
    is_learned_in_tests,
    is_loss,
    is_softmax,
    level_of,
    mean_of,
    patch_rate,
    shown,
)

NEAR = 0.03
"""How near to ln K, or to its own beginning above that, a loss must stay, as a share of ln K."""
NEAR_CHANCE = 0.3
"""How near to 1/K an accuracy must stay, as a share of it."""
BY_HEART = 0.1
"""A training loss below this share of ln K, or this where K is not known, has nothing left to learn."""
ENOUGH_TESTS = 4
"""So many tests in a row do not have the same accuracy by chance, while a net learns."""
WRONG_LABELS = (
    "`ftjob data check` finds wrong labels: they count from 0, and num_output is one more than the largest"
)
ROUNDING = 1e-4
"""How far below zero a loss may be by the rounding of floats."""


def curve_symptoms(curves: Curves) -> Iterator[Symptom]:
    """Yield what the curves show, what is most certain first."""
    looks: tuple[Callable[[Curves], Iterator[Symptom]], ...] = (
        not_a_number,
        tests_are_no_numbers,
        saturated,
        bad_weights,
        grown,
        _negative,
        _absurd_start,
        _some_labels_outside,
        above_chance,
        _test_at_chance,
        _zero,
        _flat,
        _stays_at_start,
        _tests_stay_at_chance,
        _same_answer,
    )
    for look in looks:
        yield from look(curves)


def _negative(curves: Curves) -> Iterator[Symptom]:
    """A softmax's loss is never below zero; a GPU that reads past the scores can return anything."""
    for point in (*curves.train, *curves.test):
        for blob, value in point.outputs.items():
            if value < -ROUNDING and is_softmax(curves, blob):
                yield Symptom(
                    f"the loss is {value:g} at iteration {point.iteration}, and a softmax loss is never "
                    "negative: labels lie outside 0..num_output-1, so it reads past the scores",
                    WRONG_LABELS,
                    "surgery:\n  num_output: auto",
                    shown(point, blob),
                )
                return


def _zero(curves: Curves) -> Iterator[Symptom]:
    """Where there are several classes, no training gets rid of all loss at once."""
    for blob, points in curves.series.items():
        at = next((at for at, point in enumerate(points[:2]) if point.outputs[blob] == 0), None)
        if at is None or not is_softmax(curves, blob):
            continue
        zeros = [point.outputs[blob] == 0 for point in points[at:]]
        if len(zeros) > 1 and sum(zeros) >= 0.9 * len(zeros):
            yield Symptom(
                f"the loss is 0 from iteration {points[at].iteration} on: there is nothing to learn, "
                "as when all records have one label, or none",
                "`ftjob data check` counts the labels; a list of images needs a label on each line",
                "",
                shown(points[at], blob),
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
                shown(points[0], head.loss),
            )


def _some_labels_outside(curves: Curves) -> Iterator[Symptom]:
    """A GPU takes 0, or another image's number, for the probability of a label that it has no score for: each
    such record keeps the loss high, and the others are learned."""
    for head in curves.heads:
        chance, late = math.log(head.num_output), mean_of(curves, head.loss)
        points = curves.series.get(head.loss, ())
        right = _right_in_tests(curves, head)
        if late is None or late < chance or points[0].iteration > 1 or not right:
            continue
        first = points[0].outputs[head.loss]
        if first > 1.5 * chance + 0.5 and not _still_falls(curves, head.loss):
            yield Symptom(
                f"the first loss of {head.layer} is {first:.4g}, and it stays above ln {head.num_output} = "
                f"{chance:.4g} although {right[0][0]} is {right[0][1]:.3g}: some labels lie outside "
                f"0..{head.num_output - 1}, or some images are unlike the rest",
                WRONG_LABELS,
                "surgery:\n  num_output: auto",
                shown(points[-1], head.loss),
            )


def _still_falls(curves: Curves, blob: str) -> bool:
    """Whether a loss is lower in the last sixth of its points than in the sixth before."""
    values = [point.outputs[blob] for point in curves.series[blob]]
    sixth = max(len(values) // 6, 2)
    return statistics.fmean(values[-sixth:]) < 0.9 * statistics.fmean(values[-2 * sixth : -sixth])


def _right_in_tests(curves: Curves, head: Head) -> list[tuple[str, float]]:
    """The top-1 accuracies that end above twice chance, each with its value; top-5 is that high at chance."""
    last = [
        (blob, points[-1].outputs[blob])
        for blob, points in curves.tests.items()
        if is_accuracy(blob, points) and curves.top_k.get(blob, 1) == 1
    ]
    return [(blob, value) for blob, value in last if value > min(LEARNED, 2 / head.num_output)]


def _went_well(curves: Curves, head: Head) -> bool:
    """Whether a head has learned in the end all that there is to learn, however it began."""
    late, chance = mean_of(curves, head.loss), math.log(head.num_output)
    if late is None or late > LEARNED * chance:
        return False
    return late < BY_HEART * chance or bool(_right_in_tests(curves, head))


def _test_at_chance(curves: Curves) -> Iterator[Symptom]:
    """The loss falls in training, and in tests the accuracy stays at chance, or below it."""
    main = next((head for head in curves.heads if head.main), None)
    classes = main.num_output if main else _classes_at_start(curves)
    if classes < 2:
        return
    late = level_of(curves, main.loss if main else "loss")
    if late is None or late > (LEARNED if main else BY_HEART) * math.log(classes):
        return
    wrong = _mean_of_tests(curves, main.loss if main else "")
    for blob, points in curves.tests.items():
        values = [point.outputs[blob] for point in points][1:]
        chance = (1 + NEAR_CHANCE) / classes
        if len(values) < 2 or not is_accuracy(blob, points) or any(value >= chance for value in values):
            continue
        seen = f"{blob} = {', '.join(f'{value:.3g}' for value in values[-3:])}"
        if wrong is not None and wrong > math.log(classes):
            yield _by_heart(curves, f"{blob} stays at chance, 1/{classes}", late, wrong, seen)
        elif main:
            yield _reads_another(main, blob, seen)
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
        [value for blob, value in start.outputs.items() if is_loss(blob, curves.tests[blob])] if start else []
    )
    if len(losses) != 1 or not 0.5 < losses[0] < 12:
        return 0
    classes = math.exp(losses[0])
    return round(classes) if abs(classes - round(classes)) < 0.1 * classes else 0


def _mean_of_tests(curves: Curves, loss: str) -> float | None:
    """The mean loss of the tests but the first: that of a head, else of the only one there is."""
    blobs = (
        [loss]
        if loss in curves.tests
        else [each for each, found in curves.tests.items() if is_loss(each, found)]
    )
    values = [point.outputs[blobs[0]] for point in curves.tests[blobs[0]][1:]] if len(blobs) == 1 else []
    return statistics.fmean(values) if values else None


def _stays_at_start(curves: Curves) -> Iterator[Symptom]:
    """The same where the net is not known: the loss and the accuracy both stay where the first test was."""
    classes = 0 if curves.losses else _classes_at_start(curves)
    late = mean_of(curves, "loss")
    if classes < 2 or late is None or not _is_flat(late, late, math.log(classes)):
        return
    for blob, points in curves.tests.items():
        values = [point.outputs[blob] for point in points]
        if is_accuracy(blob, points) and max(values) < (1 + NEAR_CHANCE) / classes:
            seen = f"loss stays at {late:.4g}, and ln {classes} is {math.log(classes):.4g}"
            yield _nothing_learns(classes, curves, seen)
            return


def _tests_stay_at_chance(curves: Curves) -> Iterator[Symptom]:
    """The same of tests alone, where no loss of the training is displayed."""
    main = next((head for head in curves.heads if head.main), None)
    classes = main.num_output if main else _classes_at_start(curves)
    last = _mean_of_tests(curves, main.loss if main else "")
    if curves.train or classes < 2 or last is None or curves.test[-1].iteration < ENOUGH_ITERATIONS:
        return
    if len(curves.test) > 2 and _is_flat(last, last, math.log(classes)):
        seen = f"loss is {last:.4g} in tests, and ln {classes} is {math.log(classes):.4g}"
        yield _nothing_learns(classes, curves, seen)


def _same_answer(curves: Curves) -> Iterator[Symptom]:
    """Tests that never change, beside a loss that does not fall: every image gets one class, the largest."""
    main = next((head for head in curves.heads if head.main), None)
    loss = main.loss if main else "loss"
    early, late = mean_of(curves, loss, first=True), mean_of(curves, loss)
    if early is None or late is None or late < BY_HEART or abs(late - early) > NEAR * late:
        return
    tested = _mean_of_tests(curves, loss)
    least = late if tested is None else min(late, tested)
    for blob, points in curves.tests.items():
        values = [point.outputs[blob] for point in points[1:]]
        is_top_1 = is_accuracy(blob, points) and curves.top_k.get(blob, 1) == 1
        if not is_top_1 or points[0].iteration or len(values) < ENOUGH_TESTS:
            continue
        if len(set(values)) == 1 and 0 < values[0] < 1 and least > 0.9 * _least_entropy(values[0]):
            yield Symptom(
                f"nothing is learned: {blob} is {values[0]:.3g} in each of {len(values)} tests and the loss "
                f"stays at {late:.3g}, as when every image is taken for one class, the largest",
                "check that the labels match the images and that mean and scale are those of the weights "
                "(`ftjob data check --sheet`), balance the classes, and try a larger "
                "solver.base_lr",
                "",
                f"{blob} = {', '.join(f'{value:.3g}' for value in values[-3:])}",
            )
            return


def _least_entropy(share: float) -> float:
    """The least loss of scores that are the same for every image, where the largest class has this share."""
    rest = 1 - share
    return -math.log(share) if share <= 0.5 else -share * math.log(share) - rest * math.log(rest)


def _flat(curves: Curves) -> Iterator[Symptom]:
    """Heads whose loss stays at ln K, or above it where it began: all of them, or some while others learn."""
    early = {head.layer: mean_of(curves, head.loss, first=True) for head in curves.heads}
    late = {head.layer: mean_of(curves, head.loss) for head in curves.heads}
    chance = {head.layer: math.log(head.num_output) for head in curves.heads}
    tested = {head.layer for head in curves.heads if is_learned_in_tests(curves, head)}
    flat = [name for name in late if _is_flat(early[name], late[name], chance[name]) and name not in tested]
    learning = [name for name, loss in late.items() if loss and loss < LEARNED * chance[name]]
    for head in curves.heads:
        if head.layer in flat:
            level = chance[head.layer]
            seen = f"{head.loss} stays at {late[head.layer]:.4g}, and ln {head.num_output} is {level:.4g}"
            if curves.lr_mults.get(head.layer) == 0:
                yield _frozen_head(head, seen)
            elif learning:
                yield _missing_head(head, learning, seen)
            elif head.layer in curves.squashed:
                yield _squashed_head(head, curves.squashed[head.layer], seen)
            else:
                yield from back_to_chance(curves, head.loss, level)
                yield _nothing_learns(head.num_output, curves, seen)


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
        patch_rate(curves, 10),
        seen,
    )
