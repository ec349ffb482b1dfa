"""Remarks on a plan: why it would fail, and what is worth knowing before paying for it."""

from collections.abc import Collection, Iterator
from math import prod

from ftjob.formatting import gib
from ftjob.net.topology.backward import backward
from ftjob.net.topology.shapes import LayerShapes, NetShapes, Param
from ftjob.plan.cost import Cost
from ftjob.plan.engines import EngineChoice
from ftjob.plan.forecast import Forecast
from ftjob.plan.inputs import Inputs
from ftjob.plan.overlooked import overlooked
from ftjob.suggest import listed


def problems(inputs: Inputs, engine: EngineChoice, coming: Forecast, shapes: NetShapes) -> Iterator[str]:
    """Yield a sentence for every cause that would make the run fail on its node."""
    if engine.problem:
        yield engine.problem
    if not coming.fits:
        yield _memory_problem(inputs, coming, shapes)


def warnings(
    inputs: Inputs, coming: Forecast, shapes: NetShapes, still: Collection[str], new: Collection[str]
) -> Iterator[str]:
    """Yield a sentence for everything that is allowed but probably a mistake.

    `still` are the layers that are meant not to learn, `new` those that are randomly initialised.
    """
    yield from _budget_without_price(inputs, coming.cost)
    if lost := [layer.name for layer in shapes.layers if _is_held(layer) and layer.name not in still]:
        yield (
            f"base.net: {listed(lost)} will not learn: lr_mult is 0 in the prototxt itself; give it a rate "
            f"there{_or_freeze(inputs, lost, new)}"
        )
    if cut_off := [layer.name for layer in _without_gradient(shapes)]:
        yield (
            f"base.net: {listed(cut_off)} will not learn: no gradient gets there from a loss; remove "
            "propagate_down: false and loss_weight: 0 from the layers above, or remove layers that no loss "
            f"depends on{_or_freeze(inputs, cut_off, new)}"
        )
    if blind := [layer.name for layer in shapes.layers if _sees_one_number(layer)]:
        yield (
            f"data.batch_size: is 1, so BatchNorm {listed(blind)} sees one number per channel at a time, "
            "which is its own mean: the layer's output is 0 for every image; use a larger batch"
        )
    classes = max(max(facts.histogram) for facts in (inputs.train, inputs.val)) + 1
    wanted = inputs.spec.surgery.num_output
    if wanted != "auto" and wanted > max(classes, len(inputs.train.labels)):
        yield (
            f"surgery.num_output: is {wanted}, but the data has {classes} classes: "
            f"{wanted - classes} outputs have no class; set auto"
        )
    yield from _gpus(inputs, shapes)
    yield from overlooked(inputs, shapes)
    yield from inputs.findings


def _or_freeze(inputs: Inputs, names: Collection[str], new: Collection[str]) -> str:
    """The way to say that layers are not to learn, where surgery takes it: for layers of the weights."""
    if inputs.weights is None or any(name in new for name in names):
        return ""
    return ", or name it in surgery.freeze, if you meant that"


def _is_held(layer: LayerShapes) -> bool:
    return _has_no_rate(layer.params) and layer.type != "BatchNorm"


def _has_no_rate(params: tuple[Param, ...]) -> bool:
    return bool(params) and not any(param.lr_mult for param in params)


def _without_gradient(shapes: NetShapes) -> Iterator[LayerShapes]:
    """Yield the layers that have a rate, and whose params the backward pass reaches nowhere.

    A branch of a siamese net may have no gradient of its own, and share params that another branch learns.
    """
    ways = list(zip(shapes.layers, backward(shapes), strict=True))
    learned = {param.owner for layer, way in ways if any(way.params) for param in layer.params}
    for layer, _ in ways:
        owners = {param.owner for param in layer.params}
        if owners and not _has_no_rate(layer.params) and learned.isdisjoint(owners):
            yield layer


def _sees_one_number(layer: LayerShapes) -> bool:
    """Return whether a BatchNorm has a batch's statistics of one number per channel."""
    bottom = layer.bottoms[0] if layer.bottoms else ()
    return _uses_batch_statistics(layer) and prod(bottom) == bottom[1]


def _uses_batch_statistics(layer: LayerShapes) -> bool:
    return layer.type == "BatchNorm" and not layer.layer.batch_norm_param.use_global_stats


def _gpus(inputs: Inputs, shapes: NetShapes) -> Iterator[str]:
    """GPUs that are paid for and idle, and what several do not share."""
    used, node = inputs.spec.solver.gpus, inputs.node
    if used < node.gpus:
        yield (
            f"solver.gpus: is {used}, and {node.name} has {node.gpus} GPUs, all of which are paid for: set "
            f"{node.gpus}, with which an iteration learns from {node.gpus} × "
            f"{inputs.spec.images_per_iteration // used} images, or take a smaller node"
        )
    normed = [layer.name for layer in shapes.layers if _uses_batch_statistics(layer)]
    if used > 1 and normed:
        yield (
            f"solver.gpus: BatchNorm {listed(normed)} takes its statistics from the "
            f"{inputs.spec.data.batch_size} images of each GPU, and the first GPU's are kept: the result is "
            "not that of one GPU with a larger batch"
        )


def _memory_problem(inputs: Inputs, coming: Forecast, shapes: NetShapes) -> str:
    batches, node = coming.batches, inputs.node
    which = "each" if inputs.spec.solver.gpus > 1 else "the"
    has = f"{which} GPU of {node.name} ({node.gpu}) has {gib(coming.limit or 0)}"
    needs = f"{batches.batch_size} images at once need {gib(coming.memory.total)}, and {has}"
    if coming.suggestion is None:
        return (
            f"data.batch_size: {needs}; not even single images would fit: freeze more layers, or take a "
            "node with more memory (`ftjob nodes`)"
        )
    fitting, needed = coming.suggestion
    normed = any(map(_uses_batch_statistics, shapes.layers))
    but = f", but for BatchNorm, which then sees {fitting.batch_size} images at a time" if normed else ""
    return (
        f"data.batch_size: {needs}: take data.batch_size {fitting.batch_size} and solver.iter_size "
        f"{fitting.iter_size}, which need {gib(needed.total)} and learn the same{but}"
    )


def _budget_without_price(inputs: Inputs, cost: Cost) -> Iterator[str]:
    if inputs.spec.budget.usd is not None and not cost.usd_per_hour:
        yield (
            f"budget.usd: has no effect on {inputs.node.name}, which costs nothing: give budget.hours, or a "
            "price in your nodes file (docs/nodes.md)"
        )
