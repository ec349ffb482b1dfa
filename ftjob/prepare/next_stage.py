"""What a stage of a run begins with, before the stage before it was trained and after. Pure."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import prod
from pathlib import Path

from ftjob.errors import FtjobError
from ftjob.net.caffemodel.weights import BlobWeights, LayerWeights
from ftjob.net.topology.shapes import Shape
from ftjob.plan.inputs import StageBefore, Weights
from ftjob.plan.plan import Plan


def next_stage(plan: Plan) -> tuple[StageBefore, Weights]:
    """Return what the stage after a planned one begins with: the layers of its net, as Caffe will save them.

    Their digest is the stage's id, and there is no file yet: `with_result` names it once it is there.
    """
    before = plan.inputs.before
    number, names = (before.number + 1, before.names) if before else (1, {})
    layers = tuple(
        LayerWeights(row.layer, row.type, tuple(map(_trained, row.shapes)))
        for row in plan.transfer
        if row.shapes
    )
    size = sum(4 * blob.count for layer in layers for blob in layer.blobs)
    stage = f"stage:{plan.run_id}"
    names = {**names, **{old: new for new, old in plan.renamed.items()}}
    weights = Weights(Path(), digest=stage, layers=layers, location=stage, of_run=True, size_bytes=size)
    return StageBefore(number, plan.run_id, plan.labels, names), weights


def _trained(shape: Shape) -> BlobWeights:
    """A blob of a snapshot. A single number is BatchNorm's count, which training makes more than 0."""
    return BlobWeights(shape, legacy=False, offset=-1, count=prod(shape), double=False, number=1.0)


def with_result(plan: Plan, caffemodel: Path) -> Plan:
    """Return the plan of a stage that begins with this caffemodel, the result of the stage before it."""
    assert plan.inputs.weights is not None
    return replace(plan, inputs=replace(plan.inputs, weights=replace(plan.inputs.weights, path=caffemodel)))


@contextmanager
def naming_stage(number: int | None) -> Iterator[None]:
    """Begin an error's sentence with the stage that it is about; None for a run without stages."""
    try:
        yield
    except FtjobError as error:
        if number is None:
            raise
        raise type(error)(f"stages[{number}]: {error}") from error
