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
    at_once = f", {sweep.parallel} at a time" if sweep.parallel > 1 else ", one at a time"
    together = f"together {dollars(plan.usd)} and {duration(plan.seconds)} of {plan.spec.resources.node}"
    took = f"{together}; {duration(plan.parallel_seconds)}{at_once}"
    halving = sweep.halving
    less = f"less with halving: the best 1/{halving.factor} continue after {halving.first}" if halving else ""
    copied = sum(bool(each.copied) for each in plan.members)
    shared = f"members that copy a stage from another: {copied}" if copied else ""
    limit = plan.spec.budget.usd
    budget = f"budget {dollars(limit)} for all" if limit is not None else ""
    problems = [Text(f"✗ {sentence}", "bold red") for sentence in plan.problems]
    warnings = [Text(f"! {plan.shortfall}", "yellow")] if plan.shortfall else []
    rest = [Text(line) for line in (took, shared, less, budget) if line]
    return Group(head, *problems, table, Text(), *rest, *warnings)


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
