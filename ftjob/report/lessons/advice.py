"""Sentences on what to try next, by rule, from what a run has measured. Pure."""

from collections.abc import Iterator
from math import log
from statistics import fmean

from ftjob.formatting import percent
from ftjob.report.compare.intervals import wilson
from ftjob.report.confusion import Confused, most_confused
from ftjob.report.facts import Facts
from ftjob.runfolder.records.evaluation import Evaluation
from ftjob.runfolder.status import State

LAST = 0.1
"""The share of a run whose iterations make its final training loss."""
GOOD = 0.97
"""The accuracy from which nothing is advised about the training."""
OVERFIT = 3.0
"""How many times the training loss the validation loss is where a net has learnt its images by heart."""
LOW_LOSS = 0.35
"""The share of a guesser's loss (ln K) below which a net has learnt its training images."""
HIGH_LOSS = 0.6
"""The share of a guesser's loss above which it has hardly begun to."""
WEAK = 0.2
"""How far below the accuracy a class's recall is where the class is weak."""
FEW = 100
"""Training images below which more of them are the first advice for a class."""
WIDE = 0.06
"""Half the width of an accuracy's interval from which the validation set is too small to choose by."""
ENOUGH = 10
"""Images of a class below which its recall says little."""
MOST = 3


def what_next(facts: Facts) -> list[str]:
    """Return what to try next, most promising first; nothing for a run that has not ended with a bundle."""
    if facts.evaluation is None or facts.status.state is not State.SUCCEEDED:
        return []
    found = [*_of_training(facts, facts.evaluation), *_of_classes(facts, facts.evaluation)]
    return [*found, *_of_validation(facts.evaluation)][:MOST]


def _of_training(facts: Facts, evaluation: Evaluation) -> Iterator[str]:
    """Yield advice by the two losses: learnt by heart, or hardly learnt at all."""
    trained, tested = _training_loss(facts), evaluation.loss
    guess = log(max(2, len(evaluation.classes)))
    if trained is None or tested is None or evaluation.accuracy >= GOOD:
        return
    if trained < LOW_LOSS * guess and tested > OVERFIT * max(trained, 0.01 * guess):
        yield (
            f"It knows its training images (loss {trained:.3g}) much better than new ones ({tested:.3g}): "
            f"{_against_overfitting(facts)}"
        )
    elif trained > HIGH_LOSS * guess:
        yield (
            f"It has hardly learnt its training images (loss {trained:.3g}, and {guess:.3g} is guessing): "
            f"{_for_learning(facts)}"
        )
    elif _was_best_at_the_end(facts):
        yield "Its last test was its best: train longer (a larger solver.epochs)."


def _training_loss(facts: Facts) -> float | None:
    """Return the mean loss of the last iterations."""
    losses = [line.loss for line in facts.train if line.loss is not None]
    last = losses[-max(1, round(LAST * len(losses))) :]
    return fmean(last) if last else None


def _against_overfitting(facts: Facts) -> str:
    ways = ["more images"]
    if facts.spec and facts.spec.surgery.freeze == "none":
        ways.append("freezing the lower layers (surgery.freeze)")
    if facts.spec and not facts.spec.data.mirror:
        ways.append("data.mirror: true, where left and right mean the same")
    if facts.spec and facts.spec.data.crop is None:
        ways.append("a random crop (data.crop)")
    return f"try {', or '.join(ways)}."


def _for_learning(facts: Facts) -> str:
    ways = ["a larger solver.base_lr (`ftjob tune lr` finds one)"]
    if facts.spec and facts.spec.surgery.freeze != "none":
        ways.append("fewer frozen layers (surgery.freeze)")
    ways.append("more solver.epochs")
    return f"try {', or '.join(ways)}."


def _was_best_at_the_end(facts: Facts) -> bool:
    tests = facts.tests
    return len(tests) > 2 and max(tests, key=lambda test: test.accuracy) is tests[-1]


def _of_classes(facts: Facts, evaluation: Evaluation) -> Iterator[str]:
    """Yield advice on the weakest class that is far below the others."""
    known = [each for each in evaluation.classes if each.recall is not None and each.images >= ENOUGH]
    weakest = min(known, key=lambda each: (each.recall, each.label), default=None)
    if weakest is None or weakest.recall is None or weakest.recall > evaluation.accuracy - WEAK:
        return
    confused = next((pair for pair in _pairs(evaluation) if pair.label == weakest.name), None)
    taken = f", and {percent(confused.share)} are taken for {confused.predicted}" if confused else ""
    images = facts.plan.train.histogram.get(str(weakest.label)) if facts.plan else None
    right = f"{weakest.name} is weak: {percent(weakest.recall)} of its images are right"
    yield f"{right}{taken}. {_more(images)}"


def _more(images: int | None) -> str:
    if images is not None and images < FEW:
        return f"It was trained on {images} images: give it more."
    return "Look at its images: are some labelled wrong, or do both look alike at this size?"


def _pairs(evaluation: Evaluation) -> list[Confused]:
    return most_confused(evaluation, len(evaluation.classes) ** 2)


def _of_validation(evaluation: Evaluation) -> Iterator[str]:
    """Yield advice where the validation set is too small to tell two runs apart."""
    low, high = wilson(round(evaluation.accuracy * evaluation.images), evaluation.images)
    if (high - low) / 2 > WIDE:
        yield (
            f"{evaluation.images} validation images give the accuracy to ±{percent((high - low) / 2)}: "
            "more of them are needed to see which of two runs is better."
        )
