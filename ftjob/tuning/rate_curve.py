"""The curve of a learning-rate range test, and the rate that it suggests. Pure.

The suggested rate is that of the steepest descent of the smoothed loss, over a logarithmic axis and before
its minimum: the rule of Lightning's finder and of fastai's `steep` (https://docs.fast.ai/callback.schedule.html).
Losses are smoothed exponentially, and the bias at the ends is corrected as in Adam (Kingma and Ba,
https://arxiv.org/abs/1412.6980). Unlike theirs, the mean is of earlier and later losses: a mean of earlier
losses lags behind, and suggests too high a rate.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil, exp, inf, isfinite, isnan, log10, nan, sqrt
from statistics import fmean
from typing import Any, NamedTuple

from ftjob.errors import BadSpecError
from ftjob.runfolder.records.metrics import TrainLine
from jobspec.fields import FLOAT_MAX

MEMORY = 0.3
"""Powers of ten of the rate after which a loss has 1/e of its weight in a mean."""
LEAST_SPREAD = 5.0
"""The same in iterations, of a test with few of them."""
EXPLODED = 4.0
"""Times its lowest, a loss that is also above its first has exploded (as in fastai)."""
FEWEST_POINTS = 20
LEAST_FALL = 0.01
"""The share of the first losses by which a loss that falls at all does so."""
CLEAR = 3.0
"""Standard deviations of single losses: to fall by less may be chance."""


class RatePoint(NamedTuple):
    """One iteration of a range test."""

    iteration: int
    rate: float
    loss: float
    smoothed: float
    slope: float
    """The mean of the losses after it, less that of those before; NaN near an end of the curve."""


@dataclass(frozen=True)
class RateCurve:
    """The iterations until the loss exploded, and what they show."""

    points: tuple[RatePoint, ...]
    exploded: float | None
    """The rate at which the loss was no number, or far above its lowest; None where it never was."""
    steepest: RatePoint | None
    """The point of the steepest descent; None where there is a problem."""
    problem: str
    """Why the curve suggests no rate, and what to do; empty where it suggests one."""

    @property
    def suggestion(self) -> float | None:
        """The suggested solver.base_lr, to two digits."""
        return float(f"{self.steepest.rate:.1e}") if self.steepest else None

    @property
    def lowest(self) -> RatePoint | None:
        """The point of the lowest smoothed loss; None without points."""
        return min(self.points, key=_smoothed, default=None)

    def to_json(self) -> dict[str, Any]:
        """Return plain values; docs/tune.md has every field."""
        lowest = self.lowest
        return {
            "suggestion": self.suggestion,
            "problem": self.problem,
            "exploded": self.exploded,
            "lowest": {"rate": lowest.rate, "loss": lowest.smoothed} if lowest else None,
            "points": [
                {"iteration": each.iteration, "rate": each.rate, "loss": each.loss, "smoothed": each.smoothed}
                for each in self.points
            ],
        }


def rate_curve(lines: Iterable[TrainLine]) -> RateCurve:
    """Return the curve of a range test's metrics. Raises BadSpecError where their rate does not rise."""
    rates, losses = _rising(lines)
    decades = log10(rates[-1] / rates[0]) if len(rates) > 1 else inf
    spread = max(LEAST_SPREAD, MEMORY * (len(rates) - 1) / decades)
    shown = _until_explosion(losses, spread)
    exploded = rates[shown] if shown < len(rates) else None
    points = tuple(_points(rates[:shown], losses[:shown], spread))
    problem = _problem(points, exploded)
    steepest = None if problem else min(_descent(points), key=_slope)
    return RateCurve(points, exploded, steepest, problem)


def _rising(lines: Iterable[TrainLine]) -> tuple[list[float], list[float]]:
    """Return the rates and losses; a loss that is no number, or none of Caffe's, is infinite."""
    rates: list[float] = []
    losses: list[float] = []
    for line in lines:
        if not line.learning_rate or line.learning_rate <= (rates[-1] if rates else 0.0):
            raise BadSpecError(
                f"tune lr: at iteration {line.iteration} the learning rate does not rise: this run is no "
                "range test: start one with `ftjob tune lr SPEC`"
            )
        rates.append(line.learning_rate)
        losses.append(inf if line.loss is None or abs(line.loss) > FLOAT_MAX else line.loss)
    return rates, losses


def _sums(losses: Iterable[float], spread: float) -> Iterator[tuple[float, float]]:
    """Yield the weighted sum of the losses up to each, and the sum of their weights, which corrects the bias:
    a weight falls to 1/e within `spread` losses."""
    keep, total, weight = exp(-1 / spread), 0.0, 0.0
    for loss in losses:
        total, weight = keep * total + loss, keep * weight + 1
        yield total, weight


def _until_explosion(losses: Sequence[float], spread: float) -> int:
    """Return the number of losses before they explode: before their mean is above the first loss and above
    EXPLODED times the lowest mean."""
    lowest = inf
    for index, (total, weight) in enumerate(_sums(losses, spread)):
        mean = total / weight
        lowest = min(lowest, mean)
        most = max(losses[0], EXPLODED * lowest)
        if not isfinite(mean) or mean > most:
            while index and losses[index - 1] > most:
                index -= 1
            return index
    return len(losses)


def _points(rates: Sequence[float], losses: Sequence[float], spread: float) -> Iterator[RatePoint]:
    before, after = list(_sums(losses, spread)), list(_sums(reversed(losses), spread))[::-1]
    margin, last = ceil(spread), len(losses) - 1
    for index, (rate, loss) in enumerate(zip(rates, losses, strict=True)):
        (earlier, weight_before), (later, weight_after) = before[index], after[index]
        slope = nan
        if margin <= index <= last - margin:
            slope = (later - loss) / (weight_after - 1) - (earlier - loss) / (weight_before - 1)
        smoothed = (earlier + later - loss) / (weight_before + weight_after - 1)
        yield RatePoint(index + 1, rate, loss, smoothed, slope)


def _descent(points: Sequence[RatePoint]) -> list[RatePoint]:
    """Return the points with a slope, up to the lowest."""
    lowest = min(points, key=_smoothed)
    return [each for each in points if each.rate <= lowest.rate and not isnan(each.slope)]


def _smoothed(point: RatePoint) -> float:
    return point.smoothed


def _slope(point: RatePoint) -> float:
    return point.slope


def _problem(points: Sequence[RatePoint], exploded: float | None) -> str:
    """Return why a curve suggests no rate, and what to do; empty where it suggests one."""
    if len(points) < FEWEST_POINTS:
        return _too_short(len(points), exploded)
    first = fmean(each.loss for each in points if each.rate <= points[0].rate * 10**MEMORY)
    lowest = min(points, key=_smoothed)
    fall = first - lowest.smoothed
    scatter = sqrt(fmean((each.loss - each.smoothed) ** 2 for each in points if each.rate <= lowest.rate))
    if fall < LEAST_FALL * abs(first):
        return (
            f"the loss does not fall below {first:.3g}, where it begins: end higher, with --to, or check the "
            "labels and data.mean"
        )
    if fall < CLEAR * scatter:
        return (
            f"the loss falls by {fall:.2g}, and scatters by {scatter:.2g} from one iteration to the next: "
            "test with more --iterations, or more images in each (solver.iter_size)"
        )
    descent = _descent(points)
    steepest = min(descent, key=_slope, default=lowest)
    if not descent or steepest is descent[0]:
        return (
            f"the loss falls fastest at the lowest rates, up to {steepest.rate:.2g}: begin lower, with --from"
        )
    if exploded is None and isnan(points[points.index(steepest) + 1].slope):
        return f"the loss falls fastest at the highest rates, from {steepest.rate:.2g}: end higher, with --to"
    return ""


def _too_short(iterations: int, exploded: float | None) -> str:
    many = f"{iterations or 'no'} iteration{'s' if iterations > 1 else ''}"
    if exploded is None:
        return f"the test has {many} {'only' if iterations else 'yet'}: let it end"
    return (
        f"the loss exploded at a rate of {exploded:.2g}, after {many}: begin lower, with --from, or check "
        "the labels and data.mean"
    )
