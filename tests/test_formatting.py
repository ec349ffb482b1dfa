"""Numbers as people write them."""

import struct
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ftjob.formatting import float32_text


def float32(value: float) -> float:
    """The float32 that a number comes to, as protobuf reads it from a prototxt."""
    rounded: float = struct.unpack("<f", struct.pack("<f", value))[0]
    return rounded


def digits(text: str) -> int:
    """How many digits a number is written with, those that only hold the place of others left out."""
    return len(Decimal(text).normalize().as_tuple().digits)


@pytest.mark.parametrize(
    "text", ["0.017", "103.94", "104", "0.0125", "1e-07", "0.00390625", "123.68", "-117"]
)
def test_what_a_person_wrote_comes_back(text: str) -> None:
    """As it was written, not as what it comes to."""
    assert float32_text(float32(float(text))) == text


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
@settings(max_examples=500, deadline=None)
@example(2.0**-24)
@example(2.0**90)
@example(float32(3.4028235e38))
@example(2.0**-149)
def test_it_is_the_shortest_that_reads_back(value: float) -> None:
    """The same float32 when read, and no decimal with fewer digits is: neither the one below nor above."""
    text = float32_text(value)

    assert float32(float(text)) == value
    assert digits(text) <= digits(str(np.format_float_scientific(np.float32(value), unique=True)))
    for rounding in (ROUND_FLOOR, ROUND_CEILING):
        shorter = Context(prec=digits(text) - 1 or 1, rounding=rounding).create_decimal(Decimal(value))
        if digits(text) > 1 and abs(shorter) < Decimal("3.4028235e38"):
            assert float32(float(shorter)) != value


@given(st.decimals(min_value=-1000, max_value=1000, places=3))
@settings(max_examples=200, deadline=None)
def test_six_digits_come_back(number: Decimal) -> None:
    """A float32 holds any six digits, so that they come back as they are."""
    if digits(str(number)) <= 6:
        assert Decimal(float32_text(float32(float(number)))) == number
