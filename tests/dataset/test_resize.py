"""From any size to the stored size."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftjob.dataset.image.resize import fit, resized_size, scale
from ftjob.dataset.modes import MODES, Mode, resize_mode
from ftjob.errors import BadSpecError
from tests.dataset.images import photo

SIDE = st.integers(1, 4000)


@pytest.mark.parametrize(
    ("mode", "size"),
    [("squash", (100, 100)), ("crop", (100, 200)), ("fill", (50, 100)), ("half-crop", (67, 133))],
)
def test_sizes_before_cutting(mode: Mode, size: tuple[int, int]) -> None:
    """A picture twice as wide as high, made 100x100: the modes are those that DIGITS has."""
    assert resized_size(300, 600, 100, 100, mode) == size


@given(SIDE, SIDE)
def test_crop_covers_and_fill_stays_inside(height: int, width: int) -> None:
    """Crop never leaves black at an edge, fill never loses a row of the picture."""
    assert min(np.subtract(resized_size(height, width, 64, 96, "crop"), (64, 96))) >= 0
    assert max(np.subtract(resized_size(height, width, 64, 96, "fill"), (64, 96))) <= 0


@given(st.integers(1, 90), st.integers(1, 90), st.sampled_from(MODES))
def test_every_mode_makes_the_stored_size(height: int, width: int, mode: Mode) -> None:
    """Whatever comes in, what is stored has one size."""
    image = np.full((height, width, 3), 9, dtype=np.uint8)

    assert fit(scale(image, *resized_size(height, width, 20, 30, mode)), 20, 30).shape == (20, 30, 3)


def test_fill_puts_black_around_the_middle() -> None:
    """What is missing is black, half of it on either side."""
    filled = fit(np.full((2, 4), 9, dtype=np.uint8), 4, 4)

    assert filled.tolist() == [[0] * 4, [9] * 4, [9] * 4, [0] * 4]


def test_cutting_keeps_the_middle() -> None:
    """What is too much goes on either side alike."""
    assert fit(np.arange(6, dtype=np.uint8)[np.newaxis], 1, 2).tolist() == [[2, 3]]


def test_large_reductions_average() -> None:
    """A fine pattern becomes grey, not a coarse pattern: nothing is left out between two pixels."""
    stripes = np.tile(np.array([0, 255], dtype=np.uint8), (300, 150))

    assert np.ptp(scale(stripes, 50, 50)) <= 1


def test_the_stored_size_is_left_alone() -> None:
    """A picture that has the size already keeps every pixel."""
    assert np.array_equal(scale(photo(1), 60, 80), photo(1))


def test_an_unknown_mode_is_refused() -> None:
    """A mode is named, with those there are."""
    with pytest.raises(BadSpecError, match="'stretch' is none of squash, crop, fill, half-crop"):
        resize_mode("stretch")
