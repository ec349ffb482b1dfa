"""Curves as places on a picture, which the page draws in its own colours and letters, light or dark. Pure."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ftjob.formatting import count, number

WIDTH, HEIGHT = 380, 230
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 8, 36
"""Room for the axes."""
COLOURS = 6
"""Of the page's styles c0, c1 and so on, which also differ in their dashes."""
FEW = 60
"""Points up to which each is marked."""

Point = tuple[float, float]
Place = Callable[[float, float], str]


@dataclass(frozen=True)
class Curve:
    """One curve."""

    name: str
    points: tuple[Point, ...]
    band: tuple[tuple[float, float, float], ...] = ()
    """(x, lowest, highest) of what was averaged into the points."""


@dataclass(frozen=True)
class Drawn:
    """One curve as the paths of an SVG; empty where there is nothing to draw."""

    style: str
    line: str
    band: str
    dots: str


@dataclass(frozen=True)
class Letters:
    """Words on the picture."""

    x: float
    y: float
    anchor: str
    text: str


@dataclass(frozen=True)
class Chart:
    """Curves over iterations. `top` is where the vertical axis ends; None where the data decide."""

    title: str
    lines: tuple[Curve, ...]
    top: float | None = None
    unit: str = ""

    @property
    def words(self) -> str:
        """The chart in words, for screen readers."""
        texts = [f"{line.name} {self._span(line)}" for line in self.lines if line.points]
        return f"{self.title}: {'; '.join(texts)}."

    def _span(self, line: Curve) -> str:
        (first, begin), (last, end) = line.points[0], line.points[-1]
        shown = [f"{number(value)}{self.unit}" for value in (begin, end)]
        return f"from {shown[0]} at iteration {first:.0f} to {shown[1]} at iteration {last:.0f}"

    @property
    def is_empty(self) -> bool:
        return not any(line.points for line in self.lines)

    @property
    def across(self) -> list[float]:
        """The ticks of the iterations."""
        last = max((line.points[-1][0] for line in self.lines if line.points), default=1.0) or 1.0
        return [tick for tick in ticks(last, 4) if tick <= last and tick.is_integer()]

    @property
    def up(self) -> list[float]:
        """The ticks of the vertical axis."""
        highest = max((value for line in self.lines for _, value in line.points), default=1.0)
        return ticks(self.top or max(highest, 1e-12), 5)

    def place(self, x: float, y: float) -> str:
        """Return where a point is on the picture."""
        right = max((line.points[-1][0] for line in self.lines if line.points), default=1.0) or 1.0
        top = self.up[-1]
        across = LEFT + (WIDTH - LEFT - RIGHT) * x / right
        down = HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * min(max(y, 0.0), top) / top
        return f"{across:.1f} {down:.1f}"

    def letters(self) -> list[Letters]:
        """Return the words along the axes."""
        up = [(float(self.place(0, tick).split()[1]), f"{tick:g}{self.unit}") for tick in self.up]
        across = [(float(self.place(tick, 0).split()[0]), count(round(tick))) for tick in self.across]
        return [
            *(Letters(LEFT - 6, y + 4, "end", text) for y, text in up),
            *(Letters(x, HEIGHT - BOTTOM + 15, "middle", text) for x, text in across),
            Letters((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 4, "middle", "iteration"),
        ]

    def grid(self) -> str:
        """Return the path of the horizontal lines."""
        return "".join(f"M{self.place(0, tick)}H{WIDTH - RIGHT}" for tick in self.up)

    def drawn(self) -> list[Drawn]:
        """Return the curves."""
        return [_drawn(line, f"c{index % COLOURS}", self.place) for index, line in enumerate(self.lines)]


def _drawn(line: Curve, style: str, place: Place) -> Drawn:
    places = [place(x, y) for x, y in line.points]
    edge = [place(x, high) for x, _, high in line.band]
    edge += [place(x, low) for x, low, _ in reversed(line.band)]
    return Drawn(
        style=style,
        line=f"M{'L'.join(places)}" if places else "",
        band=f"M{'L'.join(edge)}z" if edge else "",
        dots="".join(f"M{each}h0" for each in places) if len(places) <= FEW else "",
    )


def ticks(highest: float, most: int) -> list[float]:
    """Return round numbers from 0 on, the last of them at or just above `highest`, about `most` of them."""
    rough = highest / most
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= rough * 0.999)
    return [float(f"{step * index:.12g}") for index in range(math.ceil(highest / step * 0.999) + 1)]


def averaged(name: str, points: Sequence[Point], size: int) -> Curve:
    """Return a curve of at most `size` points, each the mean of some in a row; the band is their range."""
    each = max(1, math.ceil(len(points) / size))
    groups = [points[begin : begin + each] for begin in range(0, len(points), each)]
    values = [[value for _, value in group] for group in groups]
    ends = [group[-1][0] for group in groups]
    means = tuple((x, sum(found) / len(found)) for x, found in zip(ends, values, strict=True))
    band = tuple((x, min(found), max(found)) for x, found in zip(ends, values, strict=True))
    return Curve(name, means, band if each > 1 else ())


def stepped(name: str, points: Sequence[Point], size: int) -> Curve:
    """Return a curve by the points at which it changes, so that steps stay steps; averaged where those are
    more than `size`."""
    values = [value for _, value in points]
    ends = {0, len(points) - 1}
    changes = {at for at in range(1, len(points)) if values[at] != values[at - 1]}
    kept = sorted(ends | changes | {at - 1 for at in changes}) if points else []
    if len(kept) > size:
        return Curve(name, averaged(name, points, size).points)
    return Curve(name, tuple(points[at] for at in kept))
