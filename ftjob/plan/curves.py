"""What losses and accuracies say of a training that went wrong."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from ftjob.caffelog.progress import SATURATED_LOSS, Point, Progress
from ftjob.errors import BadNetError
from ftjob.net.heads import Head, find_heads
from ftjob.net.params import param_specs
from ftjob.net.proto.caffe_pb2 import NetParameter

ENOUGH_POINTS = 6
ENOUGH_ITERATIONS = 50
"""Before that a loss at ln K is only a beginning."""
NEAR = 0.03
"""How near to ln K, or to its own beginning above that, a loss must stay, as a share of ln K."""
LEARNED = 0.8
"""A loss below this share of ln K has learned something."""
NEAR_CHANCE = 0.3
"""How near to 1/K an accuracy must stay, as a share of it."""


@dataclass(frozen=True)
class Symptom:
    """Something that curves show, its remedy, and what shows it."""

    cause: str
    fix: str
    patch: str
    seen: str


@dataclass(frozen=True)
class Curves:
    """The points of a training, and what is known of its net and solver."""

    train: tuple[Point, ...]
    test: tuple[Point, ...]
    heads: tuple[Head, ...]
    lr_mults: Mapping[str, float]
    """The largest lr_mult of each head's params."""
    base_lr: float
    """0 where it is not known."""

    @classmethod
    def of(cls, progress: Progress) -> Self:
        """Return the curves of what a log or a run tells."""
        return cls(
            progress.train,
            progress.test,
            heads := _heads(progress.net),
            {head.layer: _lr_mult(progress.net, head.layer) for head in heads},
            progress.solver.base_lr,
        )


def curve_symptoms(curves: Curves) -> Iterator[Symptom]:
    """Yield what the curves show, what is most certain first."""
    yield from _not_a_number(curves)
    yield from _saturated(curves)
    yield from _absurd_start(curves)
    yield from _flat(curves)
    yield from _accuracy_apart(curves)


def _not_a_number(curves: Curves) -> Iterator[Symptom]:
    for point in curves.train:
        for blob, value in point.outputs.items():
            if not math.isfinite(value):
                yield Symptom(
                    f"the loss is {value:g} from iteration {point.iteration} on: the training diverged",
                    _lower(curves) + "; where it begins so, `ftjob data check` the labels and the mean",
                    _patch_lr(curves, 0.1),
                    f"iteration {point.iteration}: {blob} = {value:g}",
                )
                return


def _saturated(curves: Curves) -> Iterator[Symptom]:
    for point in curves.train:
        for blob, value in point.outputs.items():
            if abs(value - SATURATED_LOSS) < 0.001:
                yield Symptom(
                    f"the loss is {SATURATED_LOSS} from iteration {point.iteration} on, -ln of the smallest "
                    "float: the right class has probability 0, so the training diverged, or labels lie "
                    "outside 0..num_output-1",
                    _lower(curves) + "; `ftjob data check` finds wrong labels",
                    _patch_lr(curves, 0.1),
                    f"iteration {point.iteration}: {blob} = {value:g}",
                )
                return


def _absurd_start(curves: Curves) -> Iterator[Symptom]:
    """A fresh head of K classes starts near ln K; far above it its labels are not among its classes."""
    for head in curves.heads:
        chance = math.log(head.num_output)
        first = next((point for point in curves.train if head.loss in point.outputs), None)
        if first and first.iteration <= 1 and first.outputs[head.loss] > 3 * chance + 3:
            yield Symptom(
                f"the very first loss of {head.layer} is {first.outputs[head.loss]:.4g}, where "
                f"{head.num_output} classes start at ln {head.num_output} = {chance:.4g}: labels lie outside "
                f"0..{head.num_output - 1}, or the images are not scaled as the weights know them",
                "`ftjob data check` finds wrong labels; mean and scale must be those of the weights",
                "surgery:\n  num_output: auto",
                f"iteration {first.iteration}: {head.loss} = {first.outputs[head.loss]:g}",
            )


def _flat(curves: Curves) -> Iterator[Symptom]:
    """Heads whose loss stays at ln K, or above it where it began: all of them, or some while others learn."""
    early = {head.layer: _mean(curves.train, head.loss, first=True) for head in curves.heads}
    late = {head.layer: _mean(curves.train, head.loss) for head in curves.heads}
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
            else:
                yield _nothing_learns(head, curves, shown)


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
        "rename and relearn every head, not some: a head that is copied, or has no rate, answers for the old "
        "classes",
        "surgery:\n  heads: auto\n  head_lr_mult: 10",
        seen,
    )


def _nothing_learns(head: Head, curves: Curves, seen: str) -> Symptom:
    higher = f" from {curves.base_lr:g} to {curves.base_lr * 10:g}" if curves.base_lr else ""
    return Symptom(
        f"nothing is learned: the loss stays where chance is, near ln {head.num_output} for "
        f"{head.num_output} classes",
        f"raise solver.base_lr{higher}, freeze less, and look whether the labels belong to the images "
        "(`ftjob data check --sheet`)",
        _patch_lr(curves, 10),
        seen,
    )


def _accuracy_apart(curves: Curves) -> Iterator[Symptom]:
    """The loss falls and the accuracy stays at chance: it reads another head, or other labels."""
    main = next((head for head in curves.heads if head.main), None)
    if main is None:
        return
    late, chance = _mean(curves.train, main.loss), 1 / main.num_output
    for blob in dict.fromkeys(blob for point in curves.test for blob in point.outputs):
        values = [point.outputs[blob] for point in curves.test if blob in point.outputs][1:]
        stays = len(values) > 1 and all(abs(value - chance) < NEAR_CHANCE * chance for value in values)
        learned = late is not None and late < LEARNED * math.log(main.num_output)
        if "acc" in blob and stays and learned:
            yield Symptom(
                f"the loss of {main.layer} falls, but {blob} stays at 1/{main.num_output}, which is chance: "
                "it reads another layer than the one that learns, or val numbers its classes otherwise",
                "let ftjob put the accuracy on the head (surgery.heads: auto), and build train and val "
                "in one go",
                "surgery:\n  heads: auto",
                f"{blob} = {', '.join(f'{value:.3g}' for value in values[-3:])}",
            )
            return


def _mean(points: Sequence[Point], blob: str, *, first: bool = False) -> float | None:
    """The mean of a blob over the last (or first) third of enough points; None where there are too few."""
    values = [point.outputs[blob] for point in points if blob in point.outputs]
    if len(values) < ENOUGH_POINTS or points[-1].iteration < ENOUGH_ITERATIONS:
        return None
    third = len(values) // 3
    taken = values[:third] if first else values[-third:]
    return sum(taken) / third


def _lower(curves: Curves) -> str:
    if not curves.base_lr:
        return "lower solver.base_lr to a tenth"
    return f"lower solver.base_lr from {curves.base_lr:g} to {curves.base_lr / 10:g}"


def _patch_lr(curves: Curves, factor: float) -> str:
    if not curves.base_lr:
        return f"solver:\n  base_lr: ...   # {'a tenth' if factor < 1 else 'ten times'} of it"
    return f"solver:\n  base_lr: {curves.base_lr * factor:g}"


def _heads(net: NetParameter) -> tuple[Head, ...]:
    """The net's classifiers; none where what Caffe printed is no net on its own."""
    try:
        return tuple(find_heads(net))
    except BadNetError:
        return ()


def _lr_mult(net: NetParameter, name: str) -> float:
    layer = next(layer for layer in net.layer if layer.name == name)
    return max((spec.lr_mult for spec in param_specs(layer)), default=1.0)
