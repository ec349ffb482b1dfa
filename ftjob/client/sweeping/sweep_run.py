"""A sweep on this machine: its folder, its driver's process, and its members, which are runs."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ftjob.client import processes, registry
from ftjob.client.local_run import Run
from ftjob.errors import BadSpecError, StorageError
from ftjob.errors.outcomes import Reason
from ftjob.fs import documents
from ftjob.runfolder.address import location_of, work_folder
from ftjob.runfolder.charges import Bill
from ftjob.runfolder.layout import RunFolder
from ftjob.runfolder.status import State, Status, render
from ftjob.runfolder.store import RunStore, working
from ftjob.storage import MissingError, open_store
from ftjob.sweep.record import SweepRecord
from ftjob.sweep.standing import SweepState
from jobspec import JobSpec, SpecError, dump_spec, members, parse_spec

if TYPE_CHECKING:
    from ftjob.client.handle import RunHandle
    from ftjob.prepare.sweep_plan import SweepPlan
    from ftjob.report.facts import Facts
    from ftjob.runfolder.records.evaluation import Evaluation
    from ftjob.runfolder.records.metrics import TestLine, TrainLine

SweepConsent = Callable[["SweepPlan"], None]
"""Receives the plan of a sweep before anything begins, and raises BadSpecError to refuse it."""


class SweepRun(Run):
    """A submitted sweep. What a run has besides a status (metrics, bundle, …) is its best member's."""

    def spec(self) -> JobSpec:
        """Return its spec. Raises BadSpecError, StorageError."""
        try:
            return parse_spec(self.spec_text(), f"{self.location}/spec.yaml")
        except SpecError as error:
            raise BadSpecError(str(error)) from None

    def sweep(self) -> SweepState:
        """Return what its members came to. Raises StorageError."""
        return SweepState(members(self.spec()), read_record(working(self.location)).members)

    def members(self) -> "list[RunHandle]":
        """Return the members that have started and have a folder, in the order in which they did."""
        spec = self.spec()
        found = (member_run(spec, record.name) for record in self.sweep().records)
        return [run for run in found if run is not None]

    def best(self) -> Run:
        """Return the best member so far. Raises StorageError where none has been tested."""
        state = self.sweep()
        run = member_run(self.spec(), state.best.name) if state.best else None
        if run is None:
            raise StorageError(f"{self.location}: no member of the sweep has been tested yet: wait for one")
        return run

    def of_folder(self) -> Run:
        """Return its best member."""
        return self.best()

    def metrics(self) -> "list[TrainLine]":
        """Return those of its best member."""
        return self.best().metrics()

    def tests(self) -> "list[TestLine]":
        """Return those of its best member."""
        return self.best().tests()

    def evaluation(self) -> "Evaluation":
        """Return that of its best member."""
        return self.best().evaluation()

    def weights(self, iteration: int | None = None) -> str:
        """Return those of its best member."""
        return self.best().weights(iteration)

    def facts(self) -> "Facts":
        """Return all that a report on its best member is made from."""
        return self.best().facts()

    def bundle(self) -> str | None:
        """Return its best member's bundle, None where there is none (yet)."""
        return self.best().bundle() if self.sweep().best else None

    def get(self, destination: Path) -> Path:
        """Copy its best member's bundle to a folder that does not exist yet."""
        return self.best().get(destination)

    def bring_all(self) -> RunFolder:
        """Return a folder on this disk with every small file of its best member."""
        return self.best().bring_all()

    def bill(self) -> Bill:
        """Return nothing: its members, which are listed as well, have the cost."""
        return Bill(())

    def cancel(self, *, now: bool = False) -> bool:
        """Stop its members after a snapshot each (`now`: kill them), and start no more."""
        ran = super().cancel(now=now)
        if now:
            for member in self.members():
                ran = member.cancel(now=True) or ran
        return ran

    def retry(self) -> bool:
        """Continue the sweep where it was stopped; return whether a driver was started."""
        before = self.status()
        if before.state is State.SUCCEEDED or self.is_held():
            return False
        self.start(before)
        return True

    def start(self, before: Status | None) -> None:
        """Start a driver on the sweep's folder, which has its spec."""
        first = before or Status(self.name, self.run_id, submitted=time.time())
        kept = working(self.location)
        pending = replace(
            first, state=State.PENDING, reason=Reason.SUBMITTED, message="", exit_code=None, ended=None
        )
        kept.write(kept.folder.status, render(pending))
        registry.remember(self.location)
        processes.start_worker(self.location, work_folder(self.location), self.next_attempt(), sweep=True)


def submit_sweep(plan: "SweepPlan", consent: SweepConsent) -> tuple[SweepRun, bool]:
    """Start a driver on a planned sweep that has none and is not done; return it, and whether one started.

    Raises FtjobError, BadSpecError where there is no consent to begin.
    """
    from ftjob.worker.admission import Arrival, own, this_user

    spec = plan.spec
    run = SweepRun(location_of(spec.output, spec.name, plan.sweep_id))
    before = run.last_status()
    if before is not None and (_is_done(run, before) or run.is_held()):
        registry.remember(run.location)
        return run, False
    consent(plan)
    kept = working(run.location)
    own(kept.store, Arrival(1, this_user()))
    kept.write(kept.folder.spec, dump_spec(spec))
    run.start(before)
    return run, True


def _is_done(run: SweepRun, before: Status) -> bool:
    """Whether every member has started and one ended well: then another budget starts nothing either."""
    state = run.sweep()
    return before.state is State.SUCCEEDED and len(state.records) >= len(state.members)


def read_record(kept: RunStore) -> SweepRecord:
    """Return a sweep's record; an empty one before the first member. Raises StorageError."""
    key = kept.folder.key(kept.folder.sweep)
    try:
        data = kept.store.read(key, largest=documents.LARGE)
    except MissingError:
        return SweepRecord()
    with documents.explained(f"{kept.location}/{key}"):
        return documents.parse_as(SweepRecord, data)


def member_run(spec: JobSpec, name: str) -> Run | None:
    """Return the run of a member of that name in the sweep's output; None where it has no folder."""
    beside = f"{spec.output.rstrip('/')}/{name}"
    newest = registry.newest_run(open_store(beside))
    return Run(location_of(spec.output, name, newest)) if newest else None
