"""One look at one FineTuneJob: observe, decide, act."""

import threading
from dataclasses import dataclass, field, replace

from ftjob.cluster.actions import (
    Action,
    CreateJob,
    DeleteJob,
    Enlist,
    KillPod,
    LookAgain,
    MakePlan,
    RecordEvent,
    WriteStatus,
)
from ftjob.cluster.case import Observed, Trouble
from ftjob.cluster.config import Config
from ftjob.cluster.controller.api import Api, ConflictError
from ftjob.cluster.controller.clock import Clock
from ftjob.cluster.controller.events import Events
from ftjob.cluster.controller.hints import Hints
from ftjob.cluster.controller.ledger import Ledger
from ftjob.cluster.controller.logs import log
from ftjob.cluster.controller.metrics import ATTEMPTS, BEGUN
from ftjob.cluster.controller.profiles import Profiles
from ftjob.cluster.controller.queue import WorkQueue
from ftjob.cluster.controller.references import context_of
from ftjob.cluster.controller.runs import Planner, Reading, RunReader
from ftjob.cluster.controller.view import View
from ftjob.cluster.decide import decide
from ftjob.cluster.enlist import enlist
from ftjob.cluster.figures import annotated
from ftjob.cluster.manifests import attempt_job
from ftjob.cluster.names import State
from ftjob.cluster.objects import AttemptJob, FineTune, Object, Pod, read_fine_tune, read_job, read_pod
from ftjob.cluster.request import identity_of_object
from ftjob.cluster.verdict import due
from ftjob.errors import FtjobError

ENOUGH = float("-inf")
"""Any reading will do, however old."""


@dataclass
class Reconciler:
    """Looks at objects, one at a time per thread, and does what decide() says."""

    api: Api
    view: View
    queue: WorkQueue
    runs: RunReader
    planner: Planner
    hints: Hints
    events: Events
    clock: Clock
    config: Config
    profiles: Profiles
    ledger: Ledger
    _failed: dict[str, Trouble] = field(default_factory=dict)
    _noticed: dict[str, dict[str, float]] = field(default_factory=dict)
    """When each pod was first found to have ended, by our clock: what its run said before may be old."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def look(self, key: str) -> None:
        """Look at one object. Raises what the client raises; the object is then to be looked at again."""
        item = self.view.item(key)
        if item is None:
            for memory in (self.runs, self.planner):
                memory.forget(key)
            self._failed.pop(key, None)
            self._noticed.pop(key, None)
            self._left_over(key.partition("/")[0])
            return
        seen = self.observe(key, read_fine_tune(item))
        if seen is None:
            return
        actions = decide(seen, self.clock.now())
        if self.ledger.limits(seen.job.namespace) and any(isinstance(each, CreateJob) for each in actions):
            with self.ledger.turn:
                now = self.clock.now()
                seen = replace(seen, allowance=self.ledger.allowance(seen.job, now))
                actions = decide(seen, now)
                writes = [action for action in actions if isinstance(action, WriteStatus)]
                if not all(self.act(key, item, seen, action) for action in writes):
                    return
            actions = [action for action in actions if action not in writes]
        for action in actions:
            if not self.act(key, item, seen, action):
                return

    def observe(self, key: str, job: FineTune) -> Observed | None:
        """Return all that is known of an object; None where a store has to be heard first."""
        jobs, pods = self.view.jobs(key), self.view.pods(key)
        planned = annotated(job.annotations) or self.planner.get(key, identity_of_object(job))
        folder = job.status.folder if job.status.identity else _folder(job, planned)
        if job.status.state is State.SUCCEEDED and not unaccounted_ends(job, pods):
            folder = None  # nothing that it could say would change anything
        reading = self._reading(key, job, pods, folder)
        if reading is None and folder is not None:
            return None
        return Observed(
            job=job,
            jobs=tuple(each for each in jobs if each.owner_uid == job.uid),
            pods=tuple(pods),
            strangers=any(each.owner_uid != job.uid for each in jobs),
            planned=planned,
            run=reading.run if reading else None,
            run_read=reading is not None,
            failed=self._failed.get(key),
            hints=self.hints.get(key, jobs, pods),
            nodes=self.profiles.current(),
            config=self.config,
        )

    def _reading(self, key: str, job: FineTune, pods: list[Pod], folder: str | None) -> Reading | None:
        """Return what the run's folder says: when it is due to be told, and surely after a worker ended."""
        if folder is None:
            return None
        now = self.clock.now()
        noticed = self._noticed.get(key, {})
        self._noticed[key] = {pod: noticed.get(pod, now) for pod in unaccounted_ends(job, pods)}
        must = max(self._noticed[key].values(), default=ENOUGH)
        reading = self.runs.get(key, folder, max(must, self._recent(job, pods, now)))
        return reading if reading and reading.asked >= must else None

    def _recent(self, job: FineTune, pods: list[Pod], now: float) -> float:
        """Return since when a run's folder must have been asked to be taken as it is."""
        if not job.status.identity:
            return now - self.config.poll_seconds
        progress = self.config.progress_seconds
        running = any(pod.running for pod in pods) and due(job.status, progress, now)
        return now - progress if running else ENOUGH

    def act(self, key: str, item: Object, seen: Observed, action: Action) -> bool:
        """Do one thing; return whether the rest may be done too."""
        job = seen.job
        match action:
            case WriteStatus():
                return self._write(key, item, job, action)
            case RecordEvent():
                self.events.record(job, action)
                log(action.message, job=key, reason=action.reason)
            case MakePlan():
                self.planner.plan(key, action.request, context_of(self.view, job.namespace))
            case Enlist():
                return self._enlist(key, action)
            case CreateJob():
                self._create(key, job, action)
            case DeleteJob():
                self.api.delete_job(job.namespace, action.name)
                log("job deleted", job=key, name=action.name)
            case KillPod():
                self.api.kill_pod(job.namespace, action.name)
                log("pod removed", job=key, name=action.name)
            case LookAgain():
                self.queue.add_after(key, action.seconds)
        return True

    def _write(self, key: str, item: Object, job: FineTune, action: WriteStatus) -> bool:
        try:
            self.view.written(self.api.write_status(item, action.status))
        except ConflictError:
            self.queue.add_after(key, 0.05)  # what we saw was old: the news is on its way
            return False
        before = {life.pod for life in job.status.attempts if life.ended is not None}
        fresh = [life for life in action.status.attempts if life.ended is not None and life.pod not in before]
        for life in fresh:
            ATTEMPTS.labels(life.reason).inc()
        if fresh or action.status.state.ended:
            self._left_over(job.namespace)
        return True

    def _left_over(self, namespace: str) -> None:
        """Have those looked at again that wait for their namespace's budget."""
        if self.ledger.limits(namespace):
            for key in self.view.waiting(namespace):
                self.queue.add(key)

    def _enlist(self, key: str, action: Enlist) -> bool:
        request, context = action.request, context_of(self.view, key.partition("/")[0])
        try:
            enlist(request.folder(action.figures.run_id), request.spec, context)
        except FtjobError as error:
            self._failed[key] = Trouble(error.reason, str(error), passing=True)
            self.queue.add_after(key, self.config.backoff_seconds)
            return False
        self._failed.pop(key, None)
        return True

    def _create(self, key: str, job: FineTune, action: CreateJob) -> None:
        """Begin an attempt, unless the API server knows of one under way that we have not heard of.

        Before the first there can be none: the status tells of an attempt before it is begun, and that write
        was refused had our picture of the object been old.
        """
        if job.status.attempt and self._under_way(job):
            self.queue.add_after(key, 1.0)
            return
        manifest = attempt_job(job, action.request, action.figures, self.config, action.terms)
        name = manifest["metadata"]["name"]
        try:
            self.view.begun(self.api.create_job(job.namespace, manifest))
        except ConflictError:  # ours, of which we have not heard yet; or somebody else's
            told = f"a Job {name} is there that is not of this FineTuneJob: delete it"
            self._failed[key] = Trouble("NameTaken", told, passing=True)
            self.queue.add_after(key, 2.0)
            return
        BEGUN.inc()
        log("job created", job=key, name=name, attempt=action.terms.attempt, capacity=action.terms.capacity)

    def _under_way(self, job: FineTune) -> bool:
        jobs, pods = self.api.jobs_and_pods(job)
        open_jobs: list[AttemptJob] = [each for each in map(read_job, jobs) if each.finished is None]
        live = [pod for pod in map(read_pod, pods) if not pod.over]
        ended = {pod.job for pod in map(read_pod, pods) if pod.over}
        return bool(live) or any(each.name not in ended and not each.deleted for each in open_jobs)


def unaccounted_ends(job: FineTune, pods: list[Pod]) -> set[str]:
    """Return the pods that ended, or were deleted, and whose end is not in the accounts yet."""
    accounted = {life.pod for life in job.status.attempts if life.ended is not None}
    running = {life.pod for life in job.status.attempts if life.ended is None}
    return {pod.name for pod in pods if pod.over} - accounted | running - {pod.name for pod in pods}


def _folder(job: FineTune, planned: object) -> str | None:
    """Return where a run that has not begun will live, as soon as that is known."""
    run_id = getattr(planned, "run_id", None)
    output = job.spec.get("output")
    return f"{str(output).rstrip('/')}/{job.name}/{run_id}" if run_id and output else None
