"""What a run will need and cost: params, operations, memory, time and money, before anything is started."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from ftjob.money.limits import BudgetLimits
from ftjob.net.flops import count_flops
from ftjob.net.precision import Precision
from ftjob.net.proto.caffe_pb2 import SolverParameter
from ftjob.net.topology.shapes import LayerShapes, NetShapes, Param
from ftjob.plan.cost import Cost, Speed, Workload, estimate_cost, predicted_speed
from ftjob.plan.inputs import Inputs
from ftjob.plan.measured import Measurement
from ftjob.plan.memory import Batches, Memory, batches_that_fit, estimate_memory
from ftjob.plan.savings import KeptTrunk, Trunks, kept_trunk, update_seconds

NONE = Trunks()


@dataclass(frozen=True)
class Parameters:
    """Numbers in the net's params."""

    total: int
    trainable: int
    """In params with a learning rate."""
    frozen: int
    statistics: int
    """Those BatchNorm takes from the images in training, which no gradient changes."""
    new: int
    """Of the trainable: in layers that are randomly initialised."""


@dataclass(frozen=True)
class Flops:
    """Floating point operations of the products for one image, two per multiply-add."""

    forward: float
    backward: float
    """Only what is really computed: nothing below the first layer that learns."""
    test: float
    """Forward through the TEST net."""


@dataclass(frozen=True)
class Saving:
    """What it saves in training to keep the features of a frozen trunk."""

    trunk: KeptTrunk
    cost: Cost
    """With the features kept."""
    whole: Cost
    """With the trunk in every pass."""
    changes: tuple[str, ...]
    """What the spec would have to say for it; empty where it is planned."""


@dataclass(frozen=True)
class Forecast:
    """What the planned run takes on its node."""

    parameters: Parameters
    flops: Flops
    batches: Batches
    memory: Memory
    limit: int | None
    """Bytes of the node's GPU; None where it has none."""
    suggestion: tuple[Batches, Memory] | None
    """The batches nearest to the planned ones that fit, and what they need; None where nothing does."""
    work: Workload
    predicted: Speed
    """The speed by the node's profile."""
    measured: Measurement | None
    """What a run measured of this net on this node."""
    cost: Cost
    """By what was measured, where something was."""
    changes: tuple[str, ...] = ()
    """What the spec would have to say for features of a frozen trunk to be kept in training; empty where they
    are, and where there is no such trunk."""
    other_work: Workload | None = None
    """With the features kept after those changes; where they are kept, without that."""
    other_cost: Cost | None = None

    @property
    def saving(self) -> Saving | None:
        """What kept features save, or would; None where there are none to keep."""
        kept, whole = (self.other_work, self.work) if self.changes else (self.work, self.other_work)
        if kept is None or whole is None or kept.kept_train is None or self.other_cost is None:
            return None
        costs = (self.other_cost, self.cost) if self.changes else (self.cost, self.other_cost)
        return Saving(kept.kept_train, *costs, self.changes)

    @property
    def fits(self) -> bool:
        """Whether the planned batches do."""
        return self.limit is None or self.memory.total <= self.limit

    @property
    def is_paid(self) -> bool:
        """Whether the budget pays for the whole run, or there is none."""
        affordable = self.cost.affordable_iterations
        return affordable is None or affordable >= self.work.max_iter


def forecast(
    inputs: Inputs,
    train: NetShapes,
    test: NetShapes,
    solver: SolverParameter,
    batches: Batches,
    new: Collection[str],
    precision: Precision,
    trunks: Trunks = NONE,
) -> Forecast:
    """Return a run's forecast from the shapes of its TRAIN and TEST nets; `new`: randomly initialised layers;
    `trunks`: the frozen ones.

    Raises BadSpecError where the node has no price for that.
    """
    work, node = (count_flops(train, precision), count_flops(test, precision)), inputs.node
    gpus = inputs.spec.solver.gpus
    memory, limit = estimate_memory(train, test, solver.type, precision, gpus), node.memory_bytes
    if limit is None:
        memory = replace(memory, context=0)
    whole = _workload(inputs, solver, batches, memory.weights + memory.history)
    parameters, predicted = count_parameters(train, new), predicted_speed(*work, node, precision, gpus)
    learning = parameters.trainable
    updated = parameters.total if trunks.frozen_are_updated else learning
    update = update_seconds(learning, updated, gpus * batches.batch_size, batches.iter_size, node)
    kept = replace(
        whole,
        kept_train=kept_trunk(trunks.train, work[0], node, predicted.train + update, precision, gpus),
        kept_test=kept_trunk(trunks.test, work[1], node, predicted.test, precision),
    )
    workload = replace(kept, kept_train=None) if trunks.changes else kept
    changes = trunks.changes if kept.kept_train else ()
    other = kept if changes else whole if kept.kept_train else None
    return Forecast(
        parameters=parameters,
        flops=Flops(work[0].forward, work[0].backward, work[1].forward),
        batches=batches,
        memory=memory,
        limit=limit,
        suggestion=(batches, memory) if limit is None else batches_that_fit(memory, batches, limit),
        work=workload,
        predicted=predicted,
        measured=None,
        cost=_cost(inputs, workload, predicted, None, precision),
        changes=changes,
        other_work=other,
        other_cost=_cost(inputs, other, predicted, None, precision) if other else None,
    )


def corrected(coming: Forecast, inputs: Inputs, measured: Measurement) -> Forecast:
    """Return the forecast with time and money by what was measured instead of by the profile."""
    other = coming.other_work
    return replace(
        coming,
        measured=measured,
        cost=_cost(inputs, coming.work, coming.predicted, measured),
        other_cost=_cost(inputs, other, coming.predicted, measured) if other else None,
    )


def count_parameters(train: NetShapes, new: Collection[str]) -> Parameters:
    """Count the numbers in a TRAIN net's params, a shared one once."""
    counts = {"trainable": 0, "frozen": 0, "statistics": 0}
    fresh = 0
    for layer in train.layers:
        for param in layer.owned:
            kind = _kind(layer, param)
            counts[kind] += param.count
            fresh += param.count if kind == "trainable" and layer.name in new else 0
    return Parameters(total=train.parameter_count, new=fresh, **counts)


def _kind(layer: LayerShapes, param: Param) -> str:
    if layer.type == "BatchNorm" and not layer.layer.batch_norm_param.use_global_stats:
        return "statistics"
    return "trainable" if param.lr_mult else "frozen"


def _workload(inputs: Inputs, solver: SolverParameter, batches: Batches, snapshot_bytes: int) -> Workload:
    return Workload(
        batch_size=batches.batch_size,
        iter_size=batches.iter_size,
        max_iter=solver.max_iter,
        train_images=inputs.train.records,
        val_images=inputs.val.records,
        on_images=inputs.on.records if inputs.on else 0,
        test_interval=solver.test_interval,
        snapshot=solver.snapshot,
        snapshot_bytes=snapshot_bytes,
        gpus=inputs.spec.solver.gpus,
    )


def _cost(
    inputs: Inputs,
    work: Workload,
    predicted: Speed,
    measured: Measurement | None,
    precision: Precision = "fp32",
) -> Cost:
    spec = inputs.spec
    return estimate_cost(
        work,
        predicted,
        inputs.node,
        spot=spec.resources.begins_on_spot,
        budget=BudgetLimits.of(spec.budget),
        measured=measured,
        retries=spec.resources.max_retries,
        dearest=inputs.dearest_usd_per_hour,
        precision=precision,
    )
