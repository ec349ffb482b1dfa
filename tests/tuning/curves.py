"""Made-up metrics of range tests."""

import math
from collections.abc import Callable

from ftjob.runfolder.records.metrics import TrainLine
from ftjob.tuning.range_test import RateSpan

Loss = Callable[[float], float | None]
"""The loss of an iteration at a rate; None where it is no number."""


def lines(loss: Loss, span: RateSpan | None = None) -> list[TrainLine]:
    """Return the metrics of a range test whose loss depends on its rate alone."""
    span = span or RateSpan()
    rates = [span.first * span.gamma**index for index in range(span.iterations)]
    return [TrainLine(index + 1, loss(rate), rate, 0.1, {}) for index, rate in enumerate(rates)]


def descent(centre: float, high: float = 2.3, low: float = 0.3) -> Callable[[float], float]:
    """Return a loss that falls fastest at a rate, and explodes a hundred times above it."""

    def loss(rate: float) -> float:
        learned = 1 / (1 + math.exp(-4 * math.log10(rate / centre)))
        return high - (high - low) * learned + high * (rate / (100 * centre)) ** 3

    return loss
