"""Copies a stage that another run of the same name or sweep completed: the same stage, so the same result."""

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace

from ftjob.errors import StorageError
from ftjob.errors.outcomes import Reason
from ftjob.fs import files
from ftjob.plan.plan import Plan
from ftjob.prepare.prepare import write_plan, write_prototxts
from ftjob.runfolder.address import RunReference, location_of
from ftjob.runfolder.lease import LeaseLostError
from ftjob.runfolder.records.snapshot import write_snapshot
from ftjob.runfolder.records.stage_record import StageRecord, write_stage
from ftjob.runfolder.store import RunStore, stored
from ftjob.storage import open_store
from ftjob.worker.log import log
from jobspec import JobSpec
from jobspec.sweeps.members import member_names

WHOLE = (Reason.COMPLETED, Reason.PLATEAU)
"""The ends of stages that are copied: one that its share of a budget ended might have come further."""


def reuse(plan: Plan, spec: JobSpec, run: RunStore, may_write: Callable[[], None]) -> StageRecord | None:
    """Copy a stage of a run with that spec into the stage's folder from another run that completed it; return
    its record there, None where there is no such run or it cannot be read.

    Raises StorageError where this run's folder cannot be written.
    """
    found = completed_elsewhere(plan, spec)
    while True:
        try:
            source, record = next(found, (None, None))
        except StorageError as error:
            log(f"no other run was looked for that has stage {plan.run_id} already: {error}")
            return None
        if source is None or record is None:
            return None
        try:
            return _copied(plan, source, record, run, may_write)
        except LeaseLostError:
            raise
        except StorageError as error:
            log(f"stage {plan.run_id} is not copied from {source.location}: {error}")
            may_write()


def completed_elsewhere(plan: Plan, spec: JobSpec) -> Iterator[tuple[RunStore, StageRecord]]:
    """Yield the complete stages of other runs with a plan's id, and their folders: of the same name first,
    then of other members of the same sweep. Raises StorageError."""
    output = spec.output.rstrip("/")
    is_record = re.compile(rf"(?P<run>[^/]+)/stages/{plan.run_id}/stage\.json")
    for name in _names(spec):
        entries = open_store(f"{output}/{name}").list()
        for run_id in (found["run"] for entry in entries if (found := is_record.fullmatch(entry.key))):
            source = stored(location_of(output, name, run_id)).stage(plan.run_id)
            try:
                record = source.stage_record()
            except StorageError as error:
                log(str(error))
                continue
            if record is not None and record.run_id == plan.run_id and record.reason in WHOLE:
                trained_by = run_id if name == spec.name else str(RunReference(name, run_id))
                yield source, replace(record, reused_from=record.reused_from or trained_by)


def _names(spec: JobSpec) -> Iterator[str]:
    """Yield the names of the runs that may have a stage of a run with that spec."""
    yield spec.name
    if spec.member_of is not None:
        yield spec.member_of
        is_member = member_names(spec.member_of)
        others = open_store(spec.output).folders()
        yield from (name for name in others if name != spec.name and is_member.fullmatch(name))


def _copied(
    plan: Plan, source: RunStore, record: StageRecord, run: RunStore, may_write: Callable[[], None]
) -> StageRecord:
    """Copy what the next stage and a reader of this one need: the best caffemodel, and how it was trained."""
    folder = run.folder
    best = next((each for each in source.snapshots() if each.iteration == record.snapshot), None)
    if best is None:
        raise StorageError("its best snapshot is gone")
    log(f"stage {plan.run_id}: copying the result of run {record.reused_from}")
    write_prototxts(plan, folder)
    write_plan(plan, folder)
    model = folder.caffemodel(best.iteration)
    source.store.download(folder.key(model), model, sha256=best.files[model.name].sha256)
    there = source.folder
    source.bring(there.evaluation, there.predictions)
    source.bring_growing(there.train_metrics, there.test_metrics)
    for path in (there.evaluation, there.predictions, there.train_metrics, there.test_metrics):
        if path.exists():
            with files.whole(folder.path(there.key(path))) as temporary:
                shutil.copyfile(path, temporary)
    only_model = replace(best.record, files={model.name: best.files[model.name]})
    write_snapshot(folder.snapshot_record(best.iteration), only_model)
    paid = replace(record, seconds=0.0, usd=0.0)
    write_stage(folder.stage_record, paid)
    if run.is_copy:
        _upload(run, best.iteration, may_write)
    return paid


def _upload(run: RunStore, iteration: int, may_write: Callable[[], None]) -> None:
    """Bring a copied stage to where the run lives, its record last. Raises StorageError."""
    folder = run.folder
    net = (folder.plan, folder.train_val, folder.deploy, folder.solver)
    results = (folder.train_metrics, folder.test_metrics, folder.evaluation, folder.predictions)
    snapshot = (folder.caffemodel(iteration), folder.snapshot_record(iteration))
    for path in (*net, *results, *snapshot, folder.stage_record):
        if path.exists():
            may_write()
            run.put(path)
