"""A worker's life: fetch, surgery, train, snapshot, evaluate, bundle."""

import json
import math
import os
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import closing

from ftjob import files
from ftjob.bundle.write import write_bundle
from ftjob.data.options import Progress
from ftjob.engine import Engine
from ftjob.engine.open import open_engine
from ftjob.errors import BadSpecError, ExitCode, FtjobError, NotAcceptedError
from ftjob.layout import RunFolder
from ftjob.nodes import get_node
from ftjob.plan.changes import refuse_changed
from ftjob.plan.plan import Plan
from ftjob.prepare import Context, prepare, write_prototxts
from ftjob.report.curves import draw_curves
from ftjob.status import ENV_SECONDS_BEFORE, Resumed, State, Status
from ftjob.worker.home import Home, at_home
from ftjob.worker.lease import LeaseLostError
from ftjob.worker.recorder import Recorder
from ftjob.worker.signals import StopRequest
from ftjob.worker.snapshots import Snapshot
from ftjob.worker.train import Outcome, Training
from jobspec import JobSpec, SpecError, load_spec

PROGRESS_SECONDS = 5.0
"""Between two lines of the log about one transfer."""


def run(location: str, attempt: int) -> ExitCode:
    """Run one attempt of the run at a path or URI, where its spec.yaml is; its status.json tells the end.

    An error the user can mend ends as Failed with its sentence. Raises only what nobody foresaw, after it
    has been written down.
    """
    stop = StopRequest().listen()
    try:
        with at_home(location, attempt, log) as home:
            spec = read_spec(home.folder)
            status = begin(home.folder, spec, attempt)
            price = get_node(spec.resources.node).usd_per_hour(spot=spec.resources.begins_on_spot)
            recorder = Recorder(home.folder, status, images_per_iteration(spec), price)
            home.saver.saved = recorder.saved
            with closing(home), closing(recorder):
                return record_end(home, recorder, spec, stop)
    except FtjobError as error:
        log(str(error))
        return error.exit_code


def read_spec(folder: RunFolder) -> JobSpec:
    """Return the spec that submit wrote. Raises BadSpecError where it was changed for the worse since."""
    try:
        return load_spec(folder.spec)
    except SpecError as error:
        raise BadSpecError(str(error)) from error


def record_end(home: Home, recorder: Recorder, spec: JobSpec, stop: StopRequest) -> ExitCode:
    """Work, and write how it ended into the status. Raises LeaseLostError: then it is another's to write."""
    try:
        state, reason, message, code = work(home, recorder, spec, stop)
        home.settle()
    except LeaseLostError:
        raise
    except FtjobError as error:
        state, reason, message, code = State.FAILED, error.reason, str(error), error.exit_code
    except Exception as error:
        log(traceback.format_exc())
        told = f"an unforeseen error ({type(error).__name__}: {error}): please report it with the log"
        finish(recorder, State.FAILED, "InternalError", told, 1)
        raise
    finish(recorder, state, reason, message, code)
    return code


def work(
    home: Home, recorder: Recorder, spec: JobSpec, stop: StopRequest
) -> tuple[State, str, str, ExitCode]:
    """Train, and make the bundle unless the run was stopped from outside; return how to call the end."""
    log(f"{spec.name}: attempt {recorder.status.attempt} begins")
    recorder.update(state=State.RUNNING, reason="Started", stage="fetch")
    plan = planned(home.folder, spec)
    recorder.update(max_iter=plan.solver.max_iter)
    outcome = train(plan, home, recorder, stop)
    iteration = recorder.status.iteration
    if outcome is Outcome.STOPPED:
        told = f"stopped at iteration {iteration} after a snapshot: submit the same spec to go on"
        return State.STOPPED, stop.reason, told, ExitCode.PREEMPTED
    accuracy = bundle(plan, home, recorder)
    if outcome is Outcome.BUDGET_REACHED:
        told = f"the budget ended the run at iteration {iteration} of {plan.solver.max_iter}; bundle made"
        return State.STOPPED, "BudgetReached", told, ExitCode.BUDGET_REACHED
    wanted = spec.accept.accuracy
    if wanted is not None and accuracy < wanted:
        raise NotAcceptedError(f"accept.accuracy: {wanted:.4f} is asked for, {accuracy:.4f} was reached")
    return State.SUCCEEDED, "Completed", f"accuracy {accuracy:.4f}; bundle made", ExitCode.DONE


def planned(folder: RunFolder, spec: JobSpec) -> Plan:
    """Plan as submit did, make sure it is the same run, and write the files that Caffe is given.

    Raises BadNetError or BadDataError, naming it, where an input changed since.
    """
    plan = prepare(spec, Context(progress=log_progress()))
    if plan.run_id != folder.root.name:
        if folder.plan.exists():
            refuse_changed(json.loads(folder.plan.read_text(encoding="utf-8")), plan)
        raise BadSpecError(
            f"{folder.root}: the net, weights or data changed since this run was submitted "
            f"(they make run {plan.run_id} now): submit the spec again"
        )
    write_prototxts(plan, folder)
    files.write_json(folder.plan, plan.to_json())
    return plan


def log_progress() -> Callable[[Progress], None]:
    """Return a function that logs how a dataset or a transfer goes on, every few seconds."""
    last = 0.0

    def tell(progress: Progress) -> None:
        nonlocal last
        if progress.done >= progress.total or time.monotonic() - last >= PROGRESS_SECONDS:
            last = time.monotonic()
            log(str(progress))

    return tell


def train(plan: Plan, home: Home, recorder: Recorder, stop: StopRequest) -> Outcome:
    """Open the engine, go on from the newest sound snapshot if there is one, and train."""
    folder, source = home.folder, plan.inputs.weights
    newest = home.newest(log)
    log(f"resuming at iteration {newest.iteration}" if newest else f"starting {plan.spec.base.net}")
    with open_engine(
        plan.spec.engine,
        solver=folder.solver,
        weights=source.path if source and newest is None else None,
        log=folder.log(recorder.status.attempt),
        cwd=folder.root,
    ) as engine:
        lost = recorder.forget_after(newest.iteration if newest else -1)
        if newest:
            restore(engine, newest, plan, recorder, lost)
        training = Training(plan, home, engine, recorder, stop, deadline(plan.spec))
        return training.run()


def restore(engine: Engine, snapshot: Snapshot, plan: Plan, recorder: Recorder, lost: float) -> None:
    """Restore a snapshot, and tell of it and of the seconds of training that were lost."""
    folder, iteration = recorder.folder, snapshot.iteration
    begin = time.monotonic()
    engine.restore(folder.solverstate(iteration), folder.caffemodel(iteration))
    seconds = round(time.monotonic() - begin, 3)
    replayed = iteration * plan.images_per_iteration
    log(f"resumed at {iteration}: {replayed} images replayed in {seconds} s; {lost:.1f} s of training lost")
    recorder.update(
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
    write_bundle(plan, folder, winner.iteration, folder.log(recorder.status.attempt))
    draw_curves(folder)
    return accuracy


def begin(folder: RunFolder, spec: JobSpec, attempt: int) -> Status:
    """Return the status an attempt starts from: what earlier ones cost is carried on.

    Where somebody else accounts for the pods, $FTJOB_SECONDS_BEFORE says what they came to.
    """
    before = Status(name=spec.name, run_id=folder.root.name, submitted=time.time())
    if folder.status.exists():
        before = Status.from_json(json.loads(folder.status.read_text(encoding="utf-8")))
    seconds, usd = before.seconds, before.usd
    if accounted := os.environ.get(ENV_SECONDS_BEFORE):
        price = get_node(spec.resources.node).usd_per_hour(spot=spec.resources.begins_on_spot)
        seconds, usd = float(accounted), float(accounted) / 3600 * price
    return Status(
        name=before.name,
        run_id=before.run_id,
        attempt=attempt,
        seconds=seconds,
        usd=usd,
        submitted=before.submitted,
        best_accuracy=before.best_accuracy,
        best_iteration=before.best_iteration,
        snapshot=before.snapshot,
    )


def finish(recorder: Recorder, state: State, reason: str, message: str, code: int) -> None:
    """Write the last status of an attempt."""
    log(f"{state}: {message}")
    recorder.update(
        state=state,
        reason=reason,
        message=message,
        exit_code=int(code),
        stage="",
        eta_seconds=None,
        ended=time.time(),
    )


def images_per_iteration(spec: JobSpec) -> int:
    """Return the images one update is made from."""
    return spec.data.batch_size * spec.solver.iter_size


def deadline(spec: JobSpec) -> float:
    """Return the seconds, over all attempts, that the budget pays for."""
    price = get_node(spec.resources.node).usd_per_hour(spot=spec.resources.begins_on_spot)
    hours = [math.inf]
    if spec.budget.hours is not None:
        hours.append(spec.budget.hours)
    if spec.budget.usd is not None and price > 0:
        hours.append(spec.budget.usd / price)
    return min(hours) * 3600


def log(line: str) -> None:
    """Write a line to the attempt's log, which the launcher connected to stderr."""
    sys.stderr.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {line}\n")
    sys.stderr.flush()
