"""A worker's life: fetch, surgery, train, snapshot, evaluate, bundle."""

import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from ftjob import documents, files, records
from ftjob.bundle.write import write_bundle
from ftjob.calibration import remember
from ftjob.data.options import Progress
from ftjob.engine.open import open_engine, resolve
from ftjob.errors import (
    BadSpecError,
    EngineError,
    EngineSilentError,
    ExitCode,
    FtjobError,
    GpuMemoryError,
    NotAcceptedError,
    StorageError,
)
from ftjob.figures import duration, percent
from ftjob.layout import RunFolder
from ftjob.nodes import Node, get_node
from ftjob.plan.changes import refuse_changed
from ftjob.plan.engines import EngineChoice
from ftjob.plan.plan import Plan, make_plan
from ftjob.prepare import Context, prepare, write_prototxts
from ftjob.report.curves import curves_png
from ftjob.runfolder.address import names_of
from ftjob.runfolder.lease import LeaseLostError
from ftjob.runfolder.snapshots import Snapshot
from ftjob.status import ENV_SECONDS_BEFORE, Resumed, State, Status
from ftjob.storage import open_store
from ftjob.worker.admission import Arrival, Standing, arrival_of, look, read_spec
from ftjob.worker.finish import End, draw, finish
from ftjob.worker.meter import open_account
from ftjob.worker.pod.reporting import AttemptReport, reporting
from ftjob.worker.recorder import Recorder
from ftjob.worker.storage import Home, at_home
from ftjob.worker.train import Outcome, Training
from ftjob.worker.watch.gpu import Gpu, find_gpu
from ftjob.worker.watch.gpu_watch import Watch
from ftjob.worker.watch.signals import StopRequest
from ftjob.worker.watch.spot_notice import Notices
from jobspec import JobSpec
from jobspec.text import plain

PROGRESS_SECONDS = 5.0
"""Between two lines of the log about one transfer."""


def run(location: str, attempt: int, *, spec: Path | None = None, owner: Path | None = None) -> int:
    """Run one attempt of the run at a path or URI; its status.json tells the end.

    In a pod, `spec` and `owner` are files: the spec, and the FineTuneJob that it works for. An error the user
    can mend ends as Failed with its sentence. Raises what nobody foresaw, after it has been written down.
    """
    stop = StopRequest().listen()
    with reporting(attempt, log, in_pod=owner is not None) as report:
        try:
            return run_attempt(location, arrival_of(attempt, spec, owner), report, stop)
        except FtjobError as error:
            log(str(error))
            return report.failed(error)


def run_attempt(location: str, arrival: Arrival, report: AttemptReport, stop: StopRequest) -> int:
    """Be a run's one worker, unless it is done or another's; return the exit code. Raises FtjobError."""
    store = open_store(location)
    # before anything is written there, a lock or a lease
    standing = look(store, arrival)
    report.owner, run_id = standing.owner, names_of(location)[1]
    if standing.is_done(run_id):
        return done_before(standing, report)
    with at_home(location, store, arrival, log) as home:
        report.owner = home.standing.owner
        if home.standing.is_done(run_id):  # by a worker that was waited for
            with closing(home):
                return done_before(home.standing, report)
        spec = read_spec(home.folder.spec)
        recorder = open_recorder(home, spec)
        report.status = lambda: recorder.status
        home.saver.saved = recorder.saved
        with closing(home), closing(recorder), notices(spec, stop):
            return record_end(home, recorder, spec, stop)


def done_before(standing: Standing, report: AttemptReport) -> int:
    """End at once, with what the run came to; its folder stays as it is."""
    status = standing.status
    assert status is not None
    report.status = lambda: status
    message = f"run {status.run_id} was done before: {status.message}"
    log(message)
    return report.end("AlreadyDone", message, ExitCode.DONE)


def record_end(home: Home, recorder: Recorder, spec: JobSpec, stop: StopRequest) -> int:
    """Work, and write how it ended into the status. Raises LeaseLostError: then it is another's to write."""
    try:
        end = work(home, recorder, spec, stop)
        home.settle()
    except LeaseLostError:
        raise
    except FtjobError as error:
        end = End(State.FAILED, error.reason, str(error), error.exit_code)
    except Exception as error:
        for line in traceback.format_exc().splitlines():
            log(line)
        told = f"an unforeseen error ({type(error).__name__}: {error}): please report it with the log"
        finish(recorder, End(State.FAILED, "InternalError", told, 1), log)
        raise
    return finish(recorder, end, log)


def work(home: Home, recorder: Recorder, spec: JobSpec, stop: StopRequest) -> End:
    """Train, and make the bundle unless the run was stopped from outside; return how to call the end."""
    log(f"{spec.name}: attempt {recorder.status.attempt} begins")
    recorder.update(state=State.RUNNING, reason="Started", stage="fetch")
    plan = planned(home.folder, spec, recorder)
    recorder.update(max_iter=plan.solver.max_iter)
    outcome = train(plan, home, recorder, stop)
    iteration = recorder.status.iteration
    if outcome is Outcome.STOPPED:
        why = f"{stop.notice}; " if stop.notice else ""
        told = f"{why}stopped at iteration {iteration} after a snapshot: submit the same spec to go on"
        return End(State.STOPPED, stop.reason, told, ExitCode.PREEMPTED)
    accuracy = bundle(plan, home, recorder)
    if outcome is Outcome.BUDGET_REACHED:
        told = f"the budget ended the run at iteration {iteration} of {plan.solver.max_iter}; bundle made"
        return End(State.STOPPED, "BudgetReached", told, ExitCode.BUDGET_REACHED)
    wanted = spec.accept.accuracy
    if wanted is not None and accuracy < wanted:
        raise NotAcceptedError(f"accept.accuracy: {wanted:.4f} is asked for, {accuracy:.4f} was reached")
    told = f"accuracy {accuracy:.4f}; bundle made"
    if outcome is Outcome.PLATEAU:
        told += (
            f"; ended at iteration {iteration} of {plan.solver.max_iter}, since {spec.guards.patience} tests "
        )
        told += "in a row were no better (guards.patience)"
    return End(State.SUCCEEDED, outcome.value, told, ExitCode.DONE)


def planned(folder: RunFolder, spec: JobSpec, recorder: Recorder) -> Plan:
    """Plan as submit did, make sure it is the same run, and write the files that Caffe is given.

    Raises BadNetError or BadDataError, naming it, where an input changed since.
    """
    plan = prepare(spec, Context(progress=log_progress(recorder)))
    if plan.run_id != folder.root.name:
        if folder.plan.exists():
            with documents.explained(folder.plan):
                before = records.read_plan(folder.plan)
            refuse_changed(before, plan)
        raise BadSpecError(
            f"{folder.root}: the net, weights or data changed since this run was submitted "
            f"(they make run {plan.run_id} now): submit the spec again"
        )
    plan = with_engine_here(plan)
    write_prototxts(plan, folder)
    files.write_json(folder.plan, plan.to_json())
    return plan


def with_engine_here(plan: Plan) -> Plan:
    """Return the plan with PyTorch, where the spec leaves the engine open and Caffe is not installed."""
    name = resolve(plan.engine.opens)
    if name == plan.engine.name:
        return plan
    log("Caffe is not installed on this machine, PyTorch is: training with engine torch")
    return replace(plan, engine=EngineChoice("torch", "Caffe is not installed where it runs"))


def log_progress(recorder: Recorder) -> Callable[[Progress], None]:
    """Return a function that logs how a dataset or a transfer goes on, every few seconds, and notes what the
    cache spared."""
    last = 0.0

    def tell(progress: Progress) -> None:
        nonlocal last
        if progress.spared_seconds:
            recorder.saved_by("cache", progress.spared_seconds)
        if progress.done >= progress.total or time.monotonic() - last >= PROGRESS_SECONDS:
            last = time.monotonic()
            log(str(progress))

    return tell


def train(plan: Plan, home: Home, recorder: Recorder, stop: StopRequest) -> Outcome:
    """Train, with smaller batches where the GPU's memory wants that and the spec allows it."""
    while True:
        try:
            return train_once(plan, home, recorder, stop)
        except GpuMemoryError as error:
            smaller = with_smaller_batch(plan) if plan.spec.resources.smaller_batch else None
            if smaller is None:
                raise
            data, solver = smaller.spec.data, smaller.spec.solver
            log(f"{error}; going on with batch_size {data.batch_size} and iter_size {solver.iter_size}")
            plan = smaller
            write_prototxts(plan, home.folder)
            home.look_again()


def train_once(plan: Plan, home: Home, recorder: Recorder, stop: StopRequest) -> Outcome:
    """Open the engine, go on from the newest sound snapshot if there is one, and train."""
    folder, source = home.folder, plan.inputs.weights
    recorder.update(stage="open")
    begin = time.monotonic()
    newest, gpu = home.newest(log), gpu_for(plan.inputs.node)
    log(f"resuming at iteration {newest.iteration}" if newest else f"starting {plan.spec.base.net}")
    log("computing on the GPU" if gpu else "computing on processors")
    minutes = plan.spec.guards.idle_minutes
    limit_seconds = minutes * 60 if minutes else None
    with (
        naming_guard(),
        open_engine(
            plan.engine.name,
            solver=folder.solver,
            weights=source.path if source and newest is None else None,
            log=folder.log(recorder.status.attempt),
            cwd=folder.root,
            gpu=gpu.index if gpu else None,
            patience_seconds=limit_seconds,
        ) as engine,
    ):
        open_seconds = time.monotonic() - begin
        lost = recorder.forget_after(newest.iteration if newest else -1)
        recorder.lost(lost)
        watch = Watch(limit_seconds, gpu)
        training = Training(plan, home, engine, recorder, stop, watch, open_seconds)
        if newest:
            restore(training, newest, lost)
        with watch:  # from here on: a replay has nothing for the GPU to do
            outcome = training.run()
    remember_speed(training)
    return outcome


@contextmanager
def naming_guard() -> Iterator[None]:
    """Say of an engine that hung which field is its limit, and that nothing saved is lost."""
    try:
        yield
    except EngineSilentError as error:
        raise EngineSilentError(
            f"guards.idle_minutes: {error}: submit again to go on from the last snapshot"
        ) from error


def remember_speed(training: Training) -> None:
    """Keep what was measured for later plans; a store that takes it not is no reason to end a run."""
    plan, recorder = training.plan, training.recorder
    speed, tests = recorder.images_per_second, training.test_seconds
    if not speed:
        return
    per_test = tests / plan.inputs.val.records if tests else None
    startup = sum(recorder.stages.get(stage, 0.0) for stage in ("start", "fetch", "open"))
    try:
        remember(plan, 1 / speed, per_test, plan.run_id, time.time(), startup_seconds=startup)
    except StorageError as error:
        log(f"the measured speed is not kept: {error}")


def gpu_for(node: Node) -> Gpu | None:
    """Return the GPU to compute on, where the node has one. Raises EngineError where a pod's does not show.

    On a machine of one's own a profile with a GPU stands for its price and speed only.
    """
    gpu = find_gpu() if node.gpus else None
    if node.gpus and gpu is None and ENV_SECONDS_BEFORE in os.environ:
        raise EngineError(
            f"resources.node: {node.name} has a GPU ({node.gpu}), and none shows in this pod: see that the "
            "node's driver and device plugin work (`nvidia-smi` on the node)"
        )
    return gpu


def with_smaller_batch(plan: Plan) -> Plan | None:
    """Return the same run with at most half the images at a time; None where it is one already.

    An iteration is still made from as many images, so iterations, snapshots and metrics mean what they did.
    """
    data, solver = plan.spec.data, plan.spec.solver
    images = data.batch_size * solver.iter_size
    sizes = [size for size in range(1, data.batch_size // 2 + 1) if images % size == 0]
    if not sizes:
        return None
    spec = plan.spec.model_copy(
        update={
            "data": data.model_copy(update={"batch_size": sizes[-1]}),
            "solver": solver.model_copy(update={"iter_size": images // sizes[-1]}),
        }
    )
    return replace(make_plan(replace(plan.inputs, spec=spec)), run_id=plan.run_id)


def restore(training: Training, snapshot: Snapshot, lost: float) -> None:
    """Restore a snapshot, and tell of it and of the seconds of training that were lost.

    What must end the run ends the replay too: nothing is lost with it.
    """
    plan, recorder, iteration = training.plan, training.recorder, snapshot.iteration
    folder, begin = recorder.folder, time.monotonic()
    told = begin

    def go_on(share: float) -> bool:
        nonlocal told
        now = time.monotonic()
        if now - told >= PROGRESS_SECONDS:
            told = now
            left = (now - begin) * (1 - share) / share
            log(f"replaying the data of {iteration} iterations: {percent(share)}, {duration(left)} left")
        return not training.must_end()

    recorder.update(stage="replay")
    files_of = folder.solverstate(iteration), folder.caffemodel(iteration)
    training.is_replayed = training.engine.restore(*files_of, go_on=go_on)
    seconds = round(time.monotonic() - begin, 3)
    if not training.is_replayed:
        log(f"the replay of {iteration} iterations ends early, after {seconds} s")
        return recorder.update(iteration=iteration, snapshot=iteration)
    replayed = iteration * plan.images_per_iteration if plan.engine.name == "caffe" else 0
    log(f"resumed at {iteration}: {replayed} images replayed in {seconds} s; {lost:.1f} s of training lost")
    return recorder.update(
        iteration=iteration,
        snapshot=iteration,
        reason="Resumed",
        resumed=Resumed(iteration, replayed, seconds, round(lost, 3)),
    )


def bundle(plan: Plan, home: Home, recorder: Recorder) -> float:
    """Make evaluation.json, bundle and curves from the best snapshot; return its accuracy."""
    folder = home.folder
    recorder.update(stage="bundle")
    winner = home.best()
    accuracy = float(winner.record["evaluation"]["accuracy"])
    log(f"bundling iteration {winner.iteration}, accuracy {accuracy:.4f}")
    files.write_json(folder.evaluation, winner.record["evaluation"])
    log(str(write_bundle(plan, folder, winner.iteration, folder.log(recorder.status.attempt))))
    draw(folder.curves, lambda: curves_png(folder), log)
    return accuracy


def open_recorder(home: Home, spec: JobSpec) -> Recorder:
    """Return what writes this attempt's status, beginning from what earlier attempts came to."""
    folder, node, before = home.folder, get_node(spec.resources.node), None
    if folder.status.exists():
        with documents.explained(folder.status):
            before = Status.parse(documents.read_bytes(folder.status))
    account = open_account(spec, node, before, home.standing.owner)
    last = before or Status(name=spec.name, run_id=folder.root.name, submitted=time.time())
    status = Status(
        name=last.name,
        run_id=last.run_id,
        attempt=home.attempt,
        seconds=account.seconds_before,
        usd=account.usd_before,
        submitted=last.submitted,
        best_accuracy=last.best_accuracy,
        best_iteration=last.best_iteration,
        snapshot=last.snapshot,
        attempts=last.attempts,
    )
    return Recorder(folder, status, images_per_iteration(spec), account, node.name)


@contextmanager
def notices(spec: JobSpec, stop: StopRequest) -> Iterator[None]:
    """Listen for a spot instance's notice, where the run may be on one."""
    if not spec.resources.begins_on_spot:
        yield
        return

    def told(notice: str) -> None:
        log(notice)
        stop.notify(notice)

    with Notices(told):
        yield


def images_per_iteration(spec: JobSpec) -> int:
    """Return the images one update is made from."""
    return spec.data.batch_size * spec.solver.iter_size


def log(line: str) -> None:
    """Write one line to the attempt's log, which the launcher connected to stderr."""
    sys.stderr.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {plain(line)}\n")
    sys.stderr.flush()
