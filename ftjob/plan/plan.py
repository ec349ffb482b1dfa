"""The plan: every decision about a run before it starts, made by one pure function."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from ftjob.dataset.facts import DatasetFacts
from ftjob.errors import BadDataError, BadNetError, BadSpecError
from ftjob.money.limits import BudgetLimits
from ftjob.net.caffemodel.mismatch import Images
from ftjob.net.caffemodel.transfer import LayerTransfer, check_transfer, plan_transfer
from ftjob.net.proto.caffe_pb2 import TEST, TRAIN, NetParameter, SolverParameter
from ftjob.net.solver import solver_param
from ftjob.net.surgery.data_layers import IMAGES, LABELS, DataLayers
from ftjob.net.surgery.heads import Head
from ftjob.net.surgery.mixing import refuse_reindexing
from ftjob.net.surgery.operation import Operation, Renewed, operate
from ftjob.net.surgery.renew import unfilled
from ftjob.net.surgery.scores import refuse_few_scores, refuse_maps
from ftjob.net.surgery.statistics import collected_statistics
from ftjob.net.topology.backward import refuse_dead_ends
from ftjob.net.topology.phases import phase_view
from ftjob.net.topology.shapes import NetShapes, infer_shapes
from ftjob.net.topology.sharing import refuse_unshared
from ftjob.net.transforms import own_transform
from ftjob.plan.budget import too_poor
from ftjob.plan.cost import Cost, total_cost
from ftjob.plan.engines import EngineChoice, choose_engine, torch_runs
from ftjob.plan.forecast import Forecast, corrected, forecast
from ftjob.plan.identity import run_id
from ftjob.plan.inputs import Inputs, Weights
from ftjob.plan.measured import Measurement
from ftjob.plan.memory import Batches
from ftjob.plan.remarks import problems, warnings
from ftjob.plan.savings import Trunks, find_trunks
from ftjob.suggest import listed
from jobspec.spec import JobSpec

LARGEST_TEST_BATCH = 50
MOST_CLASSES = 200_000
"""Every one has a name; ImageNet-21k has 21,841 of them, MS-Celeb 100,000."""
SNAPSHOT_PREFIX = "snapshots/caffe"
"""For running the folder's solver.prototxt with Caffe's own tools; ftjob names its snapshots itself."""


@dataclass(frozen=True)
class Plan:
    """What will be run. `train_val`, `deploy` and `solver` are the files that Caffe is given."""

    inputs: Inputs
    run_id: str
    labels: tuple[str, ...]
    train_val: NetParameter
    deploy: NetParameter
    solver: SolverParameter
    heads: tuple[Head, ...]
    renamed: Mapping[str, str]
    """New name → name in the base net, for every layer that is randomly initialised."""
    frozen: tuple[str, ...]
    transfer: tuple[LayerTransfer, ...]
    shapes: NetShapes
    """Of the TRAIN net."""
    engine: EngineChoice
    forecast: Forecast
    notes: tuple[str, ...] = ()
    """Changes to the base net besides heads, freezing and data, in sentences."""
    limits: tuple[str, ...] = ()
    """Parts of the base net that were kept and limit the result, in sentences; part of the warnings."""
    earlier: tuple["Plan", ...] = ()
    """The plans of the stages before it, first to last; only that of a run's last stage has them."""
    whole: JobSpec | None = None
    """The spec with all its stages; None where it has none, and in `earlier`."""

    @property
    def spec(self) -> JobSpec:
        """The spec of this stage, which has no stages; of a run without stages, its spec."""
        return self.inputs.spec

    @property
    def submitted(self) -> JobSpec:
        """The spec of the run, with all its stages."""
        return self.whole or self.spec

    @property
    def stages(self) -> tuple["Plan", ...]:
        """The plans of all stages, this one last; empty for a run without stages."""
        return (*self.earlier, self) if self.earlier else ()

    @property
    def keeps_heads(self) -> bool:
        """Whether the heads of the stage before are trained further."""
        return self.inputs.keeps_heads(self.labels)

    @property
    def main_head(self) -> Head:
        """The head that deploy keeps and whose accuracy is reported."""
        return next(head for head in self.heads if head.main)

    @cached_property
    def problems(self) -> tuple[str, ...]:
        """Why the run would fail on its node, in sentences with what to do; empty where it would not."""
        poor = (self.too_poor,) if self.too_poor else ()
        own = problems(self.inputs, self.engine, self.forecast, self.shapes)
        return tuple(dict.fromkeys((*self._of_earlier(lambda plan: plan.problems), *own, *poor)))

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """What is allowed and probably not meant, in sentences; shortfall.shortfall_of has one more."""
        constant = (name for head in self.heads for name in head.followers)  # those without a rate
        still = {*self.frozen, *constant}
        own = warnings(self.inputs, self.forecast, self.shapes, still, self.renamed)
        return (*self._of_earlier(lambda plan: plan.warnings), *self.limits, *own)

    def _of_earlier(self, sentences: Callable[["Plan"], Iterable[str]]) -> Iterator[str]:
        """Yield what there is to say of the earlier stages, each sentence with its stage."""
        for number, plan in enumerate(self.earlier):
            yield from (f"stages[{number}]: {sentence}" for sentence in sentences(plan))

    @cached_property
    def too_poor(self) -> str:
        """A sentence where the budget ends before there is a snapshot, in one of the stages; one of the
        problems."""
        earlier = self._of_earlier(lambda plan: (plan.too_poor,) if plan.too_poor else ())
        return next(earlier, too_poor(self.spec, self.inputs.node, self.forecast))

    @cached_property
    def cost(self) -> Cost:
        """Time and money of the whole run, all stages together."""
        budget, dearest = BudgetLimits.of(self.submitted.budget), self.inputs.dearest_usd_per_hour
        return total_cost([plan.forecast.cost for plan in self.stages or (self,)], budget, dearest)

    @property
    def own_seconds(self) -> float:
        """What this stage adds to the run's time: the node starts in the first one."""
        cost = self.forecast.cost
        return cost.total_seconds - (cost.startup_seconds if self.inputs.before else 0.0)

    @property
    def own_usd(self) -> float:
        """What this stage adds to the run's cost."""
        return self.own_seconds / 3600 * self.forecast.cost.usd_per_hour

    @property
    def is_paid(self) -> bool:
        """Whether the budget pays for the whole run's estimate, and every stage's share for that stage."""
        if not self.earlier:
            return self.forecast.is_paid
        limit = self.cost.affordable_seconds
        return limit is None or (self.cost.total_seconds <= limit and not self.unpaid_stages)

    @property
    def unpaid_stages(self) -> tuple[int, ...]:
        """The numbers, from 0, of the stages that their share of the budget does not pay for."""
        return tuple(number for number, plan in enumerate(self.stages) if not plan.forecast.is_paid)

    @property
    def largest(self) -> "Plan":
        """The plan of the stage that needs the most memory."""
        return max(self.stages or (self,), key=lambda plan: plan.forecast.memory.total)

    @property
    def max_iter(self) -> int:
        """Iterations of the whole run."""
        return sum(plan.solver.max_iter for plan in self.stages or (self,))

    @property
    def data_bytes(self) -> int:
        """Bytes of weights and datasets on the worker's disk; one LMDB for several counts once."""
        inputs = [plan.inputs for plan in self.stages or (self,)]
        used = [facts for each in inputs for facts in (each.train, each.val, each.on) if facts]
        lmdbs = {facts.location: facts.size_bytes for facts in used}
        return sum(lmdbs.values()) + sum(each.weights.size_bytes for each in inputs if each.weights)

    @property
    def kept_features(self) -> dict[str, str]:
        """The digests of the LMDBs whose features the engine keeps, by the source of their Data layers."""
        work, inputs = self.forecast.work, self.inputs
        kept = ((work.kept_train, inputs.train), (work.kept_test, inputs.val))
        return {facts.source: facts.digest for trunk, facts in kept if trunk}

    @property
    def images_per_iteration(self) -> int:
        return self.spec.images_per_iteration

    @property
    def epochs(self) -> float:
        """How often every training image is seen."""
        return float(self.solver.max_iter * self.images_per_iteration / self.inputs.train.records)


def make_plan(inputs: Inputs) -> Plan:
    """Decide a run from what was found.

    Where the batches do not fit the node's memory, and a smaller TEST batch alone makes them fit, that is
    what is planned: it changes no result. Raises BadSpecError, BadNetError or BadDataError, each naming the
    field, layer or record at fault.
    """
    usual = min(inputs.spec.data.batch_size, inputs.val.records, LARGEST_TEST_BATCH)
    plan = _plan(inputs, usual)
    if plan.forecast.fits or plan.forecast.suggestion is None:
        return plan
    nearest, _ = plan.forecast.suggestion
    if nearest.batch_size != inputs.spec.data.batch_size:
        return plan
    return _plan(inputs, nearest.test_batch_size)


def with_measured(plan: Plan, measured: Measurement | None, remark: str = "") -> Plan:
    """Return the same plan with time and money by what a run measured of it; `remark`, a sentence, joins the
    assumptions. Net, data and run id stay."""
    coming = corrected(plan.forecast, plan.inputs, measured) if measured else plan.forecast
    if remark:
        cost = replace(coming.cost, assumptions=(*coming.cost.assumptions, remark))
        coming = replace(coming, cost=cost)
    return replace(plan, forecast=coming)


def _plan(inputs: Inputs, test_batch_size: int) -> Plan:
    spec = inputs.spec
    inputs.node.refuse_more_gpus(spec.solver.gpus)
    labels = class_names(spec, inputs.train, inputs.val)
    data = data_layers(inputs, test_batch_size)
    collected = collected_statistics(inputs.weights.layers) if inputs.weights else frozenset()
    keeps_heads = inputs.keeps_heads(labels)
    renewed = Renewed(inputs.before.names if inputs.before else {}, keeps_heads)
    operation = operate(inputs.net, spec.surgery, len(labels), data, inputs.suffix, collected, renewed)
    transfer = weight_transfer(inputs, operation, collected)
    solver = solver_of(inputs, test_batch_size)
    shapes = infer_shapes(phase_view(operation.train_val, TRAIN), operation.inputs)
    in_test = test_shapes(operation, data)
    refuse_unshared(shapes, in_test)
    refuse_maps(operation.heads, shapes, in_test)
    refuse_reindexing(shapes, in_test)
    refuse_few_scores(len(labels), {head.label for head in operation.heads}, shapes, in_test)
    refuse_dead_ends(shapes)
    both, precision, gpus = (*shapes.layers, *in_test.layers), spec.solver.precision, spec.solver.gpus
    engine = choose_engine(spec.engine, inputs.node, both, precision, gpus)
    trunks = Trunks()
    if operation.frozen:
        caffe, torch = engine.name == "caffe", torch_runs(inputs.node, both)
        trunks = find_trunks(operation.train_val, shapes, in_test, caffe=caffe, torch_runs=torch)
    coming = forecast(
        inputs,
        shapes,
        in_test,
        solver,
        Batches(data.batch_size, solver.iter_size, test_batch_size),
        {layer.layer for layer in transfer if layer.kind == "new"},
        engine.precision,
        trunks,
    )
    return Plan(
        inputs=inputs,
        run_id=run_id(inputs, operation.train_val if operation.notes else None, keeps_heads=keeps_heads),
        labels=labels,
        train_val=operation.train_val,
        deploy=operation.deploy,
        solver=solver,
        heads=operation.heads,
        renamed=operation.renamed,
        frozen=operation.frozen,
        transfer=transfer,
        shapes=shapes,
        engine=engine,
        forecast=coming,
        notes=(*map(str, inputs.notes), *operation.notes),
        limits=operation.warnings,
    )


def weight_transfer(
    inputs: Inputs, operation: Operation, collected: Collection[str]
) -> tuple[LayerTransfer, ...]:
    """Return what becomes of every layer with params; without weights all of them start afresh.

    `collected` are the BatchNorm layers whose statistics come with the weights. Raises BadNetError where
    Caffe would end or initialise a layer randomly unasked, and BadSpecError where such a layer is frozen.
    """
    sources = inputs.weights.layers if inputs.weights else ()
    transfer = plan_transfer(
        operation.train_val, sources, operation.renamed, operation.frozen, operation.inputs
    )
    if inputs.weights:
        train, data = inputs.train, inputs.spec.data
        own = own_transform(inputs.net)
        images = Images(train.channels, train.height, train.width, data.crop, own)
        heads = [head.layer for head in operation.heads]
        check_transfer(transfer, operation.train_val, operation.inputs, images, operation.frozen, heads)
        _refuse_empty_statistics(transfer, collected)
        _refuse_broken(transfer, inputs.weights)
        return tuple(transfer)
    if operation.frozen:
        raise BadSpecError(
            f"surgery.freeze: {listed(list(operation.frozen))} would stay random without weights: "
            "give base.weights, or freeze none"
        )
    if starved := unfilled(operation.train_val):
        raise BadNetError(
            f"base.weights: without weights {listed(list(starved))} would start as zeros and stay zero: give "
            "base.weights, or a weight_filler in base.net"
        )
    return tuple(replace(row, kind="new", remark=_without_weights(row)) for row in transfer)


def _refuse_empty_statistics(transfer: Iterable[LayerTransfer], collected: Collection[str]) -> None:
    empty = [
        row.layer
        for row in transfer
        if (row.type, row.kind) == ("BatchNorm", "frozen") and row.layer not in collected
    ]
    if empty:
        raise BadSpecError(
            f"surgery.freeze: BatchNorm {listed(empty)} has no statistics in the weights and, frozen, "
            "collects none: freeze up to an earlier layer, or give weights whose training collected them"
        )


def _refuse_broken(transfer: Iterable[LayerTransfer], weights: Weights) -> None:
    taken = [row.layer for row in transfer if row.kind in ("copied", "frozen")]
    if broken := [name for name in taken if name in weights.broken]:
        raise BadNetError(
            f"{weights.location}: layer {listed(broken)} has numbers that are NaN or infinite, as a training "
            "that diverged leaves them: give an earlier snapshot or other weights"
        )


def _without_weights(row: LayerTransfer) -> str:
    return row.remark if row.kind == "new" else ""


def solver_of(inputs: Inputs, test_batch_size: int) -> SolverParameter:
    """Return the run's solver prototxt. Raises BadSpecError for values that cannot go together."""
    return solver_param(
        inputs.spec.solver,
        net="net/train_val.prototxt",
        train_records=inputs.train.records,
        val_records=inputs.val.records,
        batch_size=inputs.spec.data.batch_size,
        test_batch_size=test_batch_size,
        snapshot_prefix=SNAPSHOT_PREFIX,
    )


def test_shapes(operation: Operation, data: DataLayers) -> NetShapes:
    """Return the shapes of the TEST net."""
    _, *image = data.input_shape
    inputs = {IMAGES: (data.test_batch_size, *image), LABELS: (data.test_batch_size,)}
    return infer_shapes(phase_view(operation.train_val, TEST), inputs)


def class_names(spec: JobSpec, train: DatasetFacts, val: DatasetFacts) -> tuple[str, ...]:
    """Return a name for every output of the new heads; labels nobody named are called by their number.

    That every label has an output was checked with the data (ftjob.dataset.findings). Raises BadDataError for
    more classes than are planned, or one.
    """
    present = max(max(facts.histogram, default=0) for facts in (train, val)) + 1
    wanted = spec.surgery.num_output
    count = max(present, len(train.labels)) if wanted == "auto" else wanted
    if count > MOST_CLASSES:
        culprit = train.location if wanted == "auto" else "surgery.num_output"
        raise BadDataError(
            f"{culprit}: makes {count:,} classes, but at most {MOST_CLASSES:,} are allowed: number the "
            "labels from 0 without gaps"
        )
    if count < 2:
        raise BadDataError(
            f"{train.location}: all records have one label, and a classifier needs two: fix the labels"
        )
    names = train.labels[:count]
    return names + tuple(str(label) for label in range(len(names), count))


def data_layers(inputs: Inputs, test_batch_size: int) -> DataLayers:
    """Return what the new data layers read and how they transform it.

    Raises BadSpecError where the mean has another channel count.
    """
    data, train = inputs.spec.data, inputs.train
    if len(inputs.mean) not in (0, 1, train.channels):
        raise BadSpecError(
            f"data.mean: {len(inputs.mean)} values, but the images of {train.location} "
            f"have {train.channels} channels: give one per channel"
        )
    return DataLayers(
        train=train.source,
        val=inputs.val.source,
        channels=train.channels,
        height=train.height,
        width=train.width,
        batch_size=data.batch_size,
        test_batch_size=test_batch_size,
        crop=data.crop,
        random_crop=data.random_crop,
        mirror=data.mirror,
        mean=inputs.mean,
        mean_file=str(inputs.mean_file) if inputs.mean_file else None,
        scale=data.scale,
    )
