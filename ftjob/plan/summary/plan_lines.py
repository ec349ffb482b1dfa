"""What matters of a plan, in a few lines."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ftjob.formatting import count, dollars, duration, gib, hour_count
from jobspec.pinned import name_of

if TYPE_CHECKING:
    from ftjob.plan.plan import Plan

WORTH_A_CHANGE = 0.1
"""The share of a run's time that a change of the spec must save to be proposed."""
Kind = Literal["copied", "frozen", "new", "unused"]
KINDS: tuple[Kind, ...] = ("copied", "frozen", "new", "unused")
"""What becomes of the weights of a layer."""
Tone = Literal["", "good", "bad", "head", "dim"] | Kind
"""How a part of a line is meant: whoever shows it gives it a colour."""


@dataclass(frozen=True)
class Phrase:
    """A part of a line."""

    text: str
    tone: Tone = ""


@dataclass(frozen=True)
class PlanLine:
    """A subject, and what the plan decides or forecasts about it."""

    name: str
    parts: tuple[Phrase, ...]


@dataclass(frozen=True)
class PlanSummary:
    """What matters before a run starts."""

    run: str
    net: str
    """And the weights that it begins with."""
    problems: tuple[str, ...]
    """Why the run would fail."""
    lines: tuple[PlanLine, ...]
    warnings: tuple[str, ...]
    assumed: str


def summary_of(plan: "Plan", shortfall: str) -> PlanSummary:
    """Return a plan in words; `shortfall` is shortfall_of(plan)."""
    base, stages = (*plan.stages, plan)[0].inputs.weights, len(plan.stages)
    begins = f" ← {name_of(base.location)}" if base else " from scratch"
    lines = ((name, (Phrase(found),) if isinstance(found, str) else found) for name, found in _lines(plan))
    return PlanSummary(
        run=f"{plan.spec.name}/{plan.run_id}",
        net=f"{plan.spec.base.net}{begins}" + (f", in {stages} stages" if stages else ""),
        problems=plan.problems,
        lines=tuple(PlanLine(name, parts) for name, parts in lines),
        warnings=tuple(sentence for sentence in (shortfall, *plan.warnings) if sentence),
        assumed="; ".join(plan.forecast.cost.assumptions),
    )


def _lines(plan: "Plan") -> Iterator[tuple[str, str | tuple[Phrase, ...]]]:
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
    yield from _stages(plan)
    yield "engine", f"{plan.engine.title}: {plan.engine.why}"
    yield "memory", _memory(plan)
    if features := _features(plan):
        yield "features", features
    yield "time", _time(plan)
    yield "cost", _cost(plan)


def _stages(plan: "Plan") -> Iterator[tuple[str, str]]:
    """One line for each stage of a run with stages."""
    for name, stage in zip(plan.submitted.stage_names, plan.stages, strict=True):
        heads = "kept" if stage.keeps_heads else "new"
        price = f", {dollars(stage.own_usd)}" if stage.own_usd else ""
        what = f"{stage.solver.max_iter} iterations of {stage.images_per_iteration} images"
        net = f"{len(stage.labels)} classes, heads {heads}, {len(stage.frozen)} layers frozen"
        yield f"stage {name}", f"{what}, {net}; about {duration(stage.own_seconds)}{price} ({stage.run_id})"


def _gpus(plan: "Plan") -> str:
    """How several GPUs share an iteration; empty for one."""
    gpus, batches = plan.spec.solver.gpus, plan.forecast.batches
    passes = f" × {batches.iter_size}" if batches.iter_size > 1 else ""
    return f"{gpus} GPUs, batch {gpus} × {batches.batch_size}{passes}; " if gpus > 1 else ""


def _heads(plan: "Plan") -> tuple[Phrase, ...]:
    """The heads, and how each was found."""
    number = f"{len(plan.heads)} classifiers" if len(plan.heads) > 1 else "1 classifier"
    how = f"renamed to …_{plan.inputs.suffix}"
    if plan.keeps_heads:
        how = "trained further"
    elif {head.layer for head in plan.heads} <= {row.layer for row in plan.transfer if row.kind == "copied"}:
        how = f"trained further: the weights have them as …_{plan.inputs.suffix}"
    parts = [Phrase(f"{number}, {len(plan.labels)} outputs, {how}")]
    for head in plan.heads:
        parts += [Phrase(f"\n{head.source}", "head")]
        parts += [Phrase(" (in deploy)")] if head.main and len(plan.heads) > 1 else []
        parts += [Phrase(f": {head.why}", "dim")]
    return tuple(parts)


def _weights(plan: "Plan") -> tuple[Phrase, ...]:
    kinds = [layer.kind for layer in plan.transfer]
    counted = [(kind, kinds.count(kind)) for kind in KINDS if kind in kinds]
    parts = [Phrase("✓ ", "good")]
    for number, (kind, found) in enumerate(counted):
        parts += [Phrase(", ")] if number else []
        parts += [Phrase(f"{found} {kind}" if number else f"{found} layers {kind}", kind)]
    if plan.inputs.weights and plan.inputs.weights.note:
        parts += [Phrase(f"; {plan.inputs.weights.note}")]
    return tuple(parts)


def _params(plan: "Plan") -> str:
    counts, flops = plan.forecast.parameters, plan.forecast.flops
    statistics = f", {count(counts.statistics)} are statistics" if counts.statistics else ""
    return (
        f"{count(counts.total)}: {count(counts.trainable)} learn ({count(counts.new)} of them new), "
        f"{count(counts.frozen)} stay{statistics}; "
        f"an image takes {flops.forward / 1e9:.2g} GFLOP forward, {flops.backward / 1e9:.2g} backward"
    )


def _memory(plan: "Plan") -> tuple[Phrase, ...]:
    coming, node = plan.forecast, plan.inputs.node
    batches = coming.batches
    images = f"{batches.batch_size} images in TRAIN, {batches.test_batch_size} in TEST"
    need = f"{gib(coming.memory.total)} with {images}"
    if coming.limit is None:
        return (Phrase(f"about {need}"),)
    mark = Phrase("✓ ", "good") if coming.fits else Phrase("✗ ", "bad")
    each = "each" if plan.spec.solver.gpus > 1 else "the"
    return mark, Phrase(f"{need}; {each} GPU of {node.name} ({node.gpu}) has {gib(coming.limit)}")


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
        hidden = plan.engine.name == "caffe" and plan.spec.data.mirror
        why = " (Caffe does not show which images it mirrors)" if hidden else ""
        return (
            f"{' and '.join(saving.changes)} would run the frozen layers once for each image{why}: {result}"
        )
    size = f"{count(records * trunk.variants * trunk.bytes_per_image)}B"
    mirrored = " and their mirrored copies" if trunk.variants > 1 else ""
    return f"the frozen layers run once for each of {records:,} images{mirrored} ({size} kept): {result}"


def _time(plan: "Plan") -> str:
    cost = plan.cost
    speed = f"{cost.images_per_second:.{0 if cost.images_per_second >= 10 else 1}f}"
    return (
        f"about {duration(cost.total_seconds)} on {plan.inputs.node.name}: "
        f"{duration(cost.seconds_per_epoch)} an epoch, {speed} images/s; "
        f"{duration(cost.test_seconds)} of it for tests, {duration(cost.startup_seconds)} to start"
    )


def _cost(plan: "Plan") -> str:
    cost, budget = plan.cost, plan.submitted.budget
    limits = [f"${budget.usd:g}"] if budget.usd is not None else []
    limits += [hour_count(budget.hours)] if budget.hours is not None else []
    if not limits:
        return _without_budget(plan)
    bound = "at worst" if plan.is_paid else "but at most"
    worst = f", {bound} {dollars(cost.worst_usd)}"
    price = f"about {dollars(cost.usd)}{worst}" if cost.usd_per_hour else "nothing"
    allowed = "a part of it" if plan.stages else f"{cost.affordable_iterations} iterations"
    pays = "all of it" if plan.is_paid else allowed
    return f"{price}; the budget of {' and '.join(limits)} pays for {pays}"


def _without_budget(plan: "Plan") -> str:
    cost, resources = plan.cost, plan.spec.resources
    if not cost.usd_per_hour:
        return "nothing"
    taken = " and no spot node is taken away" if resources.spot else ""
    return (
        f"about {dollars(cost.usd)}, at worst {dollars(cost.worst_usd)} if {1 + resources.max_retries} "
        f"attempts fail just before they end{taken}; a budget would limit this"
    )
