"""What a run takes on a node: seconds, dollars, and how far its budget goes."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import ceil, inf

from ftjob.formatting import dollars
from ftjob.money.limits import BudgetLimits
from ftjob.net.flops import NetFlops
from ftjob.net.precision import Precision
from ftjob.nodes.profiles import Node
from ftjob.plan.measured import Measurement
from ftjob.plan.savings import KeptTrunk, speedup

SNAPSHOT_BYTES_PER_SECOND = 100e6
"""Assumed for writing to the node's disk; training waits for that, not for the upload."""
UPLOAD_BYTES_PER_SECOND = 50e6
"""Assumed for bringing a snapshot to the store, until one was."""


@dataclass(frozen=True)
class Workload:
    """All that a run does, in numbers."""

    batch_size: int
    iter_size: int
    max_iter: int
    train_images: int
    val_images: int
    test_interval: int
    """Iterations between tests of all validation images; the first is at iteration 0, the last at the end."""
    snapshot: int
    """Iterations between snapshots; one is at the end."""
    snapshot_bytes: int
    """Of one caffemodel with its solverstate."""
    on_images: int = 0
    """Of `accept.on`, which are tested once, at the end."""
    kept_train: KeptTrunk | None = None
    """A frozen trunk that runs once for each image; None where the whole net runs in every pass."""
    kept_test: KeptTrunk | None = None
    gpus: int = 1

    @property
    def first_snapshot(self) -> int:
        """The iteration of the first snapshot."""
        return min(self.snapshot, self.max_iter)

    @property
    def images_per_iteration(self) -> int:
        return self.batch_size * self.iter_size * self.gpus


@dataclass(frozen=True)
class Cost:
    """Seconds and dollars of one attempt that nothing interrupts."""

    seconds_per_iteration: float
    seconds_per_epoch: float
    images_per_second: float
    train_seconds: float
    test_seconds: float
    """Of all tests together."""
    snapshot_seconds: float
    """Of all snapshots together."""
    startup_seconds: float
    usd_per_hour: float
    worst_usd: float
    """The most that may be spent: the budget; without one, every attempt of `max_retries` ending just before
    its end, at the dearest price that may be paid. Attempts that are taken away come on top then."""
    least_seconds: float
    """Until the first snapshot is there: start, first test, one interval."""
    affordable_seconds: float | None
    """How long the budget pays for the node; None without a budget."""
    affordable_iterations: int | None
    """How many iterations the budget allows, at most max_iter; None without a budget."""
    assumptions: tuple[str, ...]
    """What the numbers assume, in sentences."""

    @property
    def total_seconds(self) -> float:
        return self.startup_seconds + self.train_seconds + self.test_seconds + self.snapshot_seconds

    @property
    def usd(self) -> float:
        return self.total_seconds / 3600 * self.usd_per_hour


@dataclass(frozen=True)
class Speed:
    """Seconds for one image on a node."""

    train: float
    """Forward and backward, on all GPUs together."""
    test: float
    """Forward only, which the first GPU does alone."""


def predicted_speed(
    train: NetFlops, test: NetFlops, node: Node, precision: Precision = "fp32", gpus: int = 1
) -> Speed:
    """Return the speed that a node's profile predicts for nets that were never run on it; their bytes are
    those of the precision."""
    flops = train.forward + train.backward
    moved = train.forward_bytes + train.backward_bytes
    return Speed(
        node.seconds(flops, moved, precision) / speedup(gpus),
        node.seconds(test.forward, test.forward_bytes, precision),
    )


def measured_speed(predicted: Speed, measured: Measurement) -> Speed:
    """Return a speed that was measured; tests that were not are faster or slower as training is."""
    train = measured.train_seconds_per_image
    return Speed(train, measured.test_seconds_per_image or predicted.test * train / predicted.train)


def estimate_cost(
    work: Workload,
    predicted: Speed,
    node: Node,
    *,
    spot: bool = False,
    budget: BudgetLimits | None = None,
    measured: Measurement | None = None,
    retries: int = 0,
    dearest: float | None = None,
    precision: Precision = "fp32",
) -> Cost:
    """Return what the run takes, by what was measured where something was.

    `retries` is how often it may be tried again; `dearest` the price per hour that it may come to cost, where
    that is not the one it begins with; `precision` is that of the prediction. Raises BadSpecError for spot on
    a node that has no spot price.
    """
    speed = measured_speed(predicted, measured) if measured else predicted
    startup = node.startup_seconds
    if measured and measured.startup_seconds is not None:
        startup = measured.startup_seconds
    usd_per_hour = node.usd_per_hour(spot=spot)
    limit = (budget or BudgetLimits()).seconds(usd_per_hour)
    seconds_of = _Seconds(work, speed)
    train, test, snapshots = seconds_of(work.max_iter)
    whole = startup + train + test + snapshots
    return Cost(
        seconds_per_iteration=work.images_per_iteration * speed.train,
        seconds_per_epoch=work.train_images * speed.train,
        images_per_second=1 / speed.train,
        train_seconds=train,
        test_seconds=test,
        snapshot_seconds=snapshots,
        startup_seconds=startup,
        usd_per_hour=usd_per_hour,
        worst_usd=_worst(budget or BudgetLimits(), whole * (1 + retries), dearest or usd_per_hour),
        least_seconds=startup + _until_first_snapshot(seconds_of),
        affordable_seconds=None if limit == inf else limit,
        affordable_iterations=None if limit == inf else _affordable(seconds_of, limit - startup),
        assumptions=(
            _of_speed(node, predicted, measured, precision) + _of_gpus(work.gpus, measured),
            _of_start(startup, measured),
            f"snapshots are written at {SNAPSHOT_BYTES_PER_SECOND / 1e6:g} MB/s"
            + ("" if measured else "; training never waits for images"),
            _of_price(usd_per_hour, spot=spot),
        ),
    )


def total_cost(stages: Sequence[Cost], budget: BudgetLimits, dearest: float) -> Cost:
    """Return what the stages of a run take together, in one attempt; of one stage, its own cost.

    The node starts once, and the budget is for all of them; `dearest` is the price per hour that it may come
    to cost. Speeds are the last stage's.
    """
    *earlier, last = stages
    if not earlier:
        return last
    limit = budget.seconds(last.usd_per_hour)
    without_budget = sum(stage.worst_usd for stage in stages)
    return replace(
        last,
        train_seconds=sum(stage.train_seconds for stage in stages),
        test_seconds=sum(stage.test_seconds for stage in stages),
        snapshot_seconds=sum(stage.snapshot_seconds for stage in stages),
        startup_seconds=stages[0].startup_seconds,
        worst_usd=without_budget if limit == inf else _worst(budget, 0.0, dearest),
        least_seconds=stages[0].least_seconds,
        affordable_seconds=None if limit == inf else limit,
        affordable_iterations=None,
    )


def remaining_seconds(work: Workload, predicted: Speed, iteration: int, images_per_second: float) -> float:
    """Return the seconds of training that are left, from the speed at present.

    With a kept trunk later epochs are faster than the first, as is predicted.
    """
    left = (work.max_iter - iteration) * work.images_per_iteration / images_per_second
    if work.kept_train is None or not left:
        return left
    seconds = _Seconds(work, predicted)
    done, step = iteration * work.images_per_iteration, work.images_per_iteration
    now = (seconds.train(done + step) - seconds.train(done)) / step
    to_come = seconds.train(work.max_iter * step) - seconds.train(done)
    return to_come / now / images_per_second


@dataclass(frozen=True)
class _Seconds:
    """The seconds of training, tests and snapshots when a run ends after so many iterations."""

    work: Workload
    speed: Speed

    def __call__(self, iterations: int) -> tuple[float, float, float]:
        work = self.work
        tests = 1 + ceil(iterations / work.test_interval)
        snapshots = ceil(iterations / work.snapshot)
        return (
            self.train(iterations * work.images_per_iteration),
            self.test(tests * work.val_images) + work.on_images * self.speed.test,
            snapshots * work.snapshot_bytes / SNAPSHOT_BYTES_PER_SECOND,
        )

    def train(self, images: int) -> float:
        kept, records = self.work.kept_train, self.work.train_images
        return _of_images(images, records, kept, self.speed.train)

    def test(self, images: int) -> float:
        kept, records = self.work.kept_test, self.work.val_images
        return _of_images(images, records, kept, self.speed.test)


def _of_images(images: int, records: int, kept: KeptTrunk | None, seconds: float) -> float:
    """Return the seconds of images of which some skip a kept trunk: of the `seconds` that the whole net takes
    for one, these spare the trunk's share and take the reading of features instead."""
    if kept is None:
        return images * seconds
    skipping = images - kept.passes(images, records)
    return images * seconds - skipping * max(0.0, seconds * kept.share - kept.read_seconds)


def _worst(budget: BudgetLimits, seconds: float, usd_per_hour: float) -> float:
    """Return the dollars that a run costs with every retry it may have."""
    if budget.usd is None and budget.hours is None:
        return seconds / 3600 * usd_per_hour
    return budget.seconds(usd_per_hour) / 3600 * usd_per_hour if usd_per_hour else 0.0


def _until_first_snapshot(seconds_of: _Seconds) -> float:
    work = seconds_of.work
    train, _, snapshot = seconds_of(work.first_snapshot)
    return seconds_of.test(work.val_images) + train + snapshot


def _affordable(seconds_of: _Seconds, limit: float) -> int:
    iterations = range(seconds_of.work.max_iter + 1)
    return max(0, bisect_right(iterations, limit, key=lambda each: sum(seconds_of(each))) - 1)


def _of_speed(node: Node, predicted: Speed, measured: Measurement | None, precision: Precision) -> str:
    if measured is None:
        products, origin = "products", "as published trainings reach"
        if precision != "fp32":
            products, origin = f"products in {precision}", "by its profile, not measured"
        return (
            f"{node.gpu}: {node.teraflops_of(precision):g} TFLOP/s of {products} and "
            f"{node.gigabytes_per_second:g} GB/s of blobs, {origin}; "
            "the first measured iterations replace this"
        )
    day = datetime.fromtimestamp(measured.when, UTC).date()
    guess = predicted.train / measured.train_seconds_per_image
    return f"measured in run {measured.run} on {day}; the profile's guess was {guess:.2g} times that"


def _of_gpus(gpus: int, measured: Measurement | None) -> str:
    if gpus == 1 or measured:
        return ""
    return f"; {gpus} GPUs train {speedup(gpus):g} times as fast as one, which tests alone"


def _of_start(seconds: float, measured: Measurement | None) -> str:
    if measured and measured.startup_seconds is not None:
        return f"{seconds:.0f} s until the first iteration, as in that run"
    return f"{seconds:g} s until the first iteration, for the node, the image and the data"


def _of_price(usd_per_hour: float, *, spot: bool) -> str:
    kind = "spot (a typical price; interruptions cost extra)" if spot else "on demand"
    return f"{dollars(usd_per_hour)} per hour {kind}" if usd_per_hour else "the node costs nothing"
