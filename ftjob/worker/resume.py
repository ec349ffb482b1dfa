"""Trains from the newest sound snapshot, with smaller batches where the GPU's memory requires them."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ftjob.engine import Engine, Features
from ftjob.engine.nvml import Device
from ftjob.engine.open import open_engine
from ftjob.errors import EngineSilentError, GpuMemoryError, StorageError
from ftjob.errors.outcomes import Reason
from ftjob.formatting import duration, percent
from ftjob.fs import files
from ftjob.fs.paths import cache_dir
from ftjob.net.precision import Precision, automatic
from ftjob.plan.plan import Plan
from ftjob.prepare.calibration import remember
from ftjob.prepare.prepare import write_prototxts
from ftjob.runfolder.snapshots import Snapshot
from ftjob.runfolder.status import Resumed
from ftjob.storage import open_store
from ftjob.storage.eviction import limit
from ftjob.worker.log import PROGRESS_SECONDS, log
from ftjob.worker.planning import with_fewer_gpus, with_smaller_batch
from ftjob.worker.pod.context import PodContext
from ftjob.worker.recorder import Recorder
from ftjob.worker.storage import Home
from ftjob.worker.tracking.tracked import tracked
from ftjob.worker.train import Outcome, Training
from ftjob.worker.transfer.feature_store import FOLDER, PATIENCE, SharedFeatures, worth_sharing
from ftjob.worker.watch.gpu import gpus_for
from ftjob.worker.watch.gpu_watch import Watch
from ftjob.worker.watch.signals import StopRequest


def train(plan: Plan, home: Home, recorder: Recorder, stop: StopRequest, pod: PodContext) -> Outcome:
    """Train, with smaller batches where the GPU's memory requires them and the spec allows it, and with fewer
    GPUs where a user's own machine has fewer."""
    wanted = plan.spec.solver.gpus
    gpus = gpus_for(plan.inputs.node, wanted, in_cluster=pod.accounts is not None)
    here = with_fewer_gpus(plan, len(gpus))
    if here is not plan:
        solver = here.spec.solver
        on = f"{solver.gpus} of {wanted} GPUs" if gpus else "processors"
        log(f"solver.gpus: continuing on {on} with iter_size {solver.iter_size}: an iteration stays the same")
        plan, gpus = here, gpus[: solver.gpus]
        write_prototxts(plan, home.folder)
    while True:
        try:
            return train_once(plan, home, recorder, stop, gpus, pod)
        except GpuMemoryError as error:
            smaller = with_smaller_batch(plan) if plan.spec.resources.smaller_batch else None
            if smaller is None:
                raise
            data, solver = smaller.spec.data, smaller.spec.solver
            log(f"{error}; continuing with batch_size {data.batch_size} and iter_size {solver.iter_size}")
            plan = smaller
            write_prototxts(plan, home.folder)
            home.refresh_found()


def train_once(
    plan: Plan, home: Home, recorder: Recorder, stop: StopRequest, gpus: Sequence[Device], pod: PodContext
) -> Outcome:
    """Open the engine, resume from the newest sound snapshot if there is one, and train."""
    folder, source = home.folder, plan.inputs.weights
    recorder.update(stage="open")
    begin = time.monotonic()
    newest, gpu = home.newest(log), gpus[0] if gpus else None
    log(f"resuming at iteration {newest.iteration}" if newest else f"starting {plan.spec.base.net}")
    precision = precision_on(gpu, plan)
    several = f"{len(gpus)} GPUs, the first of them " if len(gpus) > 1 else ""
    log(f"computing on {several}{f'the {gpu.title}' if gpu else 'processors'} in {precision}")
    minutes = plan.spec.guards.idle_minutes
    limit_seconds = minutes * 60 if minutes else None
    with (
        naming_guard(),
        open_engine(
            plan.engine.name,
            solver=folder.solver,
            weights=source.path if source and newest is None else None,
            log=recorder.folder.log(recorder.status.attempt),
            cwd=folder.root,
            gpu=gpu.index if gpu else None,
            ranks=max(1, len(gpus)),
            precision=precision,
            features=features_of(plan),
            patience_seconds=limit_seconds,
        ) as engine,
    ):
        open_seconds = time.monotonic() - begin
        lost = recorder.forget_after(newest.iteration if newest else -1)
        recorder.lost(lost)
        watch = Watch(limit_seconds, gpus, recorder.computes)
        training = Training(plan, home, engine, recorder, stop, watch, open_seconds)
        if newest:
            restore(training, newest, lost)
        # the watch comes last: neither a replay nor a transfer has anything for the GPU to do
        with (
            tracked(plan, folder, recorder, pod),
            shared_features(plan, home, engine, recorder, stop) as sharing,
            watch,
        ):
            outcome = training.run()
            if outcome is Outcome.FINISHED and not training.budget_is_near():
                sharing.finish()
    remember_speed(training)
    return outcome


def precision_on(gpu: Device | None, plan: Plan) -> Precision:
    """Return the plan's precision; fp32 where the spec leaves it open and `auto` is another one here than on
    the planned node, as on a laptop that stands for a GPU's node."""
    planned = plan.engine.precision
    here = automatic(gpu.capability if gpu else None)
    return planned if plan.spec.solver.precision != "auto" or planned == here else "fp32"


def features_of(plan: Plan) -> Features | None:
    """Return where the features of a frozen trunk are kept: in the node's cache, beside what was fetched."""
    if not plan.kept_features:
        return None
    folder = cache_dir() / "features"
    with files.explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return Features(folder, limit(folder) // 2, plan.kept_features)


def shared_features(
    plan: Plan, home: Home, engine: Engine, recorder: Recorder, stop: StopRequest
) -> SharedFeatures:
    """Return what shares a run's features through the store of its output.

    Of a run in a directory nothing is shared: its features are in this node's cache.
    """
    features = features_of(plan)
    shared = worth_sharing(engine.kept_features(), plan.forecast.work) if features else []
    if not home.run.is_copy or features is None:
        shared = []
    if shared:
        recorder.update(stage="fetch")
    return SharedFeatures(
        open_store(plan.spec.output, patience=PATIENCE).child(FOLDER),
        shared,
        aside=home.folder.coming_features,
        limit=features.limit if features else 0,
        must_stop=lambda: bool(stop),
        log=log,
    )


@contextmanager
def naming_guard() -> Iterator[None]:
    """Add to the error of a hung engine the field that limits it, and that snapshots are kept."""
    try:
        yield
    except EngineSilentError as error:
        raise EngineSilentError(
            f"guards.idle_minutes: {error}: submit again to resume from the last snapshot"
        ) from error


def restore(training: Training, snapshot: Snapshot, lost: float) -> None:
    """Restore a snapshot, and record it with the seconds of training that were lost."""
    recorder, iteration = training.recorder, snapshot.iteration
    begin = logged = time.monotonic()

    def on_progress(share: float) -> None:
        nonlocal logged
        now = time.monotonic()
        if now - logged >= PROGRESS_SECONDS:
            logged = now
            left = (now - begin) * (1 - share) / share
            log(f"replaying the data of {iteration} iterations: {percent(share)}, {duration(left)} left")

    recorder.update(stage="replay")
    is_replayed = training.replay(iteration, on_progress)
    seconds = round(time.monotonic() - begin, 3)
    if not is_replayed:
        log(f"the replay of {iteration} iterations ended early, after {seconds} s")
        return recorder.update(iteration=iteration, snapshot=iteration)
    replayed = training.engine.replayed * training.plan.spec.data.batch_size
    log(f"resumed at {iteration}: {replayed} images replayed in {seconds} s; {lost:.1f} s of training lost")
    return recorder.update(
        iteration=iteration,
        snapshot=iteration,
        reason=Reason.RESUMED,
        resumed=Resumed(iteration, replayed, seconds, round(lost, 3)),
    )


def remember_speed(training: Training) -> None:
    """Store the measured speed for later plans; a failure to do so ends no run.

    Not that of a run whose trunk was skipped in most passes: plans begin with the speed of the whole net.
    """
    plan, recorder = training.plan, training.recorder
    work = plan.forecast.work
    speed, tests = recorder.images_per_second, training.test_seconds
    if not speed or work.kept_train:
        return
    per_test = tests / plan.inputs.val.records if tests and not work.kept_test else None
    startup = sum(recorder.stages.get(stage, 0.0) for stage in ("start", "fetch", "open"))
    try:
        remember(plan, 1 / speed, per_test, plan.run_id, time.time(), startup_seconds=startup)
    except StorageError as error:
        log(f"could not store the measured speed: {error}")
