"""A run on this machine, or in any folder, as notebooks, pipelines and the command line use it."""

import math
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ftjob.client import processes, registry
from ftjob.client.handle import RunUpdate, SharedVerbs, is_over
from ftjob.errors import BadSpecError, StorageError, thread_limit
from ftjob.errors.outcomes import Reason
from ftjob.fs import documents, files
from ftjob.runfolder.address import RunAddress, RunReference, location_of, work_folder
from ftjob.runfolder.charges import Bill, charges, of_status
from ftjob.runfolder.layout import BundleFolder, RunFolder
from ftjob.runfolder.lock import is_held
from ftjob.runfolder.log_tail import LogTail
from ftjob.runfolder.status import State, Status, render
from ftjob.runfolder.store import RunStore, in_folder, reading, stored, working
from ftjob.storage import MissingError, local_path, open_store
from ftjob.sweep.retrying import refusal
from ftjob.tuning.range_test import is_settled
from jobspec.text import plain

if TYPE_CHECKING:
    from ftjob.client.consent import Consent
    from ftjob.client.handle import RunHandle
    from ftjob.plan.plan import Plan
    from ftjob.report.facts import Facts
    from ftjob.runfolder.records.evaluation import Evaluation
    from ftjob.runfolder.records.metrics import TestLine, TrainLine
    from ftjob.runfolder.records.plan import PlanDocument
    from ftjob.sweep.standing import SweepState
    from jobspec import JobSpec

T = TypeVar("T")
CAN_RESUME = (State.STOPPED, State.FAILED, State.INTERRUPTED)
START_SECONDS = 30.0
"""How long a worker may take to write its first status."""
LAST_BYTES = 4096
"""Of the log of a worker that wrote none."""


@dataclass(frozen=True)
class Run(SharedVerbs):
    """A submitted run. Reading it costs nothing and never disturbs its worker."""

    location: str
    """The path or URI of its folder."""

    @property
    def name(self) -> str:
        return self.reference.name

    @property
    def run_id(self) -> str:
        return self.reference.run_id

    @property
    def reference(self) -> RunReference:
        """Its name and its id."""
        return RunAddress.parse(self.location).reference

    @property
    def folder(self) -> RunFolder:
        """Where its files are read on this disk; those of a run in a store are fetched on demand."""
        return self._reading().folder

    def _reading(self) -> RunStore:
        return reading(self.location)

    def status(self) -> Status:
        """Return where it stands. Raises StorageError where the folder cannot be read."""
        return self._reading().status()

    def last_status(self) -> Status | None:
        """Return where it stands, None where it was never submitted. Raises StorageError."""
        try:
            return self.status()
        except MissingError:
            return None

    def is_held(self) -> bool:
        """Return whether a worker is at it, on this machine or on another; waits some seconds for the
        other to show a sign of life. Raises StorageError."""
        return is_held(work_folder(self.location)) or stored(self.location).shows_life()

    def metrics(self) -> "list[TrainLine]":
        """Return one line per iteration (iteration, loss, learning_rate, seconds, outputs)."""
        from ftjob.runfolder.records.metrics import read_train

        run = self._reading()
        return _lines(run, run.folder.train_metrics, read_train)

    def tests(self) -> "list[TestLine]":
        """Return one line per test (iteration, accuracy, top5, loss, heads, images, seconds)."""
        from ftjob.runfolder.records.metrics import read_tests

        run = self._reading()
        return _lines(run, run.folder.test_metrics, read_tests)

    def spec_text(self) -> str:
        """Return its spec.yaml. Raises StorageError."""
        run = self._reading()
        path = run.folder.spec
        run.bring(path)
        with documents.explained(path):
            return documents.read_text(path)

    def evaluation(self) -> "Evaluation":
        """Return how the bundled snapshot was evaluated: accuracy and classes. Raises StorageError."""
        from ftjob.runfolder.records.evaluation import read_evaluation

        run = self._reading()
        path = run.folder.evaluation
        run.bring(path)
        with documents.explained(path):
            if path.exists():
                return read_evaluation(path)
        raise StorageError(f"{self.location}: has no {path.name} yet: the run has no bundle")

    def attempts_before(self) -> int:
        """Return how many attempts its folder had before the FineTuneJob that it belongs to came to it.

        Raises StorageError.
        """
        from ftjob.worker.admission import owner_there

        owner = owner_there(open_store(self.location))
        return owner.attempts_before if owner else 0

    def bring_all(self) -> RunFolder:
        """Return a folder on this disk with every small file of the run. Raises StorageError."""
        run = self._reading()
        folder = run.folder
        self._bring_results(run)
        run.bring(folder.train_val, folder.deploy, folder.solver)
        if stage_id := run.status().earlier_stage:
            stage = run.stage(stage_id)
            stage.bring(stage.folder.train_val, stage.folder.solver)
            stage.bring_growing(stage.folder.train_metrics, stage.folder.test_metrics)
        run.log_paths()
        return folder

    def bring_results(self) -> RunFolder:
        """Return a folder on this disk with spec, plan, status, evaluation and metrics of the run.

        Raises StorageError.
        """
        run = self._reading()
        self._bring_results(run)
        return run.folder

    def _bring_results(self, run: RunStore) -> None:
        folder = run.folder
        run.bring(folder.spec, folder.plan, folder.status, folder.evaluation)
        run.bring(folder.predictions, folder.mistakes, folder.acceptance)
        run.bring_growing(folder.train_metrics, folder.test_metrics)

    def facts(self) -> "Facts":
        """Return all that a report is made from. Raises StorageError."""
        from ftjob.report.facts import read_facts

        status = self.status()
        return read_facts(self.bring_results(), status, charges(status, of_status(status)))

    def bill(self) -> Bill:
        """Return what each attempt has cost. Raises StorageError."""
        status = self.status()
        return Bill(tuple(charges(status, of_status(status))))

    def of_folder(self) -> "Run":
        """Return the run as its folder has it: this one."""
        return self

    def sweep(self) -> "SweepState | None":
        """Return None: it is a run."""
        return None

    def members(self) -> "list[RunHandle]":
        """Return none: it is a run."""
        return []

    def log_lines(self, *, follow: bool = False) -> Iterator[str]:
        """Yield the logs of all attempts as text; `follow` continues with new text until the run ends."""
        tail = LogTail()
        while True:
            ended = not follow or self.status().state.ended
            yield from tail.read(self._reading().log_paths())
            if ended:
                return
            self._pause()

    def log_reader(self, most: int) -> Callable[[], str]:
        """Return a function that returns what its logs have gained since it was last called, of each the last
        `most` bytes. It raises StorageError."""
        tail = LogTail(most)
        return lambda: "".join(tail.read(self._reading().log_paths()))

    def _pause(self, deadline: float = math.inf) -> None:
        time.sleep(max(0.0, min(self._reading().poll_seconds, deadline - time.monotonic())))

    def follow(self) -> Iterator[Status]:
        """Yield the status whenever it changed, the last one when the run has ended; not the one that its
        submitter has just written."""
        return (status for status in super().follow() if status.state is not State.PENDING)

    def updates(self, deadline: float | None = None) -> Iterator[RunUpdate]:
        """Yield the status whenever it is read, until the run has ended or until `deadline` (time.monotonic).

        Raises StorageError where no worker takes it up.
        """
        begin = time.monotonic()
        while True:
            status = self.status()
            waited = time.monotonic() - begin
            if status.state is State.PENDING and waited > START_SECONDS and not self.is_held():
                raise StorageError(
                    f"{self.location}: has no worker: submit its spec again{self._last_words()}"
                )
            ended = status.state.ended and not self._has_yet_to_be_stored()
            yield RunUpdate(status, ended)
            if ended or is_over(deadline):
                return
            self._pause(math.inf if deadline is None else deadline)

    def _last_words(self) -> str:
        """Return what its last log here ends with, as an aside; "" where there is none."""
        paths = in_folder(work_folder(self.location)).log_paths()[-1:]
        text = "".join(LogTail(LAST_BYTES).read(paths)).strip()
        last = thread_limit.shown_in(text) or text.rpartition("\n")[2]
        return f" (its log ends with: {plain(str(last))})" if text else ""

    def _has_yet_to_be_stored(self) -> bool:
        """Return whether a worker on this machine may still bring the run's end to a store: whoever waited
        here for the end is to find it there, from any machine."""
        return local_path(self.location) is None and is_held(work_folder(self.location))

    def cancel(self, *, now: bool = False) -> bool:
        """Stop it after a snapshot (`now`: kill it); return whether a worker runs here.

        Raises BadSpecError where its worker is on another machine, StorageError where the lock does not
        name its process.
        """
        if processes.ask_to_stop(work_folder(self.location), now=now):
            return True
        if self.is_held():
            raise BadSpecError(f"{self.location}: its worker is on another machine: cancel it there")
        return False

    def retry(self) -> bool:
        """Start a worker where the run failed or was stopped; return whether one was started.

        Raises FtjobError, BadSpecError where its spec makes another run now, and for a member of a sweep.
        """
        from ftjob.client.consent import given
        from ftjob.prepare.prepare import Context, absolute, prepare
        from jobspec import SpecError, parse_spec

        try:
            spec = parse_spec(self.spec_text(), str(self.folder.spec))
        except SpecError as error:
            raise BadSpecError(str(error)) from None
        if (why := refusal(spec.member_of or "")) and self.status().state in CAN_RESUME:
            raise BadSpecError(f"{self.name}: {why}")
        planned = prepare(absolute(spec, Context()), Context())
        if (location := planned_at(planned)) != self.location:
            raise BadSpecError(
                f"{self.folder.spec}: now makes run {location}, not this one: submit it to start that run"
            )
        return submit(planned, given)[1]

    def weights(self, iteration: int | None = None) -> str:
        """Return the path or URI of the bundle's caffemodel, or of a snapshot's. Raises BadSpecError."""
        run = stored(self.location)
        folder = run.folder
        wanted = BundleFolder(folder.bundle).weights if iteration is None else folder.caffemodel(iteration)
        if not run.has(wanted):
            raise BadSpecError(
                f"base.weights: run {self.name} has no {wanted.name} (yet): see `ftjob status {self.name}`"
            )
        return run.place(wanted)

    def bundle(self) -> str | None:
        """Return the path or URI of the bundle, None where there is none (yet)."""
        run = stored(self.location)
        bundle = run.folder.bundle
        return run.place(bundle) if run.has(BundleFolder(bundle).manifest) else None

    def get(self, destination: Path) -> Path:
        """Copy the bundle, what its manifest names, to a folder that does not exist yet.

        Raises StorageError, and BadNetError for what is no bundle.
        """
        from ftjob.bundle.contents import (
            checked_files,
            parse_manifest,
        )  # here, because numpy is slow to import

        if self.bundle() is None:
            raise StorageError(f"{self.location}: has no bundle yet: the run is {self.status().state}")
        if destination.exists():
            raise StorageError(f"{destination}: already exists: give a new folder")
        run = stored(self.location)
        bundle = BundleFolder(run.folder.bundle)
        partial = destination.with_name(f".{destination.name}.partial")
        store = run.store.child(run.folder.key(bundle.root))
        if run.is_copy:
            manifest = parse_manifest(store.read(bundle.manifest.name), bundle)
        else:
            manifest = checked_files(bundle)
        with files.explained(destination):
            shutil.rmtree(partial, ignore_errors=True)
            for key, digest in manifest.files.items():
                store.download(key, partial / key, sha256=digest)
            store.download(bundle.manifest.name, partial / bundle.manifest.name)
            partial.replace(destination)
        return destination

    def next_attempt(self) -> int:
        """Return the number of the attempt that comes next: one more than the logs there are."""
        here = in_folder(work_folder(self.location))
        return 1 + max([*here.attempts(), *stored(self.location).attempts()], default=0)


def planned_at(plan: "Plan") -> str:
    """Return the path or URI of the run that a plan describes."""
    return location_of(plan.spec.output, plan.spec.name, plan.run_id)


def submit(plan: "Plan", consent: "Consent", shortfall: str | None = None) -> tuple[Run, bool]:
    """Start a worker on a planned run that has none and is not done; return it, and whether one started.

    `shortfall` is plan.shortfall.shortfall_of(plan), where that is known. Raises FtjobError, BadSpecError
    where there is no consent to begin.
    """
    from ftjob.plan.plan_json import document_of
    from ftjob.plan.shortfall import shortfall_of

    run = Run(planned_at(plan))
    before = run.last_status()
    if before is not None and (is_settled(plan.spec, before) or run.is_held()):
        registry.remember(run.location)
        return run, False
    consent(plan)
    short = shortfall_of(plan) if shortfall is None else shortfall
    enlist(run, plan.submitted, document_of(plan, short), before)
    registry.remember(run.location)
    processes.start_worker(run.location, work_folder(run.location), run.next_attempt())
    return run, True


def enlist(run: Run, spec: "JobSpec", plan: "PlanDocument", before: Status | None) -> None:
    """Write owner, spec, plan and a Pending status into a run's folder, which a worker can take up then.

    Raises BadSpecError where it is another's, StorageError where nothing can be written there.
    """
    from ftjob.runfolder.records.plan import plan_text
    from ftjob.worker.admission import Arrival, own, this_user
    from jobspec import dump_spec

    kept = working(run.location)
    own(kept.store, Arrival(1, this_user()))
    first = before or Status(run.name, run.run_id, submitted=time.time())
    pending = replace(
        first, state=State.PENDING, reason=Reason.SUBMITTED, message="", exit_code=None, ended=None
    )
    folder = kept.folder
    kept.write(folder.spec, dump_spec(_with_earlier_baseline(run, spec)))
    kept.write(folder.plan, plan_text(plan))
    kept.write(folder.status, render(pending))


def _with_earlier_baseline(run: Run, spec: "JobSpec") -> "JobSpec":
    """Return the spec with the `accept` that the run was submitted with, where the run that `run:NAME` means
    is this one by now. Raises StorageError."""
    from jobspec import SpecError, parse_spec

    if spec.accept.not_below != run.location:
        return spec
    try:
        before = parse_spec(run.spec_text(), str(run.folder.spec))
    except SpecError as error:
        raise BadSpecError(str(error)) from None
    return spec.model_copy(update={"accept": before.accept})


def _lines(run: RunStore, path: Path, read: Callable[[Path], Iterator[T]]) -> list[T]:
    """Return the lines of a run's metrics, as far as they are written."""
    run.bring_growing(path)
    with documents.explained(path):
        return list(read(path))
