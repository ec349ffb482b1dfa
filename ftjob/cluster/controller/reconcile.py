"""Reconciles one FineTuneJob: observe, decide, act."""

from dataclasses import dataclass, field, replace

from ftjob.cluster.controller.apiserver import Api, ConflictError
from ftjob.cluster.controller.cache.indexed import Cache
from ftjob.cluster.controller.cache.ledger import Ledger
from ftjob.cluster.controller.cache.profiles import Profiles
from ftjob.cluster.controller.clock import Clock
from ftjob.cluster.controller.events import Events
from ftjob.cluster.controller.hints import Hints
from ftjob.cluster.controller.manifests import attempt_job, plan_job
from ftjob.cluster.controller.reconcile_sweep import SweepReconciler
from ftjob.cluster.controller.resolve import without_references
from ftjob.cluster.controller.serving.logs import log
from ftjob.cluster.controller.serving.prometheus import ATTEMPTS, BEGUN
from ftjob.cluster.controller.worker_reports import Answer, Reports
from ftjob.cluster.controller.workqueue.queue import WorkQueue
from ftjob.cluster.policy.actions import (
    Action,
    CreateJob,
    CreatePlanJob,
    DeleteJob,
    KillPod,
    RecordEvent,
    RequeueAfter,
    WriteStatus,
)
from ftjob.cluster.policy.attempt import STOPPING_SECONDS
from ftjob.cluster.policy.decide import decide
from ftjob.cluster.policy.job_context import JobProblem, Observed
from ftjob.cluster.policy.job_outcome import due
from ftjob.cluster.policy.planning import plan_name, planned_by_pod
from ftjob.cluster.policy.reports import newest_pod, report_of
from ftjob.cluster.resource.config import Config
from ftjob.cluster.resource.figures import annotated
from ftjob.cluster.resource.objects import FineTune, Object, Pod, read_fine_tune, read_job, read_pod
from ftjob.cluster.resource.request import Request, identity_of_object
from ftjob.errors import BadSpecError
from ftjob.errors.outcomes import Reason
from ftjob.runfolder.status import State


@dataclass
class Reconciler:
    """Observes FineTuneJobs, one at a time per thread, and carries out what decide() returns."""

    api: Api
    cache: Cache
    queue: WorkQueue
    reports: Reports
    hints: Hints
    events: Events
    clock: Clock
    config: Config
    profiles: Profiles
    ledger: Ledger
    sweeps: SweepReconciler
    _failed: dict[str, JobProblem] = field(default_factory=dict)

    def reconcile(self, key: str) -> None:
        """Reconcile one object. Raises what the client raises; the object is then queued again."""
        item = self.cache.item(key)
        if item is None:
            self.reports.forget(key)
            self._failed.pop(key, None)
            self._left_over(key.partition("/")[0])
            return
        if "sweep" in (item.get("spec") or {}):
            self.sweeps.reconcile(key, item)
            return
        seen = self.observe(key, read_fine_tune(item))
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

    def observe(self, key: str, job: FineTune) -> Observed:
        """Return what is known of an object now; its worker answers in the background."""
        every_job, every_pod = self.cache.jobs(key), self.cache.pods(key)
        jobs = [each for each in every_job if each.owner_uid == job.uid]
        pods = [each for each in every_pod if each.uid == job.uid]
        old_pods = tuple(each for each in every_pod if each.uid != job.uid and not each.over)
        identity = identity_of_object(job)
        attempts = tuple(each for each in pods if not each.plans)
        answer = self._answer(key, job, newest_pod(attempts))
        if answer and answer.gone and job.status.state is State.STOPPING:
            # An old kubelet never writes that the container of an overdue pod has ended: its port shows it.
            attempts = tuple(replace(each, running=each.running and not each.overdue) for each in attempts)
        report, refused = report_of(attempts, answer.progress if answer else None)
        found = annotated(job.annotations, identity)
        found_by_pod = planned_by_pod(plan_name(job.name, identity), jobs, pods)
        return Observed(
            job=job,
            jobs=tuple(each for each in jobs if not each.plans),
            pods=attempts,
            has_old_jobs=bool(old_pods) or any(each.owner_uid != job.uid for each in every_job),
            old_pods=old_pods,
            plan_jobs=tuple(each for each in jobs if each.plans),
            plan_pods=tuple(each for each in pods if each.plans),
            planned=found or found_by_pod,
            report=report,
            report_refused=refused
            or (f"pod {answer.pod}: {answer.refused}" if answer and answer.refused else ""),
            failed=self._failed.get(key),
            hints=self.hints.get(key, jobs, pods),
            nodes=self.profiles.current(),
            config=self.config,
        )

    def _answer(self, key: str, job: FineTune, pod: Pod | None) -> Answer | None:
        """Return a pod's last answer; request another where its numbers are due, or it ends."""
        if pod is None:
            return None
        now, pause = self.clock.now(), self.config.progress_seconds
        if job.status.state is State.STOPPING:
            return self.reports.get(key, pod, now - STOPPING_SECONDS)
        is_due = due(job.status, pause, now) and not pod.over
        return self.reports.get(key, pod, now - pause if is_due else float("-inf"))

    def act(self, key: str, item: Object, seen: Observed, action: Action) -> bool:
        """Carry out one action; return whether the others may follow."""
        job = seen.job
        match action:
            case WriteStatus():
                return self._write(key, item, job, action)
            case RecordEvent():
                self.events.record(job, action)
                log(action.message, job=key, reason=action.reason)
            case CreatePlanJob():
                return self._create_plan_job(key, job, action)
            case CreateJob():
                return self._create(key, job, action)
            case DeleteJob():
                self.api.delete_job(job.namespace, action.name)
                log("job deleted", job=key, name=action.name)
            case KillPod():
                self.api.kill_pod(job.namespace, action.name)
                log("pod removed", job=key, name=action.name)
            case RequeueAfter():
                self.queue.add_after(key, action.seconds)
        return True

    def _write(self, key: str, item: Object, job: FineTune, action: WriteStatus) -> bool:
        try:
            self.cache.assume_status(self.api.write_status(item, action.status))
        except ConflictError:
            self.queue.add_after(key, 0.05)  # we acted on an old version: the newer one is on its way
            return False
        before = {record.pod for record in job.status.attempts if record.ended is not None}
        fresh = [
            record
            for record in action.status.attempts
            if record.ended is not None and record.pod not in before
        ]
        for record in fresh:
            ATTEMPTS.labels(record.reason).inc()
        if fresh or action.status.state.ended:
            self._left_over(job.namespace)
        return True

    def _left_over(self, namespace: str) -> None:
        """Enqueue the runs that wait for their namespace's budget."""
        if self.ledger.limits(namespace):
            for key in self.cache.waiting(namespace):
                self.queue.add(key)

    def _create_plan_job(self, key: str, job: FineTune, action: CreatePlanJob) -> bool:
        """Create a plan Job."""
        request = self._for_a_pod(key, job, action.request)
        if request is not None:
            self._submit(key, job, plan_job(job, request, self.config))
        return request is not None

    def _create(self, key: str, job: FineTune, action: CreateJob) -> bool:
        """Begin an attempt, unless the API server has one under way that the cache lacks.

        Before the first attempt there can be none: the status names an attempt before it begins, and the API
        server would have refused that write had the cached object been old.
        """
        if job.status.attempt and self._under_way(job):
            self.queue.add_after(key, 1.0)
            return True
        request, terms = self._for_a_pod(key, job, action.request), action.terms
        if request is None:
            return False
        if self._submit(key, job, attempt_job(job, request, action.figures, self.config, terms)):
            BEGUN.inc()
            log("attempt begun", job=key, attempt=terms.attempt, capacity=terms.capacity)
        return True

    def _for_a_pod(self, key: str, job: FineTune, request: Request) -> Request | None:
        """Return the request with references to other runs resolved; None where one is missing."""
        try:
            spec = without_references(request.spec, self.cache, job.namespace)
        except BadSpecError as error:
            self._failed[key] = JobProblem(error.reason, str(error), passing=True)
            self.queue.add_after(key, self.config.backoff_seconds)
            return None
        self._failed.pop(key, None)
        return replace(request, spec=spec)

    def _submit(self, key: str, job: FineTune, manifest: Object) -> bool:
        """Create a Job; return whether it is new."""
        name = manifest["metadata"]["name"]
        try:
            self.cache.assume_job(self.api.create_job(job.namespace, manifest))
        except ConflictError:  # ours, which the cache lacks; or somebody else's
            message = f"a Job {name} exists that does not belong to this FineTuneJob: delete it"
            self._failed[key] = JobProblem(Reason.NAME_TAKEN, message, passing=True)
            self.queue.add_after(key, 2.0)
            return False
        log("job created", job=key, name=name)
        return True

    def _under_way(self, job: FineTune) -> bool:
        jobs, pods = self.api.jobs_and_pods(job)
        open_jobs = [each for each in map(read_job, jobs) if each.finished is None and not each.plans]
        live = [pod for pod in map(read_pod, pods) if not pod.over and not pod.plans]
        ended = {pod.job for pod in map(read_pod, pods) if pod.over}
        return bool(live) or any(each.name not in ended and not each.deleted for each in open_jobs)
