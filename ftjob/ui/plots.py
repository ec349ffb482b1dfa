"""Charts besides those of a report, and charts as a script draws them. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ftjob.report.chart import Axis, Chart, Curve, Point, averaged
from ftjob.report.facts import Facts
from ftjob.report.now import money_now

POINTS = 2000
"""Of a curve that one can zoom into."""
UNITS = (("hours", 3600.0), ("minutes", 60.0), ("seconds", 1.0))
LEAST_UNITS = 4
"""Of a unit in a time that is shown by it."""


@dataclass(frozen=True)
class DrawnLine:
    """A curve, for a script to draw."""

    name: str
    x: list[float]
    y: list[float]
    low: list[float]
    high: list[float]
    """What was averaged into the points is between these two; empty where nothing was."""


@dataclass(frozen=True)
class ChartDocument:
    """A chart, for a script to draw: what static/ui.js reads."""

    title: str
    words: str
    unit: str
    axis: str
    lines: list[DrawnLine]


def money_chart(facts: Facts) -> Chart:
    """Return what a run has cost by the time since it began, attempt by attempt, and its budget."""
    status = facts.status
    rows = [row for row in facts.bill.rows if row.begun is not None]
    begin = min((row.begun or 0.0 for row in rows), default=0.0)
    spent, usd = [(0.0, 0.0)], 0.0
    for row in rows:
        began = (row.begun or 0.0) - begin
        spent.append((max(began, spent[-1][0]), usd))
        usd += row.whole.usd
        spent.append((spent[-1][0] + row.whole.seconds, usd))
    money = money_now(facts, status)
    coming: list[Point] = []
    if not status.state.ended and money.whole > usd and status.eta_seconds is not None:
        coming = [spent[-1], (spent[-1][0] + status.eta_seconds, money.whole)]
    whole = max(spent[-1][0], coming[-1][0] if coming else 0.0)
    unit, size = next((each for each in UNITS if whole >= LEAST_UNITS * each[1]), UNITS[-1])
    limit = [] if money.budget is None else [(0.0, money.budget), (whole, money.budget)]
    lines = (("spent", spent if rows else []), ("to come", coming), ("budget", limit if rows else []))
    return Chart(
        "Money",
        tuple(Curve(name, tuple((x / size, y) for x, y in points)) for name, points in lines if points),
        unit=" $",
        axis=Axis(unit),
    )


def charts_together(runs: Sequence[Facts], points: int) -> list[Chart]:
    """Return charts of the losses and the accuracies of several runs, a curve for each."""
    return [
        Chart("Training loss", tuple(averaged(each.run, _losses(each), points) for each in runs)),
        Chart(
            "Accuracy on the validation images",
            tuple(Curve(each.run, tuple(_accuracies(each))) for each in runs),
            top=100.0,
            unit=" %",
        ),
    ]


def _losses(facts: Facts) -> list[Point]:
    return [(line.iteration, line.loss) for line in facts.train if line.loss is not None]


def _accuracies(facts: Facts) -> Iterator[Point]:
    for test in facts.tests:
        yield test.iteration, 100 * test.accuracy


def documents_of(charts: Iterable[Chart]) -> list[ChartDocument]:
    """Return the charts that have something to draw."""
    return [
        ChartDocument(
            title=chart.title,
            words=chart.words,
            unit=chart.unit,
            axis=chart.axis.name,
            lines=[_line(line) for line in chart.lines if line.points],
        )
        for chart in charts
        if not chart.is_empty
    ]


def _line(line: Curve) -> DrawnLine:
    return DrawnLine(
        name=line.name,
        x=[x for x, _ in line.points],
        y=[y for _, y in line.points],
        low=[low for _, low, _ in line.band],
        high=[high for _, _, high in line.band],
    )
