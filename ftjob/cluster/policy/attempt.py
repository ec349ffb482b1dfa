"""An attempt that is under way: is it running, waiting, being taken away, too dear?"""

from math import inf

from ftjob.cluster.policy import accounts
from ftjob.cluster.policy.actions import Action, DeleteJob, KillPod, RequeueAfter
from ftjob.cluster.policy.case import JobContext
from ftjob.cluster.policy.pending import QUEUED, why_pending
from ftjob.cluster.policy.verdict import JobOutcome
from ftjob.cluster.resource.config import Config
from ftjob.cluster.resource.names import SPOT
from ftjob.cluster.resource.objects import Pod
from ftjob.cluster.resource.request import Request
from ftjob.cluster.resource.status import PodRecord
from ftjob.errors.outcomes import Reason
from ftjob.runfolder.status import State


def watch_attempt(context: JobContext) -> JobOutcome:
    """Watch an attempt; end it where it waits too long, costs too much or is taken away."""
    if not isinstance(context.request, Request):
        return JobOutcome(
            State.RUNNING, Reason.RUNNING, "the attempt goes on", edit_refused=context.request.message
        )
    pods = context.live_pods
    ending = (*release(context), *delete_jobs(context), RequeueAfter(context.seen.config.poll_seconds))
    if any(pod.deleted is not None for pod in pods) or len(pods) > 1:
        message = "the pod is being taken away; its worker makes a snapshot"
        return JobOutcome(State.STOPPING, Reason.TAKEN_AWAY, message, ending)
    pod = pods[0] if pods else None
    left = _shortened_to(context, context.request, pod)
    if left <= 0:
        return JobOutcome(State.STOPPING, Reason.BUDGET_REACHED, Reason.BUDGET_REACHED.message, ending)
    if pod is not None and (pod.running or pod.ended is not None):
        again = RequeueAfter(min(_until_next_word(context.seen.config), max(1.0, left)))
        return JobOutcome(State.RUNNING, Reason.RUNNING, Reason.RUNNING.message, (again,), running=True)
    return _attempt_waits(context, context.request, pod)


def _until_next_word(config: Config) -> float:
    """Return after how many seconds a running worker is worth asking again."""
    return max(config.poll_seconds, config.progress_seconds)


def _shortened_to(context: JobContext, request: Request, pod: Pod | None) -> float:
    """Return the seconds that a budget leaves a pod, where that is less than its deadline: it was lowered, or
    the run's folder turned out to have cost something before. Else infinitely many.

    The pod's own deadline ends it in time by the node's clock, which is better than ours.
    """
    record = context.record_of(pod) if pod else None
    if record is None:
        return inf
    deadline = context.seen.job.status.deadline_seconds
    before = (context.spent[0] - record.seconds, context.spent[1] - record.usd)
    pays_for = accounts.seconds_left(request.budget, *before, record.usd_per_hour)
    if deadline is not None and pays_for > deadline - 1.0:
        return inf
    return context.seconds_left(request, record.usd_per_hour)


def _attempt_waits(context: JobContext, request: Request, pod: Pod | None) -> JobOutcome:
    """Say why no worker runs yet, and give up where that takes too long."""
    job = next(iter(context.open_jobs), None)
    name = pod.name if pod else job.name if job else ""
    spot = context.seen.job.status.capacity == SPOT
    waiting = why_pending(pod, context.seen.hints.get(name, ""), request, spot=spot)
    if pod is None and job is not None and job.held:
        waiting = QUEUED
    since = job.created if job else pod.created if pod else context.now
    hours = request.spec.resources.max_pending
    again = RequeueAfter(context.seen.config.poll_seconds)
    if context.now - since <= hours * 3600:
        return JobOutcome(State.PENDING, waiting.reason, waiting.message, (again,), quiet=waiting.expected)
    message = f"the pod waited for {hours:g} h (resources.max_pending): {waiting.message}"
    attempt = pod.attempt if pod else job.attempt if job else 0
    record = context.record_of(pod) if pod else None
    closed = record or PodRecord(attempt=attempt, pod=name, ended=context.now)
    closed = closed.model_copy(update={"reason": Reason.PENDING_TOO_LONG})
    doing = (*delete_jobs(context), again)
    return JobOutcome(State.FAILED, Reason.PENDING_TOO_LONG, message, doing, record=closed)


def delete_jobs(context: JobContext) -> list[Action]:
    """End what is under way: the worker is asked to stop."""
    return [DeleteJob(job.name) for job in context.open_jobs]


def release(context: JobContext) -> list[Action]:
    """Remove pods whose node fell silent after they were deleted: they would hold the run for ever."""
    patience = context.seen.config.lost_seconds
    return [
        KillPod(pod.name)
        for pod in (*context.live_pods, *context.seen.old_pods)
        if pod.deleted is not None and pod.not_ready and context.now > pod.deleted + patience
    ]
