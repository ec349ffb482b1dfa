"""What was made: bundles that were verified, runs that were compared."""

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table

from ftjob.cli.view.markup import Text
from ftjob.formatting import brief, dollars, percent
from ftjob.report.compare.phrases import THAN, basis
from ftjob.report.words import points, span

if TYPE_CHECKING:
    from ftjob.bundle.export import Exported
    from ftjob.bundle.verify import Verification
    from ftjob.report.compare.comparison import Comparison, Difference

CLASSES = 10
"""Classes that changed most."""
STYLES = {"better": "green", "worse": "red"}


def verified(verification: "Verification") -> RenderableType:
    """Return whether a bundle answers the same, and how well it does on its golden images."""
    found = verification
    same = (
        f"{found.same_answers} of {found.images} golden images answered the same; scores differ by at most "
        f"{found.largest_difference:.1e} of the largest ({found.tolerance:g} in {found.precision} on "
        f"{found.device} is allowed), and by {found.together_difference:.1e} with other images in the batch"
    )
    right = f"{found.right_answers} of {found.images} golden images answered correctly"
    if found.images and not found.right_answers:
        return Text.assemble(
            (f"{same}\n", "green" if found.ok else "red"),
            (f"! {right}: look at the accuracy of its run, and do not trust its answers", "yellow"),
        )
    return Text(f"{same}\n{right}", "green" if found.ok else "red")


def exported(found: "Exported") -> RenderableType:
    """Return what was written, what it takes and gives, and that it was checked."""
    return Text(
        f"{found.path}: {found.bytes:,} bytes, takes {found.takes}, gives {', '.join(found.outputs)}\n"
        f"{found.images} golden images answered the same; scores differ by at most "
        f"{found.largest_difference:.1e} of the largest ({found.tolerance:g} is allowed)",
        "green",
    )


def compared(comparison: "Comparison") -> RenderableType:
    """Return runs beside one another: figures, verdicts, classes that changed most, fields that differ."""
    parts: list[RenderableType] = [_runs_table(comparison)]
    first = comparison.runs[0].run
    for each in comparison.differences:
        than = THAN[each.verdict] if each.verdict else "cannot be compared with"
        style = STYLES.get(each.verdict or "", "")
        parts.append(Text.assemble("\n", (f"{each.run}: {than} {first}", style), f". {basis(each)}"))
    if classes := comparison.changed_classes:
        table = _table(comparison, "CLASS", "CHANGE" if len(comparison.runs) == 2 else "LARGEST CHANGE")
        for recalls in classes[:CLASSES]:
            table.add_row(recalls.name, *map(percent, recalls.recalls), points(recalls.change))
        parts += ["", table]
    if comparison.spec:
        table = _table(comparison, "FIELD")
        for field in comparison.spec:
            table.add_row(field.field, *field.values)
        parts += ["", table]
    return Group(*parts)


def _runs_table(comparison: "Comparison") -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("RUN", overflow="fold", min_width=14)
    for heading in ("ACCURACY", "95%", "DIFFERENCE", "COST", "TIME"):
        table.add_column(heading, justify="right", no_wrap=True)
    differences: list[Difference | None] = [None, *comparison.differences]
    for run, difference in zip(comparison.runs, differences, strict=True):
        accuracy = difference.accuracy if difference else None
        table.add_row(
            run.run,
            percent(run.accuracy),
            span(run.interval),
            "–" if accuracy is None else points(accuracy),
            dollars(run.usd),
            brief(run.seconds),
        )
        for stage in run.stages:
            figures = (percent(stage.accuracy), "", "", dollars(stage.usd), brief(stage.seconds))
            table.add_row(f"  stage {stage.name}", *figures, style="dim")
    return table


def _table(comparison: "Comparison", first: str, last: str = "") -> Table:
    """Return a table with a column for each run."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column(first, overflow="fold")
    for run in comparison.runs:
        table.add_column(run.run, overflow="fold")
    if last:
        table.add_column(last, justify="right", no_wrap=True)
    return table
