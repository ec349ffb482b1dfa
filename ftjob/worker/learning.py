"""Decides from a run's tests alone whether it is still worth its money: pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf, isfinite, log, sqrt
from typing import Self

from ftjob.runfolder.records.metrics import TestLine

HALVED = 0.5
"""A learning rate that fell to this share since the last better accuracy may bring one yet."""
SIGMAS = 2.0
LESS_LOSS = 0.99


@dataclass(frozen=True)
class Score:
    """What one test showed: a line of metrics/test.jsonl."""

    iteration: int
    accuracy: float
    loss: float
    """Infinite where it was no number."""
    learning_rate: float | None = None
    seconds: float = 0.0
    """What the test took."""

    @classmethod
    def of(cls, line: TestLine) -> Self:
        """Return what a line of the metrics shows."""
        loss = inf if line.loss is None else line.loss
        return cls(line.iteration, line.accuracy, loss, line.learning_rate, line.seconds)


@dataclass(frozen=True)
class Chance:
    """What a guess reaches that knows the number of images of each class, and sees none of them."""

    accuracy: float
    """Always naming the largest class, and two standard deviations of luck."""
    loss: float
    """Always answering with the classes' shares: their entropy, in nats."""


def chance(images: Iterable[int]) -> Chance:
    """Return what chance reaches on validation data with so many images per class."""
    counts = [count for count in images if count]
    total = sum(counts)
    largest = max(counts) / total
    luck = SIGMAS * sqrt(largest * (1 - largest) / total)
    return Chance(largest + luck, -sum(count / total * log(count / total) for count in counts))


def learns(tests: Sequence[Score], by_chance: Chance) -> bool:
    """Return whether any test beat chance: in accuracy, or by a loss below chance's and the first test's."""
    later = [test for test in tests if test.iteration > 0]
    if not later or any(test.accuracy > by_chance.accuracy for test in tests):
        return True
    first = [test.loss for test in tests if test.iteration == 0 and isfinite(test.loss)]
    bar = LESS_LOSS * min([by_chance.loss, *first])
    return any(test.loss < bar for test in later)


def stale_tests(tests: Iterable[Score]) -> int:
    """Return how many tests in a row were no better than the best before, since the rate was last halved."""
    best, stale, rate = -inf, 0, None
    for test in tests:
        fell = rate is not None and test.learning_rate is not None and test.learning_rate <= HALVED * rate
        gained = test.accuracy > best
        stale = 0 if gained or fell else stale + 1
        best = max(best, test.accuracy)
        if rate is None or fell or gained:
            rate = test.learning_rate
    return stale
