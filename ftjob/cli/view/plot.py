"""Curves in a terminal, drawn with braille: two by four dots in every letter."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite

from ftjob.cli.view.markup import Text

DOTS_ACROSS, DOTS_DOWN = 2, 4
BLANK = 0x2800
BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Of a letter's dots, by row and column (Unicode's Braille Patterns)."""
LABEL = 6
"""Letters to the left of the axis."""
LEAST_COLUMNS, LEAST_ROWS = 8, 2
"""Of the area of a plot: with less there is nothing to be seen."""


@dataclass(frozen=True)
class PlotLine:
    """A line of a plot."""

    points: Sequence[tuple[float, float]]
    """(x, y), x rising; a y that is no finite number is a gap."""
    style: str


@dataclass(frozen=True)
class PlotArea:
    """What a plot shows, and how large."""

    columns: int
    """Letters of the whole plot, labels included."""
    rows: int
    """Lines of the whole plot, title and axis included."""
    x: tuple[float, float]
    y: tuple[float, float]

    @property
    def across(self) -> int:
        """Letters of the area with the curves."""
        return max(LEAST_COLUMNS, self.columns - LABEL - 2)

    @property
    def down(self) -> int:
        """Lines of the area with the curves."""
        return max(LEAST_ROWS, self.rows - 2)


def plot(
    title: str, curves: Sequence[PlotLine], columns: int, rows: int, form: str, last_x: float
) -> list[Text]:
    """Return the lines of a plot from x = 0 to `last_x`: a title, the curves, the axis.

    `form` formats a y. Later curves are drawn over earlier ones.
    """
    heights = [y for curve in curves for _, y in curve.points if isfinite(y)]
    if not heights:
        return [Text(title, "bold"), Text("nothing yet", "dim")]
    low, high = min(heights), max(heights)
    margin = (high - low) * 0.04 or abs(high) * 0.04 or 0.04
    area = PlotArea(columns, rows, (0.0, max(last_x, 1.0)), (low - margin, high + margin))
    lines = [Text(f"{title:<{columns}}"[:columns].rstrip(), "bold")]
    labels = {0: high, area.down - 1: low}
    if area.down >= 7:
        labels[area.down // 2] = high - (high - low) * (area.down // 2) / (area.down - 1)
    for number, cells in enumerate(_cells(curves, area)):
        label = format(labels[number], form) if number in labels else ""
        line = Text().append(f"{label[:LABEL]:>{LABEL}} ┤", "dim")
        for letter, style in cells:
            line.append(letter, style)
        lines.append(line)
    end = f"{last_x:,.0f}"
    lines.append(Text(f"{'':{LABEL}} 0{end:>{area.across}}", "dim"))
    return lines


def _cells(curves: Sequence[PlotLine], area: PlotArea) -> list[list[tuple[str, str]]]:
    """Return the letters of the area and their styles, by line."""
    bits = [[0] * area.across for _ in range(area.down)]
    styles = [[""] * area.across for _ in range(area.down)]
    for curve in curves:
        for across, down in _dots(curve, area):
            row, column = down // DOTS_DOWN, across // DOTS_ACROSS
            bits[row][column] |= BITS[down % DOTS_DOWN][across % DOTS_ACROSS]
            styles[row][column] = curve.style
    return [
        [(chr(BLANK + each) if each else " ", style) for each, style in zip(*line, strict=True)]
        for line in zip(bits, styles, strict=True)
    ]


def _dots(curve: PlotLine, area: PlotArea) -> set[tuple[int, int]]:
    """Return the dots (across, down) of a curve: its mean in each column of dots, joined by lines."""
    wide, high = area.across * DOTS_ACROSS - 1, area.down * DOTS_DOWN - 1
    columns: dict[int, list[float]] = {}
    for x, y in curve.points:
        if isfinite(y):
            columns.setdefault(_scaled(x, area.x, wide), []).append(y)
    means = [
        (across, high - _scaled(sum(values) / len(values), area.y, high))
        for across, values in columns.items()
    ]
    dots = set(means)
    for (left, first), (right, second) in pairwise(sorted(means)):
        steps = max(right - left, abs(second - first))
        dots |= {
            (left + (right - left) * step // steps, round(first + (second - first) * step / steps))
            for step in range(steps)
        }
    return dots


def _scaled(value: float, between: tuple[float, float], most: int) -> int:
    """Return where a value lies between two others, as a whole number from 0 to `most`."""
    low, high = between
    return min(most, max(0, round((value - low) / (high - low) * most)))
