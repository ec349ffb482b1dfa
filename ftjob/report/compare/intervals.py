"""Confidence intervals of accuracies and of their differences, from Newcombe's two papers of 1998. Pure.

All are of 95 %. They need no large samples and hold where an accuracy is near 0 or 1, where the textbook's
p ± 1.96 s does not.
"""

from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple

Z = 1.959963984540054
"""The 97.5 % point of the normal distribution."""


class Interval(NamedTuple):
    """The lowest and the highest plausible value."""

    low: float
    high: float


@dataclass(frozen=True)
class PairedCounts:
    """Images by who answers them right: this run, the earlier one, both or neither."""

    both: int
    gained: int
    """Right only in this run."""
    lost: int
    """Right only in the earlier one."""
    neither: int

    @property
    def images(self) -> int:
        return self.both + self.gained + self.lost + self.neither

    @property
    def difference(self) -> float:
        """The accuracy of this run less the earlier one's."""
        return (self.gained - self.lost) / self.images

    def interval(self) -> Interval:
        """Return the interval of the difference.

        Method 10 of R. G. Newcombe, "Improved confidence intervals for the difference between binomial
        proportions based on paired data", Statistics in Medicine 17 (1998), 2635-2650: Wilson's intervals of
        both, joined with the correlation phi, which is continuity-corrected where it is positive.
        """
        images, kept, lost = self.images, self.both + self.gained, self.both + self.lost
        margins = kept * lost * (images - kept) * (images - lost)
        determinant: float = self.both * self.neither - self.gained * self.lost
        if determinant > 0:
            determinant = max(0, determinant - images / 2)
        phi = determinant / sqrt(margins) if margins else 0.0
        return _difference(kept, images, lost, images, phi)


def wilson(right: int, images: int) -> Interval:
    """Return the interval of an accuracy.

    E. B. Wilson's score interval of 1927, method 3 of R. G. Newcombe, "Two-sided confidence intervals for the
    single proportion", Statistics in Medicine 17 (1998), 857-872.
    """
    share = right / images
    middle = share + Z * Z / (2 * images)
    half = Z * sqrt(share * (1 - share) / images + Z * Z / (4 * images * images))
    whole = 1 + Z * Z / images
    low = 0.0 if right == 0 else max(0.0, (middle - half) / whole)
    high = 1.0 if right == images else min(1.0, (middle + half) / whole)
    return Interval(low, high)


def unpaired(right: int, images: int, other_right: int, other_images: int) -> Interval:
    """Return the interval of the difference of two accuracies on different images.

    Method 10 of R. G. Newcombe, "Interval estimation for the difference between independent proportions",
    Statistics in Medicine 17 (1998), 873-890.
    """
    return _difference(right, images, other_right, other_images, 0.0)


def _difference(right: int, images: int, other_right: int, other_images: int, phi: float) -> Interval:
    """Join two Wilson intervals as the sides of a triangle, whose angle is that of the correlation phi."""
    share, other = right / images, other_right / other_images
    (low, high), (other_low, other_high) = wilson(right, images), wilson(other_right, other_images)
    below, above = share - low, high - share
    other_below, other_above = other - other_low, other_high - other
    difference = share - other
    return Interval(
        max(-1.0, difference - _side(below, other_above, phi)),
        min(1.0, difference + _side(above, other_below, phi)),
    )


def _side(near: float, far: float, phi: float) -> float:
    squares = near * near - 2 * phi * near * far + far * far
    return sqrt(max(0.0, squares))
