"""A plan for people: what matters in a few lines, then what becomes of every layer."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from math import prod
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table

from ftjob.cli.view.markup import Text
from ftjob.formatting import count, dollars, duration, gib
from jobspec.pinned import name_of

if TYPE_CHECKING:
    from ftjob.net.caffemodel.transfer import LayerTransfer
    from ftjob.plan.diagnosis.explain import Explanation
    from ftjob.plan.plan import Plan

KIND_STYLE = {"copied": "blue", "frozen": "cyan", "new": "yellow", "unused": "dim"}
HEAD = "head"
REPLACED = "replaced by "
WORTH_A_CHANGE = 0.1
"""The share of a run's time that a change of the spec must save to be proposed."""


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
    base = plan.inputs.weights
    title = Text.assemble(
        (f"{plan.spec.name}/{plan.run_id}", "bold"),
        f"  {plan.spec.base.net}",
        f" ← {name_of(base.location)}" if base else " from scratch",
    )
    lines = Table.grid(padding=(0, 2))
    lines.add_column(style="bold", no_wrap=True)
    lines.add_column(overflow="fold")
    for name, value in _lines(plan):
        lines.add_row(name, Text(value) if isinstance(value, str) else value)
    problems = [Text(f"✗ {sentence}", "bold red") for sentence in plan.problems]
    warnings = [Text(f"! {sentence}", "yellow") for sentence in (shortfall, *plan.warnings) if sentence]
    assumed = Text("assumed: " + "; ".join(plan.forecast.cost.assumptions), "dim")
    return Group(title, *problems, lines, *warnings, assumed)


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


@dataclass(frozen=True)
class LayerRow:
    """One line of the table: a layer, or a run of layers with the same lot."""

    layers: str
    types: str
    parameters: int
    shapes: str
    kind: str
    remark: str


def layer_rows(
    transfer: Iterable["LayerTransfer"], heads: set[str], *, every_layer: bool
) -> Iterator[LayerRow]:
    """Yield the lines of the table, in the net's order. Heads and layers with a remark stand alone; what
    others replace is left out unless every layer is asked for."""

    def lot(numbered: "tuple[int, LayerTransfer]") -> tuple[str, str, int]:
        number, layer = numbered
        alone = every_layer or layer.layer in heads
        return layer.kind, layer.remark, number if alone else -1

    shown = [layer for layer in transfer if every_layer or not layer.remark.startswith(REPLACED)]
    for _, run in groupby(enumerate(shown), key=lot):
        yield _row([layer for _, layer in run], heads)


def _row(layers: "list[LayerTransfer]", heads: set[str]) -> LayerRow:
    first, last = layers[0], layers[-1]
    alone = len(layers) == 1
    types = list(dict.fromkeys(layer.type for layer in layers))
    return LayerRow(
        layers=first.layer if alone else f"{first.layer} … {last.layer}",
        types=types[0] if alone else f"{len(layers)} layers",
        parameters=sum(prod(shape) for layer in layers for shape in layer.shapes or layer.source_shapes),
        shapes=" ".join("x".join(map(str, shape)) for shape in first.shapes or first.source_shapes),
        kind=HEAD if first.layer in heads else first.kind,
        remark=first.remark,
    )


def _lines(plan: "Plan") -> Iterator[tuple[str, RenderableType]]:
    train, val, solver = plan.inputs.train, plan.inputs.val, plan.solver
    yield "data", f"{train.records} images to train on, {val.records} to validate, {len(plan.labels)} classes"
    yield "heads", _heads(plan)
    if plan.inputs.weights:
        yield "weights", _weights(plan)
    for note in plan.notes:
        yield "prototxt", note
    yield "params", _params(plan)
    yield (
        "solver",
        f"{solver.max_iter} iterations of {plan.images_per_iteration} images "
        f"({_gpus(plan)}{round(plan.epochs, 1):,g} epochs), "
        f"test every {solver.test_interval}, snapshot every {solver.snapshot}",
    )
    yield "engine", f"{plan.engine.title}: {plan.engine.why}"
    yield "memory", _memory(plan)
    if features := _features(plan):
        yield "features", features
    yield "time", _time(plan)
    yield "cost", _cost(plan)


def _gpus(plan: "Plan") -> str:
    """How several GPUs share an iteration; empty for one."""
    gpus, batches = plan.spec.solver.gpus, plan.forecast.batches
    passes = f" × {batches.iter_size}" if batches.iter_size > 1 else ""
    return f"{gpus} GPUs, batch {gpus} × {batches.batch_size}{passes}; " if gpus > 1 else ""


def _heads(plan: "Plan") -> Text:
    """The heads, and in dim how each was found."""
    number = f"{len(plan.heads)} classifiers" if len(plan.heads) > 1 else "1 classifier"
    text = Text(f"{number}, {len(plan.labels)} outputs, renamed to …_{plan.spec.name}")
    for head in plan.heads:
        text.append(f"\n{head.source}", "green")
        text.append(" (in deploy)" if head.main and len(plan.heads) > 1 else "")
        text.append(f": {head.why}", "dim")
    return text


def _weights(plan: "Plan") -> RenderableType:
    kinds = [layer.kind for layer in plan.transfer]
    text = Text.assemble(("✓ ", "green"))
    parts = [(kind, kinds.count(kind)) for kind in ("copied", "frozen", "new", "unused")]
    for number, (kind, found) in enumerate(part for part in parts if part[1]):
        text.append(", " if number else "")
        text.append(f"{found} layers {kind}" if not number else f"{found} {kind}", KIND_STYLE[kind])
    if plan.inputs.weights and plan.inputs.weights.note:
        text.append(f"; {plan.inputs.weights.note}")
    return text


def _params(plan: "Plan") -> str:
    counts, flops = plan.forecast.parameters, plan.forecast.flops
    statistics = f", {count(counts.statistics)} are statistics" if counts.statistics else ""
    return (
        f"{count(counts.total)}: {count(counts.trainable)} learn ({count(counts.new)} of them new), "
        f"{count(counts.frozen)} stay{statistics}; "
        f"an image takes {flops.forward / 1e9:.2g} GFLOP forward, {flops.backward / 1e9:.2g} backward"
    )


def _memory(plan: "Plan") -> RenderableType:
    coming, node = plan.forecast, plan.inputs.node
    batches = coming.batches
    images = f"{batches.batch_size} images in TRAIN, {batches.test_batch_size} in TEST"
    need = f"{gib(coming.memory.total)} with {images}"
    if coming.limit is None:
        return Text(f"about {need}")
    mark = ("✓ ", "green") if coming.fits else ("✗ ", "bold red")
    each = "each" if plan.spec.solver.gpus > 1 else "the"
    return Text.assemble(mark, f"{need}; {each} GPU of {node.name} ({node.gpu}) has {gib(coming.limit)}")


def _features(plan: "Plan") -> str:
    """What it saves to keep a frozen trunk's features, or would, where that is worth a change of the spec."""
    saving, records = plan.forecast.saving, plan.inputs.train.records
    if saving is None:
        return ""
    less, more, trunk = saving.cost, saving.whole, saving.trunk
    result = f"{duration(less.total_seconds)} instead of {duration(more.total_seconds)}"
    if more.usd:
        result += f", {dollars(less.usd)} instead of {dollars(more.usd)}"
    if saving.changes and less.total_seconds > (1 - WORTH_A_CHANGE) * more.total_seconds:
        return ""
    if saving.changes:
        return f"{' and '.join(saving.changes)} would run the frozen layers once for each image: {result}"
    size = f"{count(records * trunk.variants * trunk.bytes_per_image)}B"
    mirrored = " and their mirrored copies" if trunk.variants > 1 else ""
    return f"the frozen layers run once for each of {records:,} images{mirrored} ({size} kept): {result}"


def _time(plan: "Plan") -> str:
    cost = plan.forecast.cost
    speed = f"{cost.images_per_second:.{0 if cost.images_per_second >= 10 else 1}f}"
    return (
        f"about {duration(cost.total_seconds)} on {plan.inputs.node.name}: "
        f"{duration(cost.seconds_per_epoch)} an epoch, {speed} images/s; "
        f"{duration(cost.test_seconds)} of it for tests, {duration(cost.startup_seconds)} to start"
    )


def _cost(plan: "Plan") -> str:
    cost, budget = plan.forecast.cost, plan.spec.budget
    limits = [f"${budget.usd:g}"] if budget.usd is not None else []
    limits += [f"{budget.hours:g} hours"] if budget.hours is not None else []
    if not limits:
        return _without_budget(plan)
    bound = "at worst" if plan.forecast.is_paid else "but at most"
    worst = f", {bound} {dollars(cost.worst_usd)}"
    price = f"about {dollars(cost.usd)}{worst}" if cost.usd_per_hour else "nothing"
    allowed = cost.affordable_iterations
    pays = "all of it" if allowed in (None, plan.solver.max_iter) else f"{allowed} iterations"
    return f"{price}; the budget of {' and '.join(limits)} pays for {pays}"


def _without_budget(plan: "Plan") -> str:
    cost, resources = plan.forecast.cost, plan.spec.resources
    if not cost.usd_per_hour:
        return "nothing"
    taken = " and no spot node is taken away" if resources.spot else ""
    return (
        f"about {dollars(cost.usd)}, at worst {dollars(cost.worst_usd)} if {1 + resources.max_retries} "
        f"attempts fail just before they end{taken}; a budget would limit this"
    )
