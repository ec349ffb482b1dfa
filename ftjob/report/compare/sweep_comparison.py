"""A sweep's members beside one another: what each was given, what it cost, how accurate it is."""

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from ftjob.formatting import brief, dollars, percent
from ftjob.report.ci.codespan import cell, code
from ftjob.report.compare.scatter import Scatter, ScatterPoint, letter
from ftjob.report.templating import templates
from ftjob.sweep.standing import SweepState

BEHIND = "behind"
"""The state shown of a member that halving stopped."""


@dataclass(frozen=True)
class SweepRow:
    """One member."""

    letter: str
    """On the plot."""
    name: str
    overrides: tuple[str, ...]
    """The value of each swept field, in the order of the spec."""
    state: str
    """Waiting before it has started, `behind` where halving stopped it."""
    rungs: int
    """How many rungs of halving it reached."""
    accuracy: float | None
    usd: float
    seconds: float
    best: bool


@dataclass(frozen=True)
class SweepComparison:
    """The members of a sweep: a table, and a plot of cost against accuracy."""

    run: str
    """NAME/ID of the sweep."""
    state: str
    fields: tuple[str, ...]
    """The swept fields, as SECTION.FIELD."""
    rows: tuple[SweepRow, ...]
    """The best first, then the others by accuracy; those that were not tested last."""
    sentence: str

    @cached_property
    def scatter(self) -> Scatter:
        """The members that were tested, by what they cost; by time where all of it was free."""
        tested = [row for row in self.rows if row.accuracy is not None]
        in_dollars = any(row.usd for row in tested)
        points = (
            ScatterPoint(
                row.letter, row.name, row.usd if in_dollars else row.seconds, row.accuracy or 0.0, row.best
            )
            for row in tested
        )
        return Scatter(tuple(points), in_dollars)

    def html(self) -> str:
        """Return a page of its own."""
        return templates().get_template("sweep.html").render(sweep=self)

    def markdown(self) -> str:
        """Return Markdown, for a pull request or a job's summary."""
        names = " | ".join(cell(field) for field in self.fields)
        lines = [
            f"### Sweep {code(self.run)}",
            "",
            f"{self.state}: {self.sentence}",
            "",
            f"| | member | {names} | state | accuracy | cost | time |",
            f"| :-: | :-- |{' :-- |' * len(self.fields)} :-- | --: | --: | --: |",
        ]
        for row in self.rows:
            cells = (
                f"**{row.letter}**" if row.best else row.letter,
                cell(row.name),
                *map(cell, row.overrides),
                row.state,
                f"**{percent(row.accuracy)}**" if row.best else percent(row.accuracy),
                dollars(row.usd),
                brief(row.seconds),
            )
            lines.append(f"| {' | '.join(cells)} |")
        return "\n".join([*lines, "", "```text", self.scatter.text(), "```", ""])

    def to_json(self) -> dict[str, Any]:
        """Return the figures as plain values; docs/sweeps.md has every field."""
        return {
            "sweep": self.run,
            "state": self.state,
            "members": [
                {**asdict(row), "overrides": dict(zip(self.fields, row.overrides, strict=True))}
                for row in self.rows
            ],
        }


def compare_members(run: str, state: str, sweep: SweepState) -> SweepComparison:
    """Return the comparison of a sweep's members."""
    records = {record.name: record for record in sweep.records}
    best = sweep.best.name if sweep.best else ""
    found = []
    for member in sweep.members:
        record = records.get(member.name)
        found.append(
            SweepRow(
                letter="",
                name=member.name,
                overrides=tuple(member.values.values()),
                state="waiting"
                if record is None
                else BEHIND
                if record.stopped
                else str(record.state or "new"),
                rungs=len(record.rungs) if record else 0,
                accuracy=record.accuracy if record else None,
                usd=record.spent.usd if record else 0.0,
                seconds=record.spent.seconds if record else 0.0,
                best=member.name == best,
            )
        )
    found.sort(key=lambda row: (not row.best, -(row.accuracy if row.accuracy is not None else -1.0)))
    rows = (SweepRow(**{**vars(row), "letter": letter(index)}) for index, row in enumerate(found))
    fields = tuple(sweep.members[0].overrides) if sweep.members else ()
    return SweepComparison(run, state, fields, tuple(rows), sweep.sentence())
