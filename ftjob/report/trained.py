"""What a run trained, from its plan: net, surgery, data, solver and digests, in a few words each. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from ftjob.formatting import count, number, percent
from ftjob.report.facts import Facts
from ftjob.runfolder.records.plan import PlanDocument
from jobspec import JobSpec

KINDS = ("copied", "frozen", "new", "unmatched", "unused")
"""What becomes of a layer's weights, in the order of the report."""


@dataclass(frozen=True)
class TrainedLayer:
    """A layer with params, as a table has it."""

    layer: str
    type: str
    kind: str
    parameters: int
    shape: str
    """Of its params, in words."""
    remark: str


def what_was_trained(facts: Facts) -> list[tuple[str, str]]:
    """Return (what, in words); only the run where there is no plan yet."""
    rows = [("run", facts.run)]
    if facts.plan:
        rows += _net(facts.plan)
        rows += _data(facts.plan)
    if facts.spec:
        rows += _solver(facts.spec.stage_specs()[-1], facts.plan)
    waiting = [share for each in facts.status.attempts if (share := each.waiting) is not None]
    if waiting:
        rows.append(("waiting for images", f"{percent(waiting[-1])} of the training's time"))
    return [*rows, *_digests(facts.plan)] if facts.plan else rows


def kinds(plan: PlanDocument) -> list[tuple[str, int, int]]:
    """Return (kind, layers, params) of what became of the weights."""
    found = [(kind, [row for row in plan.transfer if row.kind == kind]) for kind in KINDS]
    return [(kind, len(some), sum(row.parameters for row in some)) for kind, some in found if some]


def layers(plan: PlanDocument) -> list[TrainedLayer]:
    """Return every layer of the plan with params."""
    return [
        TrainedLayer(
            layer=row.layer,
            type=row.type,
            kind=row.kind,
            parameters=row.parameters,
            shape=" + ".join("×".join(map(str, shape)) for shape in row.shapes),
            remark=row.remark,
        )
        for row in plan.transfer
    ]


def _net(plan: PlanDocument) -> Iterator[tuple[str, str]]:
    base, params = plan.base, plan.parameters
    yield "net", f"{base.net}, {count(params.total)} params: {count(params.trainable)} learn"
    yield "begun from", base.weights or "noise: no weights were given"
    renamed = [f"{head.layer}{' (main)' if head.main else ''}" for head in plan.heads]
    yield "heads", f"{', '.join(renamed)}; {len(plan.labels)} outputs each"
    frozen = plan.frozen
    with_params = sum(bool(row.shapes) for row in plan.transfer)
    stays = f"{len(frozen)} of {with_params} layers with params, {count(params.frozen)} params"
    yield "frozen", stays if frozen else "nothing"
    yield "engine", f"{plan.engine.name} ({plan.engine.why})"
    yield "precision", plan.engine.precision


def _data(plan: PlanDocument) -> Iterator[tuple[str, str]]:
    train, val = plan.train, plan.val
    channels, height, width = train.shape
    images = f"{train.records} images to train on, {val.records} to evaluate on"
    pixels = f"{width}×{height} {'grey' if channels == 1 else 'BGR'}"
    yield "data", f"{images}, {len(plan.labels)} classes, {pixels}"
    mean = ", ".join(number(value, ".5g") for value in plan.mean) if plan.mean else ""
    yield "mean", plan.mean_file or (f"{mean}, measured" if mean else "as in the spec")


def _solver(spec: JobSpec, plan: PlanDocument | None) -> Iterator[tuple[str, str]]:
    solver = spec.solver
    rate = f"base_lr {solver.base_lr:g} {solver.lr_policy}"
    yield "solver", f"{solver.type}, {rate}, momentum {solver.momentum:g}"
    if plan:
        images, epochs = plan.images_per_iteration, plan.epochs
        yield "length", f"{plan.max_iter} iterations of {images} images, {epochs:.3g} epochs"


def _digests(plan: PlanDocument) -> Iterator[tuple[str, str]]:
    base = plan.base
    found = {
        "net": base.net_digest,
        "weights": base.weights_digest,
        "training images": plan.train.digest,
        "validation images": plan.val.digest,
        "mean": base.mean_digest,
    }
    yield from ((f"digest of the {name}", digest) for name, digest in found.items() if digest)
