"""A run on a cluster, with the verbs of a local run: its status is that of its FineTuneJob."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from ftjob.client.consent import Consent
from ftjob.client.handle import RunHandle, RunUpdate, SharedVerbs
from ftjob.client.local_run import Run
from ftjob.cluster.client import PATIENCE_SECONDS, Cluster, NameTakenError, connect
from ftjob.cluster.podlog import PodLog
from ftjob.cluster.policy.accounts import no_money, seconds_left
from ftjob.cluster.policy.spending import of_pods
from ftjob.cluster.resource.figures import figures_of
from ftjob.cluster.resource.objects import FineTune
from ftjob.cluster.resource.request import identity_of_object
from ftjob.cluster.resource.status import FineTuneStatus
from ftjob.cluster.resource.submission import fine_tune_job
from ftjob.errors import BadSpecError, StorageError
from ftjob.errors.outcomes import ExitCode, known_exit_code
from ftjob.money.limits import BudgetLimits
from ftjob.net import zoo
from ftjob.plan.plan import Plan
from ftjob.report.facts import Facts, read_facts
from ftjob.runfolder.address import RunAddress, RunReference
from ftjob.runfolder.charges import Bill, charges
from ftjob.runfolder.layout import RunFolder
from ftjob.runfolder.records.evaluation import Evaluation
from ftjob.runfolder.records.metrics import TestLine, TrainLine
from ftjob.runfolder.status import GpuUse, State, Status
from ftjob.storage import local_path
from ftjob.sweep.retrying import refusal
from ftjob.sweep.standing import SweepState
from ftjob.tuning.range_test import is_settled
from jobspec import JobSpec, SpecError, members, parse_spec
from jobspec.grammar import ALIAS_REFERENCE, KNOWN_REFERENCE
from jobspec.locations import locations, with_values
from jobspec.sweeps.members import sweep_id

POLL_SECONDS = 2.0


@dataclass(frozen=True)
class ClusterRun(SharedVerbs):
    """A FineTuneJob. Reading it needs the cluster; metrics and bundle come from its folder in the store."""

    cluster: Cluster
    name: str
    wanted: str = ""
    """The id, or its beginning, of the run that the FineTuneJob must be; empty for whichever has the name."""

    def job(self) -> FineTune:
        """Return the object as it is now. Raises BadSpecError where there is none, or it is another run."""
        return self._checked(self.cluster.get(self.name))

    def _checked(self, job: FineTune) -> FineTune:
        run_id = run_id_of(job)
        if not self.wanted or (run_id and run_id.startswith(self.wanted)):
            return job
        raise BadSpecError(
            f"{self.reference}: the FineTuneJob {self.name} in namespace {self.cluster.namespace} is now run "
            f"{run_id or '(not planned yet)'}: give {self.name} for that run, or the URI of your "
            f"run's folder, OUTPUT/{self.reference}"
        )

    @cached_property
    def run_id(self) -> str:
        """The run's id, empty while nobody has planned it."""
        return run_id_of(self.job())

    @property
    def reference(self) -> RunReference:
        """Its name, and as much of its id as was given."""
        return RunReference(self.name, self.wanted)

    @property
    def location(self) -> str:
        """The URI of the run's folder, or how to find it where it is not known yet."""
        return self.job().status.folder or f"(see kubectl get ftj {self.name})"

    def status(self) -> Status:
        """Return where it stands. Raises BadSpecError or StorageError."""
        return status_of(self.job())

    def updates(self, deadline: float | None = None) -> Iterator[RunUpdate]:
        """Yield the status as it is and at every change, until the run has ended, somebody deletes it or
        `deadline` (time.monotonic) is reached. Raises BadSpecError or StorageError."""
        for job in self.cluster.watch(self.name, deadline):
            update = update_of(self._checked(job))
            yield update
            if update.ended:
                return

    def sweep(self) -> SweepState | None:
        """Return what the members of a sweep came to; None for a run. Raises BadSpecError, StorageError."""
        job = self.job()
        if "sweep" not in job.spec:
            return None
        return SweepState(members(spec_of(job)), job.status.sweep.members if job.status.sweep else ())

    def members(self) -> list[RunHandle]:
        """Return the runs of a sweep that have started; none for a run."""
        state = self.sweep()
        return [ClusterRun(self.cluster, record.name) for record in state.records] if state else []

    def of_folder(self) -> Run:
        """Return the run as its folder in the store has it; of a sweep, that of its best member.

        Raises StorageError where it has none yet.
        """
        state = self.sweep()
        if state and state.best:
            return ClusterRun(self.cluster, state.best.name).of_folder()
        if folder := self.job().status.folder:
            return Run(folder)
        raise StorageError(f"{self.name}: no folder yet: see `ftjob status {self.name}`")

    def spec_text(self) -> str:
        """Return its spec.yaml. Raises StorageError."""
        return self.of_folder().spec_text()

    def bring_all(self) -> RunFolder:
        """Return a folder on this disk with every small file of the run. Raises StorageError."""
        return self.of_folder().bring_all()

    def weights(self, iteration: int | None = None) -> str:
        """Return the URI of the bundle's caffemodel, or of a snapshot's. Raises BadSpecError."""
        return self.of_folder().weights(iteration)

    def log_lines(self, *, follow: bool = False) -> Iterator[str]:
        """Yield the log of the newest attempt's pod, and of all attempts from the folder where it is gone,
        or the cluster refuses it.

        Raises StorageError where neither can be read, BadSpecError for a refusal without a folder.
        """
        log, shown, job = PodLog(self.cluster, self.name), False, self.job()
        while True:
            last = not follow or update_of(job).ended
            try:
                for line in log.lines(follow=not last):
                    shown = True
                    yield line
            except StorageError:
                if last and (shown or not job.status.folder):
                    raise
            except BadSpecError:  # no right to pods, as `ftjob ui` on a cluster
                if shown or not job.status.folder:
                    raise
                break
            if last:
                break
            time.sleep(POLL_SECONDS)
            job = self._checked(self.cluster.get(self.name, patience=PATIENCE_SECONDS))
        if not shown and job.status.folder:
            yield from self.of_folder().log_lines()

    def log_reader(self, most: int) -> Callable[[], str]:
        """Return a function that returns what the logs in its folder have gained since it was last called, of
        each the last `most` bytes. Raises StorageError where it has no folder."""
        return self.of_folder().log_reader(most)

    def metrics(self) -> list[TrainLine]:
        """Return one line per iteration, from the run's folder."""
        return self.of_folder().metrics()

    def tests(self) -> list[TestLine]:
        """Return one line per test, from the run's folder."""
        return self.of_folder().tests()

    def evaluation(self) -> Evaluation:
        """Return how the bundled snapshot was evaluated."""
        return self.of_folder().evaluation()

    def bill(self) -> Bill:
        """Return what each attempt has cost, and why its stages are not known, where they are not."""
        job, unknown = self.job(), []
        written: tuple[Status | None, int] = None, 0
        if job.status.folder:
            run = Run(job.status.folder)
            try:
                written = run.last_status(), run.attempts_before()
            except StorageError as error:
                unknown.append(f"{self.name}: how its time was spent is unknown: {error}")
        return Bill(tuple(charges(status_of(job), of_pods(job.status, *written))), tuple(unknown))

    def facts(self) -> Facts:
        """Return all that a report is made from: time and money are the cluster's, the rest is from the run's
        folder, where there is one. Raises StorageError."""
        job = self.job()
        run = Run(job.status.folder) if job.status.folder else None
        written = run.last_status() if run else None
        status = status_of(job)
        rows = charges(status, of_pods(job.status, written, run.attempts_before() if run else 0))
        if run is None or written is None:
            return Facts(status, Bill(tuple(rows)))
        status = replace(status, stage_results=written.stage_results)
        return read_facts(run.bring_results(), status, rows)

    def cancel(self, *, now: bool = False) -> bool:
        """Stop it after a snapshot (`now`: without one); return whether it was running."""
        if self.status().state.ended:
            return False
        self.cluster.cancel(self.name, now=now)
        return True

    def retry(self) -> bool:
        """Resume a run that was cancelled, or failed; return whether it had ended.

        Raises BadSpecError where its budget does not pay for that, and for a member of a sweep.
        """
        job = self.job()
        if not status_of(job).state.ended:
            return False
        if why := refusal(job.sweep) or out_of_money(job):
            raise BadSpecError(f"{self.name}: {why}")
        self.cluster.resume(self.name)
        return True

    def bundle(self) -> str | None:
        """Return the URI of the bundle, None where there is none (yet)."""
        return self.of_folder().bundle() if self.job().status.folder else None

    def get(self, destination: Path) -> Path:
        """Copy the bundle to a folder that does not exist yet. Raises StorageError."""
        return self.of_folder().get(destination)


def submit(spec: JobSpec, plan: Plan, cluster: Cluster, consent: Consent) -> tuple[ClusterRun, bool]:
    """Create the FineTuneJob of a spec, or join the one that is there; return it, and whether anything began.

    Raises BadSpecError where the name is another spec's, something is on this machine only, or where there
    is no consent to begin.
    """
    refuse_local(plan.submitted)
    run = ClusterRun(cluster, spec.name)
    there = next((job for job in cluster.list() if job.name == spec.name), None)
    if there is None:
        consent(plan)
        try:
            cluster.create(fine_tune_job(spec, cluster.namespace, figures_of(plan)))
        except NameTakenError:  # somebody else was quicker
            there = cluster.get(spec.name)
        else:
            return run, True
    if run_id_of(there) != plan.run_id:
        raise BadSpecError(
            f"name: {spec.name} is run {run_id_of(there) or '(not planned yet)'} in namespace "
            f"{cluster.namespace} already, and this spec is run {plan.run_id}: give it another name"
        )
    status = status_of(there)
    if status.state not in (State.FAILED, State.STOPPED) or is_settled(plan.spec, status):
        return run, False
    consent(plan)
    return run, run.retry()


def pinned(spec: JobSpec, planned: JobSpec) -> JobSpec:
    """Return a spec with its aliases replaced by what they meant when it was planned, since a pod would not
    find them, and published weights by their address, which another version of ftjob may not know."""
    meant: dict[str, str] = {}
    if (spec.base.weights or "").startswith(KNOWN_REFERENCE) and planned.base.weights is not None:
        meant["base.weights"] = planned.base.weights
    if planned.base.weights_from is not None and planned.base.weights is not None:
        meant |= {"base.weights": planned.base.weights, "base.weights_from": planned.base.weights_from}
    if (spec.accept.not_below or "").startswith(ALIAS_REFERENCE) and planned.accept.not_below is not None:
        meant["accept.not_below"] = planned.accept.not_below
    return with_values(spec, meant) if meant else spec


def refuse_local(spec: JobSpec) -> None:
    """Raise BadSpecError for the first location of an absolute spec that a cluster cannot reach."""
    for field, location in locations(spec, zoo.NAMES).items():
        if local_path(location):
            remedy = "`ftjob data build` writes to s3://" if field.startswith("data.") else "upload it"
            raise BadSpecError(f"{field}: {location} is on this machine only: {remedy}, or add --local")


def spec_of(job: FineTune) -> JobSpec:
    """Return the spec of a FineTuneJob. Raises BadSpecError."""
    fields = {key: value for key, value in job.spec.items() if key != "suspend"}
    try:
        return parse_spec(json.dumps({"name": job.name, **fields}), job.name)
    except SpecError as error:
        raise BadSpecError(str(error)) from None


def run_id_of(job: FineTune) -> str:
    """Return a job's run id: the controller's, else its plan's as it was submitted, or its sweep's."""
    from ftjob.cluster.resource.figures import annotated

    if "sweep" in job.spec and not job.status.run_id:
        with suppress(BadSpecError):  # the controller writes why it cannot be run
            return sweep_id(spec_of(job))
    figures = annotated(job.annotations, identity_of_object(job))
    return job.status.run_id or (figures.run_id if figures else "")


def is_current(job: FineTune) -> bool:
    """Return whether the controller has seen the object as it is now, a requested retry included."""
    retry_seen = job.retried_attempt in (None, job.status.observed_retry)
    return retry_seen and (job.status.observed_generation or 0) >= job.generation


def out_of_money(job: FineTune) -> str:
    """Return why a run's budget does not pay for another attempt; empty where it does, or where only the
    controller knows: an older one, whose status has no `minAttemptSeconds`."""
    limits, status = job.spec.get("budget") or {}, job.status
    budget = BudgetLimits(limits.get("usd"), limits.get("hours"))
    price = status.attempts[-1].usd_per_hour if status.attempts else 0.0
    least = status.min_attempt_seconds
    if least is None or seconds_left(budget, status.seconds, status.usd, price) >= least:
        return ""
    return no_money(budget, status.seconds, status.usd, least)


def update_of(job: FineTune) -> RunUpdate:
    """Return a FineTuneJob's status, and whether it is the last."""
    status = status_of(job)
    return RunUpdate(status, status.state.ended and is_current(job))


def status_of(job: FineTune) -> Status:
    """Return a FineTuneJob's status in the words of status.json."""
    written = job.status
    return Status(
        name=job.name,
        run_id=run_id_of(job),
        state=written.state,
        reason=written.reason,
        message=written.message,
        stage=f"stage {written.stage}" if written.stage else "",
        attempt=written.attempt,
        iteration=written.iteration or 0,
        max_iter=written.max_iter or (written.plan.max_iter if written.plan else 0),
        loss=written.loss,
        accuracy=written.accuracy,
        best_accuracy=written.accuracy if written.state.ended else None,
        tested=written.tested,
        snapshot=written.snapshot,
        images_per_second=written.images_per_second,
        gpus=tuple(GpuUse(each.utilization, each.memory, each.memory_total) for each in written.gpus),
        eta_seconds=written.eta_seconds,
        seconds=written.seconds,
        usd=written.usd,
        usd_estimate=_estimate(written),
        attempts=tuple(of_pods(written, None)),
        submitted=job.created,
        updated=written.updated,
        ended=written.completion_time,
        exit_code=_exit_code(written) if written.state.ended else None,
    )


def _exit_code(written: FineTuneStatus) -> int | None:
    """Return the exit code of a run's reason, such as BudgetReached where nothing pays for another attempt;
    else the last worker's, None where it was killed."""
    if (code := known_exit_code(written.reason)) is not None:
        return code
    return written.attempts[-1].exit_code if written.attempts else ExitCode.PREEMPTED


def _estimate(written: FineTuneStatus) -> float | None:
    """Return what a run will have cost at the price of its last pod; None where that is not known."""
    if written.eta_seconds is None or not written.attempts:
        return None
    return written.usd + written.eta_seconds / 3600 * written.attempts[-1].usd_per_hour


def at(address: RunAddress) -> ClusterRun:
    """Return the run at an address on a cluster. Raises BadSpecError where that cluster is not known."""
    assert address.cluster
    return ClusterRun(connect(*address.cluster), address.name, address.run_id)
