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
NEAR = 0.01
"""Powers of ten by which an end may miss a tick that is shown."""

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
class Axis:
    """A horizontal axis: from 0 to the last x, or by powers of ten from the first x to the last."""

    name: str = "iteration"
    is_logarithmic: bool = False

    def share(self, x: float, ends: tuple[float, float]) -> float:
        """Return how far along the axis a value is: from 0 to 1."""
        if not self.is_logarithmic:
            return x / ends[1]
        first, last = map(math.log10, ends)
        return (math.log10(x) - first) / ((last - first) or 1.0)

    def ticks(self, ends: tuple[float, float]) -> list[float]:
        """Return the values that are marked."""
        if not self.is_logarithmic:
            return [tick for tick in ticks(ends[1], 4) if tick <= ends[1] and tick.is_integer()]
        first, last = (math.log10(end) for end in ends)
        return [10.0**power for power in range(math.ceil(first - NEAR), math.floor(last + NEAR) + 1)]

    def text(self, x: float) -> str:
        """Return a value in words."""
        return f"{x:.2g}" if self.is_logarithmic else f"{x:.0f}"

    def mark(self, tick: float) -> str:
        """Return a tick's text."""
        return f"{tick:g}" if self.is_logarithmic else count(round(tick))


@dataclass(frozen=True)
class Chart:
    """Curves over iterations. `top` is where the vertical axis ends; None where the data decide."""

    title: str
    lines: tuple[Curve, ...]
    top: float | None = None
    unit: str = ""
    axis: Axis = Axis()

    @property
    def words(self) -> str:
        """The chart in words, for screen readers."""
        texts = [f"{line.name} {self._span(line)}" for line in self.lines if line.points]
        return f"{self.title}: {'; '.join(texts)}."

    def _span(self, line: Curve) -> str:
        (first, begin), (last, end) = line.points[0], line.points[-1]
        shown = [f"{number(value)}{self.unit}" for value in (begin, end)]
        places = [f"{self.axis.name} {self.axis.text(x)}" for x in (first, last)]
        return f"from {shown[0]} at {places[0]} to {shown[1]} at {places[1]}"

    @property
    def is_empty(self) -> bool:
        return not any(line.points for line in self.lines)

    @property
    def ends(self) -> tuple[float, float]:
        """The first and the last x."""
        lines = [line.points for line in self.lines if line.points]
        first = min((points[0][0] for points in lines), default=1.0)
        return first, max((points[-1][0] for points in lines), default=1.0) or 1.0

    @property
    def up(self) -> list[float]:
        """The ticks of the vertical axis."""
        highest = max((value for line in self.lines for _, value in line.points), default=1.0)
        return ticks(self.top or max(highest, 1e-12), 5)

    def place(self, x: float, y: float) -> str:
        """Return where a point is on the picture."""
        return f"{self._across(x):.1f} {self._down(y):.1f}"

    def _across(self, x: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * self.axis.share(x, self.ends)

    def _down(self, y: float) -> float:
        top = self.up[-1]
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * min(max(y, 0.0), top) / top

    def letters(self) -> list[Letters]:
        """Return the words along the axes."""
        return [
            *(Letters(LEFT - 6, self._down(tick) + 4, "end", f"{tick:g}{self.unit}") for tick in self.up),
            *(
                Letters(self._across(tick), HEIGHT - BOTTOM + 15, "middle", self.axis.mark(tick))
                for tick in self.axis.ticks(self.ends)
            ),
            Letters((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 4, "middle", self.axis.name),
        ]

    def grid(self) -> str:
        """Return the path of the horizontal lines."""
        return "".join(f"M{LEFT:.1f} {self._down(tick):.1f}H{WIDTH - RIGHT}" for tick in self.up)

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
