"""What a learning-rate range test showed: the curve, and the rate that it suggests."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType

from ftjob.cli.view.markup import Text

if TYPE_CHECKING:
    from ftjob.tuning.rate_curve import RateCurve

COLUMNS, ROWS = 60, 12
"""Letters of the plot."""
SINGLE, SMOOTHED, SUGGESTED = "·", "•", "│"


def tuned(curve: "RateCurve") -> RenderableType:
    """Return the plot of a curve, and the line to put into the spec or why there is none."""
    parts: list[RenderableType] = [Text("\n".join(_plot(curve)))] if len(curve.points) > 1 else []
    if curve.problem:
        return Group(*parts, Text(f"no rate is suggested: {curve.problem}", "yellow"))
    return Group(*parts, Text(_found(curve)), Text(f"\nsolver:\n  base_lr: {curve.suggestion:g}", "bold"))


def _found(curve: "RateCurve") -> str:
    """Return where the curve falls fastest, is lowest and explodes."""
    lowest = curve.lowest
    assert lowest is not None
    end = f"and explodes at {curve.exploded:.2g}" if curve.exploded else "and does not explode"
    return f"the loss falls fastest at {curve.suggestion:g}, is lowest at {lowest.rate:.2g} {end}"


def _plot(curve: "RateCurve") -> Iterator[str]:
    """Yield the lines of a plot, loss by rate; single losses above the highest mean are in its top line."""
    points = curve.points
    top, bottom = max(each.smoothed for each in points), min(each.smoothed for each in points)
    height = (top - bottom) or 1.0
    cells = [[" "] * COLUMNS for _ in range(ROWS)]

    def column(index: int) -> int:
        return round(index / (len(points) - 1) * (COLUMNS - 1))

    def row(loss: float) -> int:
        return round(min(1.0, max(0.0, (top - loss) / height)) * (ROWS - 1))

    if curve.steepest:
        for line in cells:
            line[column(points.index(curve.steepest))] = SUGGESTED
    for index, each in enumerate(points):
        cells[row(each.loss)][column(index)] = SINGLE
    for index, each in enumerate(points):
        cells[row(each.smoothed)][column(index)] = SMOOTHED
    for number, line in enumerate(cells):
        loss = f"{top - height * number / (ROWS - 1):7.3g}" if number % 3 == 0 or number == ROWS - 1 else ""
        yield f"{loss:>7} ┤{''.join(line)}".rstrip()
    first, last = (f"{each.rate:.1g}" for each in (points[0], points[-1]))
    yield f"{'':8}└{'─' * COLUMNS}"
    yield f"{'loss':>7}  {first}{'learning rate':^{COLUMNS - len(first) - len(last)}}{last}"
