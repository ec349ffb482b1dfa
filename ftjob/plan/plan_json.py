"""From a plan to its document: the one writer of plan.json and `ftjob plan -o json`."""

from dataclasses import asdict
from math import prod

from ftjob.dataset.facts import DatasetFacts
from ftjob.net.caffemodel.transfer import LayerTransfer
from ftjob.nodes.profiles import Node
from ftjob.plan.cost import Cost
from ftjob.plan.forecast import Forecast
from ftjob.plan.identity import net_digest
from ftjob.plan.memory import NetMemory
from ftjob.plan.plan import Plan
from ftjob.runfolder.records.plan import (
    MeasuredSpeed,
    PlanDocument,
    PlannedBase,
    PlannedBatches,
    PlannedCost,
    PlannedData,
    PlannedEngine,
    PlannedFeatures,
    PlannedFlops,
    PlannedHead,
    PlannedLayer,
    PlannedMemory,
    PlannedNetBytes,
    PlannedNode,
    PlannedParameters,
    PlannedPrice,
    PlannedSpeed,
    PlannedStage,
    PlannedToleration,
    PredictedSpeed,
)


def document_of(plan: Plan, shortfall: str) -> PlanDocument:
    """Return everything that was decided and forecast; `shortfall` is shortfall.shortfall_of(plan)."""
    inputs, coming, solver = plan.inputs, plan.forecast, plan.solver
    return PlanDocument(
        name=plan.spec.name,
        run_id=plan.run_id,
        problems=plan.problems,
        warnings=(*((shortfall,) if shortfall else ()), *plan.warnings),
        base=base_of(plan),
        labels=plan.labels,
        train=_data(inputs.train),
        val=_data(inputs.val),
        data_bytes=plan.data_bytes,
        mean=inputs.mean if inputs.mean_measured else None,
        mean_file=str(inputs.spec.data.mean) if inputs.mean_file else None,
        heads=tuple(PlannedHead(**asdict(head)) for head in plan.heads),
        renamed=dict(plan.renamed),
        frozen=plan.frozen,
        transfer=tuple(map(_layer, plan.transfer)),
        max_iter=solver.max_iter,
        test_interval=solver.test_interval,
        snapshot=solver.snapshot,
        batch_size=coming.batches.batch_size,
        iter_size=coming.batches.iter_size,
        test_batch_size=coming.batches.test_batch_size,
        gpus=plan.spec.solver.gpus,
        images_per_iteration=plan.images_per_iteration,
        epochs=plan.epochs,
        node=_node(inputs.node),
        engine=PlannedEngine(plan.engine.name, plan.engine.why, plan.engine.precision),
        parameters=PlannedParameters(**asdict(coming.parameters)),
        flops_per_image=PlannedFlops(**asdict(coming.flops)),
        memory=_memory(plan),
        speed=_speed(plan),
        cost=_cost(plan.cost),
        features=_features(coming),
        stages=tuple(map(_stage, plan.submitted.stage_names, plan.stages)),
    )


def base_of(plan: Plan) -> PlannedBase:
    """Return what the run begins with, and its digests."""
    inputs, weights = plan.inputs, (*plan.stages, plan)[0].inputs.weights
    weights_note = [f"base.weights: {weights.note}"] if weights and weights.note else []
    return PlannedBase(
        net=inputs.spec.base.net,
        net_digest=net_digest(inputs),
        notes=(*plan.notes, *weights_note),
        weights=weights.location if weights else None,
        weights_digest=weights.digest if weights else None,
        mean_digest=inputs.mean_file_digest or None,
    )


def _stage(name: str, plan: Plan) -> PlannedStage:
    return PlannedStage(
        name=name,
        run_id=plan.run_id,
        classes=len(plan.labels),
        heads="kept" if plan.keeps_heads else "new",
        frozen=len(plan.frozen),
        max_iter=plan.solver.max_iter,
        images_per_iteration=plan.images_per_iteration,
        seconds=plan.own_seconds,
        usd=plan.own_usd,
        memory=plan.forecast.memory.total,
    )


def _data(facts: DatasetFacts) -> PlannedData:
    return PlannedData(
        path=facts.location,
        records=facts.records,
        shape=(facts.channels, facts.height, facts.width),
        encoded=facts.encoded,
        histogram={str(label): count for label, count in facts.histogram.items()},
        digest=facts.digest,
    )


def _layer(layer: LayerTransfer) -> PlannedLayer:
    return PlannedLayer(**vars(layer), parameters=sum(map(prod, layer.shapes)))


def _node(node: Node) -> PlannedNode:
    values = {
        **node.model_dump(mode="json"),
        "price": PlannedPrice(**node.price.model_dump()),
        "tolerations": tuple(PlannedToleration(**each.model_dump()) for each in node.tolerations),
    }
    return PlannedNode(**values)


def _memory(plan: Plan) -> PlannedMemory:
    coming, memory = plan.forecast, plan.forecast.memory
    suggested = None
    if not coming.fits and coming.suggestion:
        batches, needed = coming.suggestion
        suggested = PlannedBatches(**asdict(batches), total=needed.total)
    return PlannedMemory(
        fits=coming.fits,
        limit=coming.limit,
        total=memory.total,
        train=_net_bytes(memory.train),
        test=_net_bytes(memory.test),
        weights=memory.weights,
        weight_gradients=memory.weight_gradients,
        history=memory.history,
        copies=memory.copies,
        context=memory.context,
        suggestion=suggested,
    )


def _net_bytes(net: NetMemory) -> PlannedNetBytes:
    return PlannedNetBytes(**asdict(net), total=net.total)


def _speed(plan: Plan) -> PlannedSpeed:
    coming = plan.forecast
    measured = coming.measured
    return PlannedSpeed(
        predicted=PredictedSpeed(**asdict(coming.predicted)),
        measured=MeasuredSpeed(**measured.model_dump(mode="json")) if measured else None,
        predicted_to_measured=coming.predicted.train / measured.train_seconds_per_image if measured else None,
    )


def _cost(cost: Cost) -> PlannedCost:
    return PlannedCost(**asdict(cost), total_seconds=cost.total_seconds, usd=cost.usd)


def _features(coming: Forecast) -> PlannedFeatures | None:
    if (saving := coming.saving) is None:
        return None
    return PlannedFeatures(
        blobs=saving.trunk.features,
        bytes_per_image=saving.trunk.bytes_per_image,
        variants=saving.trunk.variants,
        changes=saving.changes,
        total_seconds=saving.cost.total_seconds,
        usd=saving.cost.usd,
        whole_seconds=saving.whole.total_seconds,
        whole_usd=saving.whole.usd,
    )
