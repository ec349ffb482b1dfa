"""A run's accuracy, or loss, as a line of a table's height. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from ftjob.formatting import number, percent
from ftjob.report.chart import Point, averaged
from ftjob.runfolder.records.metrics import TestLine, TrainLine

WIDTH, HEIGHT, MARGIN = 96, 24, 2
POINTS = 40


@dataclass(frozen=True)
class Sparkline:
    """A line in a box of WIDTH by HEIGHT."""

    path: str
    words: str
    """For screen readers."""
    is_loss: bool = False


def sparkline(tests: Sequence[TestLine], train: Sequence[TrainLine]) -> Sparkline | None:
    """Return the line of the accuracy by iteration, and before there are two tests that of the loss; None
    where there are not two points."""
    tested = [(float(test.iteration), test.accuracy) for test in tests]
    if len(tested) > 1:
        words = f"accuracy from {percent(tested[0][1])} to {percent(tested[-1][1])}"
        return Sparkline(_path(tested), words)
    losses = [(float(line.iteration), line.loss) for line in train if line.loss is not None]
    if len(losses) > 1:
        words = f"loss from {number(losses[0][1])} to {number(losses[-1][1])}"
        return Sparkline(_path(losses), words, is_loss=True)
    return None


def _path(points: Sequence[Point]) -> str:
    kept = averaged("", points, POINTS).points
    first, last = kept[0][0], kept[-1][0]
    low, high = min(y for _, y in kept), max(y for _, y in kept)
    across, up = (last - first) or 1.0, (high - low) or 1.0
    places = (
        f"{MARGIN + (WIDTH - 2 * MARGIN) * ((x - first) / across):.1f} "
        f"{HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * ((y - low) / up):.1f}"
        for x, y in kept
    )
    return f"M{'L'.join(places)}"
