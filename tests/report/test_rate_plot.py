"""Laws of the picture of a range test."""

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftjob.report.chart import HEIGHT, WIDTH, Axis, Chart, Curve
from ftjob.report.rate_plot import rate_svg
from ftjob.tuning.rate_curve import rate_curve
from tests.tuning.curves import descent, lines


@pytest.mark.parametrize("count", [0, 1, 2, 100])
def test_every_curve_has_a_picture(count: int):
    """Well-formed, with a line at the suggested rate where there is one."""
    curve = rate_curve(lines(descent(0.003))[:count])
    picture = ET.fromstring(rate_svg("a & b/1f3b9c02aa", curve))
    words = [element.text for element in picture.iter() if element.text]

    assert "a & b/1f3b9c02aa" in words
    assert "learning rate" in words
    assert (f"suggested {curve.suggestion}" in words) is (count == 100)


@given(st.lists(st.floats(1e-9, 1e6), min_size=1, max_size=50, unique=True).map(sorted))
@settings(max_examples=30)
def test_powers_of_ten_are_marked_within_the_picture(rates: list[float]):
    """And every point is on it."""
    chart = Chart(
        "Loss", (Curve("loss", tuple((x, 1.0) for x in rates)),), axis=Axis("rate", is_logarithmic=True)
    )
    marks = chart.axis.ticks(chart.ends)

    for x in rates:
        across, down = map(float, chart.place(x, 1.0).split())
        assert 0 <= across <= WIDTH
        assert 0 <= down <= HEIGHT
    assert all(rates[0] / 1.03 <= mark <= rates[-1] * 1.03 for mark in marks)
    assert f"at rate {rates[0]:.2g}" in chart.words
