"""The scalars of a spec: what they take, and what they make of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from jobspec.fields import Percent, iterations

percent = TypeAdapter(Percent)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(7, 7), (5000, 5000), ("33%", 33), ("55%", 55), ("0.1%", 1), ("100%", 100), ("12.5%", 13)],
)
def test_iterations_of_a_hundred(value: int | str, expected: int) -> None:
    """A count stays as it is, a share is exact (0.55 x 100 is 55, not 56) and rounded up."""
    assert iterations(value, 100) == expected


@given(st.integers(1, 100), st.integers(1, 10**9))
def test_a_share_is_at_least_one_and_at_most_the_run(share: int, max_iter: int) -> None:
    """Any share of any run is between its first and its last iteration."""
    assert 1 <= iterations(f"{share}%", max_iter) <= max_iter


@pytest.mark.parametrize(
    ("written", "kept"),
    [("33%", "33%"), ("33.0%", "33%"), ("033%", "33%"), (".5%", "0.5%"), ("100%", "100%")],
)
def test_a_percentage_has_one_way_to_be_written(written: str, kept: str) -> None:
    """Shares that are equal are kept as the same text, so that their specs have the same digest."""
    assert percent.validate_python(written) == kept


@pytest.mark.parametrize("written", ["0%", "0.0%", "101%", "100.1%", "-1%", "%", "33", "1e1%", "٣%", "33%\n"])
def test_a_percentage_out_of_range_is_refused(written: str) -> None:
    """Nothing but a share above 0 and up to 100 is one."""
    with pytest.raises(ValueError, match="validation error"):
        percent.validate_python(written)
