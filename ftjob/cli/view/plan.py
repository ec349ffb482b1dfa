"""A plan for people: what matters in a few lines, then what becomes of every layer."""

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table

from ftjob.cli.view.markup import Text
from ftjob.formatting import count
from ftjob.plan.summary.layer_rows import HEAD, layer_rows
from ftjob.plan.summary.plan_lines import summary_of

if TYPE_CHECKING:
    from ftjob.plan.diagnosis.explain import Explanation
    from ftjob.plan.plan import Plan

KIND_STYLE = {"copied": "blue", "frozen": "cyan", "new": "yellow", "unused": "dim"}
TONE_STYLE = {"": "", "good": "green", "bad": "bold red", "head": "green", "dim": "dim", **KIND_STYLE}


def plan_view(plan: "Plan", shortfall: str, *, every_layer: bool) -> RenderableType:
    """Return all that `ftjob plan` prints; `every_layer` does not put layers alike into one line."""
    return Group(summary(plan, shortfall), Text(), layers_table(plan, every_layer=every_layer))


def explanation(found: "Explanation") -> RenderableType:
    """Return why something failed, what shows it, and what to do."""
    lines = Table.grid(padding=(0, 2))
    lines.add_column(style="bold", no_wrap=True)
    lines.add_column(overflow="fold")
    lines.add_row("cause", Text(found.cause, "green" if found.healthy else "red"))
    attempts = f"the last of {found.attempts} trainings in this file" if found.attempts > 1 else ""
    for name, value in (
        ("log", Text(attempts)),
        ("seen", Text(found.seen, "dim")),
        ("fix", Text(found.fix)),
        ("spec", Text(found.patch)),
    ):
        if value:
            lines.add_row(name, value)
    return lines


def summary(plan: "Plan", shortfall: str) -> RenderableType:
    """Return the few lines that matter before a run starts, what would fail first; `shortfall` is
    shortfall_of(plan)."""
    found = summary_of(plan, shortfall)
    lines = Table.grid(padding=(0, 2))
    lines.add_column(style="bold", no_wrap=True)
    lines.add_column(overflow="fold")
    for line in found.lines:
        lines.add_row(line.name, Text.assemble(*((part.text, TONE_STYLE[part.tone]) for part in line.parts)))
    return Group(
        Text.assemble((found.run, "bold"), f"  {found.net}"),
        *(Text(f"✗ {sentence}", "bold red") for sentence in found.problems),
        lines,
        *(Text(f"! {sentence}", "yellow") for sentence in found.warnings),
        Text(f"assumed: {found.assumed}", "dim"),
    )


def layers_table(plan: "Plan", *, every_layer: bool) -> Table:
    """Return what becomes of the layers with params; runs of layers with the same lot are one line, unless
    every layer is asked for, then with its shapes and what there is to say of it."""
    heads = {head.layer for head in plan.heads}
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("LAYER", no_wrap=True)
    table.add_column("TYPE", no_wrap=True)
    table.add_column("PARAMS", justify="right", no_wrap=True)
    table.add_column("WEIGHTS", no_wrap=True)
    if every_layer:
        table.add_column("SHAPES", overflow="fold")
    for row in layer_rows(plan.transfer, heads, every_layer=every_layer):
        style = "bold green" if row.kind == HEAD else KIND_STYLE.get(row.kind, "red")
        more = [Text.assemble(f"{row.shapes} ", (row.remark, "dim"))] if every_layer else []
        cells = (Text(row.layers), Text(row.types), Text(count(row.parameters)), Text(row.kind, style))
        table.add_row(*cells, *more)
    return table
