"""The plan that an attempt trains: the submitted one, for the machine that it runs on."""

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import takewhile

from ftjob.dataset.build_options import DataProgress
from ftjob.engine.open import resolve
from ftjob.errors import BadSpecError
from ftjob.fs import documents
from ftjob.plan.changes import refuse_changed, refuse_changed_stage
from ftjob.plan.engines import EngineChoice
from ftjob.plan.plan import Plan, make_plan
from ftjob.prepare.prepare import Context, prepare, write_plan, write_prototxts
from ftjob.runfolder.records.plan import read_plan
from ftjob.runfolder.status import Status
from ftjob.runfolder.store import RunStore
from ftjob.worker.log import PROGRESS_SECONDS, log
from ftjob.worker.recorder import Recorder
from jobspec import JobSpec


def planned(run: RunStore, spec: JobSpec, recorder: Recorder) -> Plan:
    """Plan as submit did, check that it is the same run, and write the engine's prototxts. Fetches the data
    of stages that are not complete.

    Raises BadNetError or BadDataError, naming it, where an input changed since.
    """
    folder = run.folder
    done = complete_stages(run, recorder.status)
    plan = prepare(spec, Context(progress=log_progress(recorder), first_stage=done))
    if plan.run_id != folder.root.name:
        if folder.plan.exists():
            with documents.explained(folder.plan):
                before = read_plan(folder.plan)
            refuse_changed(before, plan)
            refuse_changed_stage(before, plan)
        raise BadSpecError(
            f"{folder.root}: the net, weights or data changed since this run was submitted "
            f"(they make run {plan.run_id} now): submit the spec again"
        )
    plan = replace(with_engine_here(plan), earlier=tuple(map(with_engine_here, plan.earlier)))
    write_prototxts(plan, folder)
    write_plan(plan, folder)
    return plan


def complete_stages(run: RunStore, status: Status) -> int:
    """Return how many stages of a run are complete, by the records in its folder. Raises StorageError."""
    records = (run.stage(each.run_id).stage_record() for each in status.stage_results[:-1])
    return sum(1 for _ in takewhile(lambda record: record is not None, records))


def with_engine_here(plan: Plan) -> Plan:
    """Return the plan with PyTorch, where the spec leaves the engine open and Caffe is not installed."""
    name = resolve(plan.engine.opens)
    if name == plan.engine.name:
        return plan
    log("Caffe is not installed on this machine, PyTorch is: training with engine torch")
    return replace(plan, engine=EngineChoice("torch", "Caffe is not installed where it runs"))


def with_smaller_batch(plan: Plan) -> Plan | None:
    """Return the same run with at most half the batch size; None where that is already 1.

    An iteration still takes the same number of images, so iterations, snapshots and metrics stay comparable.
    """
    data, solver = plan.spec.data, plan.spec.solver
    images = data.batch_size * solver.iter_size
    sizes = [size for size in range(1, data.batch_size // 2 + 1) if images % size == 0]
    if not sizes:
        return None
    return _with_passes(plan, batch_size=sizes[-1], iter_size=images // sizes[-1], gpus=solver.gpus)


def with_fewer_gpus(plan: Plan, available: int) -> Plan:
    """Return the same run on at most so many GPUs, or on processors where there are none.

    Each makes more passes, so that an iteration takes as many images; all take part, or as many as can make
    equally many passes.
    """
    solver = plan.spec.solver
    passes = solver.gpus * solver.iter_size
    gpus = max(count for count in range(1, max(1, available) + 1) if passes % count == 0)
    if gpus >= solver.gpus:
        return plan
    size = plan.spec.data.batch_size
    return _with_passes(plan, batch_size=size, iter_size=passes // gpus, gpus=gpus)


def _with_passes(plan: Plan, *, batch_size: int, iter_size: int, gpus: int) -> Plan:
    """Return the same run, by the same engine, with other passes in an iteration."""
    data, solver = plan.spec.data, plan.spec.solver
    spec = plan.spec.model_copy(
        update={
            "data": data.model_copy(update={"batch_size": batch_size}),
            "solver": solver.model_copy(update={"iter_size": iter_size, "gpus": gpus}),
        }
    )
    made = make_plan(replace(plan.inputs, spec=spec))
    return replace(made, run_id=plan.run_id, engine=plan.engine)


def log_progress(recorder: Recorder) -> Callable[[DataProgress], None]:
    """Return a function that logs the progress of a dataset or transfer every few seconds, and records the
    time that the cache saved."""
    last = 0.0

    def on_progress(progress: DataProgress) -> None:
        nonlocal last
        if progress.spared_seconds:
            recorder.saved_by("cache", progress.spared_seconds)
        if progress.done >= progress.total or time.monotonic() - last >= PROGRESS_SECONDS:
            last = time.monotonic()
            log(str(progress))

    return on_progress
