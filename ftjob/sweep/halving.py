"""Asynchronous successive halving, in the form that stops members, as Ray Tune's ASHAScheduler does."""

from collections.abc import Iterable
from math import floor

from ftjob.sweep.record import MOST_RUNGS, MemberRecord, Rung
from jobspec.fields import iterations
from jobspec.sweeps.sweep import Halving


def rung_at(halving: Halving, tested: int, max_iter: int) -> int | None:
    """Return the number of the highest rung that a test at an iteration has reached; None below the first.

    Rung k is at first * factor^k iterations; the end of a run is no rung.
    """
    place, number = iterations(halving.first, max_iter), None
    for each in range(MOST_RUNGS):
        if place > tested or place >= max_iter:
            break
        number, place = each, place * halving.factor
    return number


def cutoff(recorded: Iterable[float], factor: int) -> float | None:
    """Return the accuracy that the best 1/factor of those recorded at a rung have; None where there is none.

    It is their quantile 1 - 1/factor, interpolated as numpy.percentile does (ray/tune/schedulers/
    async_hyperband.py, _Bracket.cutoff).
    """
    ordered = sorted(recorded)
    if not ordered:
        return None
    place = (1 - 1 / factor) * (len(ordered) - 1)
    below = floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def climbed(
    record: MemberRecord, others: Iterable[MemberRecord], halving: Halving, tested: int, max_iter: int
) -> MemberRecord:
    """Return a member's record after a test: with the rung it reached, and stopped where it is there behind
    the best 1/factor of those that came before it."""
    number = rung_at(halving, tested, max_iter)
    if number is None or record.accuracy is None or any(rung.number >= number for rung in record.rungs):
        return record
    before = [rung.accuracy for other in others for rung in other.rungs if rung.number == number]
    least = cutoff(before, halving.factor)
    behind = least is not None and record.accuracy < least and record.is_open
    rungs = (*record.rungs, Rung(number=number, accuracy=record.accuracy))
    return record.model_copy(update={"rungs": rungs, "stopped": record.stopped or behind})
