"""Points as places on a picture, or in a grid of letters: cost across, accuracy up. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor

from ftjob.formatting import brief, dollars, percent
from ftjob.report.chart import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Letters, ticks

COLUMNS, ROWS = 56, 12
"""Of the plot in letters."""
GUTTER = 7
"""Letters before its vertical axis."""
LINES = 5
"""Steps between the horizontal lines of the picture, at most."""
STEPS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
"""Of accuracy, between two lines."""
MARGIN = 1.04
"""How much farther the horizontal axis reaches than the last point."""


@dataclass(frozen=True)
class ScatterPoint:
    """One member."""

    letter: str
    words: str
    across: float
    up: float
    best: bool = False


@dataclass(frozen=True)
class Scatter:
    """Members by what they cost and how accurate they are."""

    points: tuple[ScatterPoint, ...]
    in_dollars: bool
    """Whether `across` is dollars; else seconds."""

    @property
    def words(self) -> str:
        """The plot in words, for screen readers."""
        named = (f"{each.words}: {self.amount(each.across)}, {percent(each.up)}" for each in self.points)
        return f"Accuracy against {self.axis}: {'; '.join(named)}."

    @property
    def axis(self) -> str:
        return "cost" if self.in_dollars else "time"

    def amount(self, value: float) -> str:
        """Return an amount of the horizontal axis."""
        return dollars(value) if self.in_dollars else brief(value)

    def text(self) -> str:
        """Return the plot in letters; where points meet, the best one's, or else the first one's is shown."""
        right, low, high = self._right, *self._range
        rows = [[" "] * COLUMNS for _ in range(ROWS)]
        for each in sorted(self.points, key=lambda point: point.best):
            row = round((high - each.up) / (high - low) * (ROWS - 1))
            column = round(each.across / right * (COLUMNS - 1))
            if rows[row][column] == " " or each.best:
                rows[row][column] = each.letter
        names = {0: percent(high), ROWS - 1: percent(low)}
        lines = [
            f"{names.get(index, ''):>{GUTTER - 1}} │{''.join(row).rstrip()}" for index, row in enumerate(rows)
        ]
        end = self.amount(right)
        lines.append(f"{'':>{GUTTER - 1}} └{'─' * COLUMNS}")
        lines.append(f"{'':>{GUTTER + 1}}{self.amount(0.0)}{end:>{COLUMNS - len(self.amount(0.0))}}")
        return "\n".join(lines)

    def place(self, across: float, up: float) -> tuple[float, float]:
        """Return where a point is on the picture."""
        low, high = self._lines[0], self._lines[-1]
        x = LEFT + (WIDTH - LEFT - RIGHT) * across / (MARGIN * self._right)
        y = TOP + (HEIGHT - TOP - BOTTOM) * (high - up) / (high - low)
        return round(x, 1), round(y, 1)

    def letters(self) -> list[Letters]:
        """Return the words along the axes, and a letter for each point."""
        found = [
            Letters(LEFT - 6, self.place(0, value)[1] + 4, "end", percent(value)) for value in self._lines
        ]
        for tick in ticks(self._right, 4):
            if tick <= MARGIN * self._right:
                x, _ = self.place(tick, 0.0)
                found.append(Letters(x, HEIGHT - BOTTOM + 18, "middle", self.amount(tick)))
        found.append(Letters((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 4, "middle", self.axis))
        for each in self.points:
            x, y = self.place(each.across, each.up)
            found.append(Letters(x, y - 7, "middle", each.letter))
        return found

    def grid(self) -> str:
        """Return the path of the horizontal lines."""
        return "".join(f"M{LEFT} {self.place(0, value)[1]}H{WIDTH - RIGHT}" for value in self._lines)

    def dots(self, *, best: bool) -> str:
        """Return the path of the points, the best one apart."""
        places = (self.place(each.across, each.up) for each in self.points if each.best is best)
        return "".join(f"M{x} {y}h0" for x, y in places)

    @property
    def _right(self) -> float:
        return max((each.across for each in self.points), default=0.0) or 1.0

    @property
    def _lines(self) -> list[float]:
        """The accuracies of the picture's horizontal lines, round ones, which all points lie between."""
        low, high = self._range
        step = next((each for each in STEPS if high - low <= LINES * each), STEPS[-1])
        first, last = floor(round(low / step, 6)), ceil(round(high / step, 6))
        return [number * step for number in range(first, last + 1)]

    @property
    def _range(self) -> tuple[float, float]:
        """The lowest and the highest accuracy on the vertical axis, which are not the same."""
        values = [each.up for each in self.points] or [0.0, 1.0]
        low, high = min(values), max(values)
        return (low, high) if high > low else (max(0.0, low - 0.05), min(1.0, low + 0.05))


def letter(index: int) -> str:
    """Return the letter of a member: a to z, A to Z, then a plus sign for all that follow."""
    names: Sequence[str] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return names[index] if index < len(names) else "+"
