"""A plan as plain values: plan.json and `ftjob plan -o json`. docs/plan.md has every field."""

from dataclasses import asdict
from math import prod
from typing import TYPE_CHECKING, Any

from ftjob.data.facts import DatasetFacts
from ftjob.net.transfer import LayerTransfer
from ftjob.plan.cost import Cost
from ftjob.plan.identity import net_digest
from ftjob.plan.memory import Memory

if TYPE_CHECKING:
    from ftjob.plan.plan import Plan


def plan_document(plan: "Plan") -> dict[str, Any]:
    """Return everything that was decided and foretold."""
    inputs, coming, solver = plan.inputs, plan.forecast, plan.solver
    return {
        "name": plan.spec.name,
        "run_id": plan.run_id,
        "problems": list(plan.problems),
        "warnings": list(plan.warnings),
        "base": _base(plan),
        "labels": list(plan.labels),
        "train": _facts(inputs.train),
        "val": _facts(inputs.val),
        "data_bytes": _data_bytes(plan),
        "mean": list(inputs.mean) if inputs.mean_measured else None,
        "mean_file": inputs.spec.data.mean if inputs.mean_file else None,
        "heads": [asdict(head) for head in plan.heads],
        "renamed": dict(plan.renamed),
        "frozen": list(plan.frozen),
        "transfer": [_layer(layer) for layer in plan.transfer],
        "max_iter": solver.max_iter,
        "test_interval": solver.test_interval,
        "snapshot": solver.snapshot,
        "batch_size": coming.batches.batch_size,
        "iter_size": coming.batches.iter_size,
        "test_batch_size": coming.batches.test_batch_size,
        "images_per_iteration": plan.images_per_iteration,
        "epochs": plan.epochs,
        "node": inputs.node.model_dump(mode="json"),
        "engine": {"name": plan.engine.name, "why": plan.engine.why},
        "parameters": asdict(coming.parameters),
        "flops_per_image": asdict(coming.flops),
        "memory": _memory(plan),
        "speed": _speed(plan),
        "cost": _cost(coming.cost),
    }


def _base(plan: "Plan") -> dict[str, Any]:
    inputs = plan.inputs
    weights_note = [f"base.weights: {inputs.weights.note}"] if inputs.weights and inputs.weights.note else []
    return {
        "net": inputs.spec.base.net,
        "net_digest": net_digest(inputs),
        "notes": [*plan.notes, *weights_note],
        "weights": inputs.weights.location if inputs.weights else None,
        "weights_digest": inputs.weights.digest if inputs.weights else None,
        "mean_digest": inputs.mean_file_digest or None,
    }


def _facts(facts: DatasetFacts) -> dict[str, Any]:
    return {
        "path": facts.location,
        "records": facts.records,
        "shape": [facts.channels, facts.height, facts.width],
        "encoded": facts.encoded,
        "histogram": {str(label): count for label, count in facts.histogram.items()},
        "digest": facts.digest,
    }


def _data_bytes(plan: "Plan") -> int:
    """Return what weights and datasets take on the disk of who trains; one LMDB for both counts once."""
    lmdbs = {facts.location: facts.size_bytes for facts in (plan.inputs.train, plan.inputs.val)}
    weights = plan.inputs.weights
    return sum(lmdbs.values()) + (weights.size_bytes if weights else 0)


def _layer(layer: LayerTransfer) -> dict[str, Any]:
    return {**asdict(layer), "parameters": sum(map(prod, layer.shapes))}


def _memory(plan: "Plan") -> dict[str, Any]:
    coming = plan.forecast
    suggested = None
    if not coming.fits and coming.suggestion:
        batches, needed = coming.suggestion
        suggested = {**asdict(batches), "total": needed.total}
    return {
        "fits": coming.fits,
        "limit": coming.limit,
        **_bytes(coming.memory),
        "suggestion": suggested,
    }


def _bytes(memory: Memory) -> dict[str, Any]:
    nets = {"train": memory.train, "test": memory.test}
    return {
        "total": memory.total,
        **{phase: {**asdict(net), "total": net.total} for phase, net in nets.items()},
        "weights": memory.weights,
        "weight_gradients": memory.weight_gradients,
        "history": memory.history,
        "context": memory.context,
    }


def _speed(plan: "Plan") -> dict[str, Any]:
    """Seconds per image; what the profile said is told beside what was measured."""
    coming = plan.forecast
    measured = coming.measured
    return {
        "predicted": asdict(coming.predicted),
        "measured": measured.model_dump(mode="json") if measured else None,
        "predicted_to_measured": coming.predicted.train / measured.train_seconds_per_image
        if measured
        else None,
    }


def _cost(cost: Cost) -> dict[str, Any]:
    return {**asdict(cost), "total_seconds": cost.total_seconds, "usd": cost.usd}
