"""Laws of curves: which rate they suggest, and when they suggest none."""

import json
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftjob.errors import BadSpecError
from ftjob.runfolder.records.metrics import TrainLine
from ftjob.tuning.range_test import RateSpan
from ftjob.tuning.rate_curve import rate_curve
from tests.tuning.curves import descent, lines

centres = st.floats(-4.5, -1.5).map(lambda power: 10**power)
seeds = st.integers(0, 2**32)


@given(centres, seeds, st.floats(0, 0.1), st.sampled_from([60, 100, 400]))
def test_the_rate_of_the_steepest_descent_is_suggested(
    centre: float, seed: int, noise: float, iterations: int
):
    """To a factor of two, through noise of a twentieth of the fall; the explosion is recognized."""
    chance, loss = random.Random(seed), descent(centre)
    curve = rate_curve(
        lines(lambda rate: loss(rate) + chance.gauss(0, noise), RateSpan(iterations=iterations))
    )

    assert curve.problem == ""
    assert curve.suggestion == pytest.approx(centre, rel=1.0, abs=0)
    assert curve.suggestion >= centre / 2
    assert curve.lowest is not None
    assert curve.suggestion < curve.lowest.rate
    if centre < 1e-3:
        assert curve.exploded == pytest.approx(150 * centre, rel=0.6)


@given(st.floats(0.01, 100), st.floats(0, 1), seeds)
def test_a_flat_curve_suggests_nothing(level: float, noise: float, seed: int):
    """However its losses scatter: there is no guess."""
    chance = random.Random(seed)
    curve = rate_curve(lines(lambda _: level * (1 + 0.3 * noise * chance.uniform(-1, 1))))

    assert curve.suggestion is None
    assert "does not fall" in curve.problem or "scatters" in curve.problem


@given(centres, seeds)
def test_a_curve_of_noise_alone_is_not_taken_for_a_descent(centre: float, seed: int):
    """A fall smaller than the scatter of single losses."""
    chance, loss = random.Random(seed), descent(centre, low=2.2)
    curve = rate_curve(lines(lambda rate: loss(rate) + chance.gauss(0, 0.3) if rate < 10 * centre else None))

    assert curve.suggestion is None


@given(centres, st.integers(0, 40))
def test_what_comes_after_the_explosion_changes_nothing(centre: float, more: int):
    """A run that diverged and one that was left to go on show the same."""
    loss, last = descent(centre), 30 * centre
    shown = lines(lambda rate: loss(rate) if rate < last else None)
    ends = next((index for index, line in enumerate(shown) if line.loss is None), len(shown))

    assert rate_curve(shown[: ends + 1 + more]).suggestion == rate_curve(shown).suggestion
    assert rate_curve(shown).exploded == (shown[ends].learning_rate if ends < len(shown) else None)


@given(centres, st.integers(-4, 4), st.integers(-2, 2))
def test_neither_the_loss_nor_the_rate_has_a_unit(centre: float, halvings: int, decades: int):
    """A loss of twice the weight is the same curve; one a decade higher suggests ten times the rate."""
    loss, span = descent(centre), RateSpan()
    moved = RateSpan(span.first * 10.0**decades, span.last * 10.0**decades)
    curve = rate_curve(lines(loss))
    other = rate_curve(lines(lambda rate: 2.0**halvings * loss(rate / 10.0**decades), moved))

    assert curve.suggestion is not None
    assert other.suggestion == pytest.approx(curve.suggestion * 10.0**decades, rel=0.15)


@given(st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False), max_size=200))
def test_any_losses_have_an_answer(losses: list[float | None]):
    """A rate of the test's own, or why there is none; and JSON without numbers that are none."""
    span = RateSpan(iterations=max(50, len(losses)))
    shown = [
        TrainLine(line.iteration, loss, line.learning_rate, 0.1, {})
        for line, loss in zip(lines(lambda _: 1.0, span), losses, strict=False)
    ]
    curve = rate_curve(shown)

    assert bool(curve.problem) is (curve.suggestion is None)
    assert curve.suggestion is None or span.first <= curve.suggestion <= span.last
    assert len(curve.points) <= len(losses)
    json.dumps(curve.to_json(), allow_nan=False)


@pytest.mark.parametrize(
    ("count", "problem"), [(0, "no iteration yet"), (1, "1 iteration only"), (12, "12 iterations only")]
)
def test_a_test_that_has_only_begun_has_no_answer_yet(count: int, problem: str):
    """It is not taken for a flat one."""
    begun = rate_curve(lines(lambda _: 2.0)[:count])

    assert begun.problem == f"the test has {problem}: let it end"


@pytest.mark.parametrize(
    ("centre", "problem"),
    [
        (1e-9, "the loss exploded at a rate of 1.7e-06, after 4 iterations: begin lower, with --from"),
        (1e-6, "the loss falls fastest at the lowest rates"),
        (1.0, "the loss falls fastest at the highest rates"),
        (1e4, "the loss does not fall below 2.3, where it begins: end higher, with --to"),
    ],
)
def test_a_span_that_misses_the_descent_is_corrected(centre: float, problem: str):
    """In the direction in which it lies."""
    curve = rate_curve(lines(descent(centre)))

    assert curve.problem.startswith(problem)
    assert curve.suggestion is None


def test_a_run_whose_rate_does_not_rise_is_no_range_test():
    """Any run's metrics have a curve; its rates decide."""
    falling = [TrainLine(index + 1, 1.0, 0.1 / (1 + index // 2), 0.1, {}) for index in range(100)]

    with pytest.raises(BadSpecError, match="at iteration 2 the learning rate does not rise: this run is no"):
        rate_curve(falling)
    with pytest.raises(BadSpecError, match="at iteration 1 "):
        rate_curve([TrainLine(1, 1.0, None, 0.1, {})])


def test_a_spike_before_the_descent_is_no_explosion():
    """A single batch with a high loss, long before the loss falls."""
    loss = descent(1e-3)
    spiked = lines(
        lambda rate: loss(rate) * (3 if math.isclose(rate, RateSpan().first * RateSpan().gamma ** 10) else 1)
    )

    assert rate_curve(spiked).suggestion == pytest.approx(1e-3, rel=0.3)
