"""Decides about an attempt under way: is it running, waiting, being taken away, over its budget?"""

from math import inf

from ftjob.cluster.policy import accounts
from ftjob.cluster.policy.actions import Action, DeleteJob, KillPod, RequeueAfter
from ftjob.cluster.policy.ends import LATE_SECONDS
from ftjob.cluster.policy.job_context import JobContext
from ftjob.cluster.policy.job_outcome import JobOutcome
from ftjob.cluster.policy.pending import QUEUED, why_pending
from ftjob.cluster.resource.config import Config
from ftjob.cluster.resource.names import SPOT
from ftjob.cluster.resource.objects import Pod
from ftjob.cluster.resource.request import Request
from ftjob.cluster.resource.status import PodRecord
from ftjob.errors.outcomes import Reason
from ftjob.runfolder.status import State

STOPPING_SECONDS = 2.0
"""Between two looks at a worker that was asked to stop: it waits a little longer for its end to be read."""


def watch_attempt(context: JobContext) -> JobOutcome:
    """Return the outcome for an attempt under way.

    It ends where it waits too long, costs too much or its pod is being deleted.
    """
    if not isinstance(context.request, Request):
        return JobOutcome(
            State.RUNNING, Reason.RUNNING, "the attempt continues", edit_refused=context.request.message
        )
    pods = context.live_pods
    if any(pod.over for pod in pods):  # and yet ends: it is overdue
        message = f"{Reason.DEADLINE_EXCEEDED.message}; its worker makes a snapshot"
        again = RequeueAfter(STOPPING_SECONDS)
        return JobOutcome(State.STOPPING, Reason.DEADLINE_EXCEEDED, message, (again,))
    ending = (*release(context), *delete_jobs(context), RequeueAfter(STOPPING_SECONDS))
    pod = pods[0] if pods else None
    left = _shortened_to(context, context.request, pod)
    if left <= 0:
        return JobOutcome(State.STOPPING, Reason.BUDGET_REACHED, Reason.BUDGET_REACHED.message, ending)
    if pod is not None and pod.ended is not None and abs(context.now - pod.ended) > LATE_SECONDS:
        message = "the worker has ended; the other containers of its pod are being stopped"
        return JobOutcome(State.STOPPING, Reason.TAKEN_AWAY, message, ending)
    if any(pod.deleted is not None for pod in pods) or len(pods) > 1:
        message = "the pod is being taken away; its worker makes a snapshot"
        return JobOutcome(State.STOPPING, Reason.TAKEN_AWAY, message, ending)
    if pod is not None and (pod.running or pod.ended is not None):
        again = RequeueAfter(min(_report_interval(context.seen.config), max(1.0, left)))
        return JobOutcome(State.RUNNING, Reason.RUNNING, Reason.RUNNING.message, (again,), running=True)
    return _attempt_waits(context, context.request, pod)


def _report_interval(config: Config) -> float:
    """Return how many seconds to wait before asking a running worker for a new report."""
    return max(config.poll_seconds, config.progress_seconds)


def _shortened_to(context: JobContext, request: Request, pod: Pod | None) -> float:
    """Return the seconds that the budget leaves a pod where these are less than its deadline, else infinity.

    It is less where the user lowered the budget, or where the run's folder turned out to have cost
    something before.
    """
    # The pod's activeDeadlineSeconds was made from the budget when the attempt began. It needs no controller
    # and goes by the node's clock, which is better than ours, so it is the guard while nothing changes. It
    # does not know of a budget lowered since. What that still pays for becomes a deadline of the
    # controller's own: the attempt uses it up, then its Job is deleted, and the worker has its grace period
    # for a snapshot.
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
    """Return why no worker runs yet; give up where that takes too long."""
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
    """Return the deletions that end the attempt: its worker gets SIGTERM."""
    return [DeleteJob(job.name) for job in context.open_jobs]


def release(context: JobContext) -> list[Action]:
    """Return the removals of deleted pods whose node is silent: they would block the run forever."""
    patience = context.seen.config.lost_seconds
    return [
        KillPod(pod.name)
        for pod in (*context.live_pods, *context.seen.old_pods)
        if pod.deleted is not None and pod.not_ready and context.now > pod.deleted + patience
    ]
