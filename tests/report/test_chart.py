"""Laws of curves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftjob.report.chart import HEIGHT, WIDTH, Chart, Curve, averaged, stepped, ticks

values = st.floats(1e-9, 1e6)


@given(values)
def test_ticks_are_round_and_reach_the_highest(highest: float):
    """From zero on, evenly, up to the highest value or less than a step above it."""
    found = ticks(highest, 5)
    step = found[1]

    assert found[0] == 0
    assert highest * 0.998 <= found[-1] <= highest + step * 1.001
    assert 2 <= len(found) <= 8


@given(st.lists(st.tuples(st.integers(0, 10**6), values), min_size=1, max_size=400, unique_by=lambda p: p[0]))
def test_every_point_is_on_the_picture(points: list[tuple[int, float]]):
    """Whatever the numbers are."""
    chart = Chart("Loss", (Curve("training", tuple(sorted(points))),))
    for each in chart.drawn()[0].line.removeprefix("M").split("L"):
        x, y = map(float, each.split())
        assert 0 <= x <= WIDTH
        assert 0 <= y <= HEIGHT


@pytest.mark.parametrize("last", [0, 1, 3, 4000])
def test_iterations_are_whole(last: int):
    """Also of a run that has only begun: no number stands twice along the axis."""
    shown = [each.text for each in Chart("Loss", (Curve("a", ((0, 1.0), (last, 1.0))),)).letters()]

    across = shown[shown.index("0", 1) :]
    assert len(across) == len(set(across))


def test_an_averaged_curve_is_short_and_keeps_the_mean():
    """At most as many points as asked for; the band is what was averaged."""
    points = [(float(at), float(at % 7)) for at in range(10_000)]
    line = averaged("loss", points, 100)

    assert len(line.points) == 100
    assert line.points[-1][0] == 9999
    assert sum(value for _, value in line.points) / 100 == pytest.approx(3, abs=0.01)
    assert all((low, high) == (0, 6) for _, low, high in line.band)
    assert averaged("loss", points[:50], 100).points == tuple(points[:50])


def test_steps_stay_steps():
    """A learning rate that falls at once is drawn so, and not as a slope."""
    points = [(float(at), 0.1 if at < 500 else 0.01) for at in range(1000)]

    assert stepped("rate", points, 100).points == ((0, 0.1), (499, 0.1), (500, 0.01), (999, 0.01))
    assert stepped("rate", [], 100).points == ()
