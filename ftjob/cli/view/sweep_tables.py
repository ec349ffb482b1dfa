"""A sweep for people: its plan, and what its members came to."""

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table

from ftjob.cli.view.markup import Text
from ftjob.formatting import brief, dollars, duration, percent
from jobspec.sweeps.swept_field import heading_of

if TYPE_CHECKING:
    from ftjob.prepare.sweep_plan import SweepPlan
    from ftjob.report.compare.sweep_comparison import SweepComparison


def sweep_plan(plan: "SweepPlan") -> RenderableType:
    """Return a sweep's members with what each would cost, and what all do together."""
    assert plan.spec.sweep
    sweep = plan.spec.sweep
    fields = [heading_of(field) for field in sweep.fields]
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("MEMBER", no_wrap=True)
    for field in fields:
        table.add_column(field.upper(), overflow="fold")
    for heading in ("ITERATIONS", "TIME", "COST"):
        table.add_column(heading, justify="right", no_wrap=True)
    for each in plan.members:
        table.add_row(
            each.member.name,
            *each.member.values.values(),
            str(each.plan.max_iter),
            duration(each.seconds),
            dollars(each.usd),
        )
    head = Text.assemble((f"{plan.spec.name}/{plan.sweep_id}", "bold"), f"  {len(plan.members)} members")
    problems = [Text(f"✗ {sentence}", "bold red") for sentence in plan.problems]
    warnings = [Text(f"! {plan.shortfall}", "yellow")] if plan.shortfall else []
    return Group(head, *problems, table, Text(), *map(Text, plan.in_words), *warnings)


def sweep_members(comparison: "SweepComparison") -> RenderableType:
    """Return a sweep's members, the best first, and a plot of accuracy against cost."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("", "MEMBER"):
        table.add_column(heading, no_wrap=True)
    for field in comparison.fields:
        table.add_column(heading_of(field).upper(), overflow="fold")
    table.add_column("STATE", no_wrap=True)
    for heading in ("ACCURACY", "COST", "TIME"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in comparison.rows:
        table.add_row(
            row.letter,
            row.name,
            *row.overrides,
            row.state,
            percent(row.accuracy),
            dollars(row.usd),
            brief(row.seconds),
            style="green" if row.best else "",
        )
    head = Text.assemble((comparison.run, "bold"), f"  {comparison.state}: {comparison.sentence}")
    plot = [Text(), Text(comparison.scatter.text())] if comparison.scatter.points else []
    return Group(head, table, *plot)
