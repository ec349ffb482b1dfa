"""An attempt that is under way: is it running, waiting, being taken away, too dear?"""

from math import inf

from ftjob.cluster.policy import accounts
from ftjob.cluster.policy.actions import Action, DeleteJob, KillPod, LookAgain
from ftjob.cluster.policy.case import Case
from ftjob.cluster.policy.pending import QUEUED, why_pending
from ftjob.cluster.policy.verdict import Verdict
from ftjob.cluster.resource.config import Config
from ftjob.cluster.resource.names import SPOT
from ftjob.cluster.resource.objects import Pod
from ftjob.cluster.resource.request import Request
from ftjob.cluster.resource.status import Life
from ftjob.errors.outcomes import Reason
from ftjob.runfolder.status import State


def attempt_goes_on(case: Case) -> Verdict:
    """Watch an attempt; end it where it waits too long, costs too much or is taken away."""
    if not isinstance(case.request, Request):
        return Verdict(
            State.RUNNING, Reason.RUNNING, "the attempt goes on", edit_refused=case.request.message
        )
    pods = case.live_pods
    ending = (*release(case), *delete_jobs(case), LookAgain(case.seen.config.poll_seconds))
    if any(pod.deleted is not None for pod in pods) or len(pods) > 1:
        message = "the pod is being taken away; its worker makes a snapshot"
        return Verdict(State.STOPPING, Reason.TAKEN_AWAY, message, ending)
    pod = pods[0] if pods else None
    left = _shortened_to(case, case.request, pod)
    if left <= 0:
        return Verdict(State.STOPPING, Reason.BUDGET_REACHED, Reason.BUDGET_REACHED.message, ending)
    if pod is not None and (pod.running or pod.ended is not None):
        again = LookAgain(min(_until_next_word(case.seen.config), max(1.0, left)))
        return Verdict(State.RUNNING, Reason.RUNNING, Reason.RUNNING.message, (again,), running=True)
    return _attempt_waits(case, case.request, pod)


def _until_next_word(config: Config) -> float:
    """Return after how many seconds a running worker is worth asking again."""
    return max(config.poll_seconds, config.progress_seconds)


def _shortened_to(case: Case, request: Request, pod: Pod | None) -> float:
    """Return the seconds that a budget leaves a pod, where that is less than its deadline: it was lowered, or
    the run's folder turned out to have cost something before. Else infinitely many.

    The pod's own deadline ends it in time by the node's clock, which is better than ours.
    """
    life = case.life_of(pod) if pod else None
    if life is None:
        return inf
    deadline = case.seen.job.status.deadline_seconds
    before = (case.spent[0] - life.seconds, case.spent[1] - life.usd)
    pays_for = accounts.seconds_left(request.budget, *before, life.usd_per_hour)
    if deadline is not None and pays_for > deadline - 1.0:
        return inf
    return case.seconds_left(request, life.usd_per_hour)


def _attempt_waits(case: Case, request: Request, pod: Pod | None) -> Verdict:
    """Say why no worker runs yet, and give up where that takes too long."""
    job = next(iter(case.open_jobs), None)
    name = pod.name if pod else job.name if job else ""
    spot = case.seen.job.status.capacity == SPOT
    waiting = why_pending(pod, case.seen.hints.get(name, ""), request, spot=spot)
    if pod is None and job is not None and job.held:
        waiting = QUEUED
    since = job.created if job else pod.created if pod else case.now
    hours = request.spec.resources.max_pending
    again = LookAgain(case.seen.config.poll_seconds)
    if case.now - since <= hours * 3600:
        return Verdict(State.PENDING, waiting.reason, waiting.message, (again,), quiet=waiting.expected)
    message = f"the pod waited for {hours:g} h (resources.max_pending): {waiting.message}"
    attempt = pod.attempt if pod else job.attempt if job else 0
    life = case.life_of(pod) if pod else None
    closed = life or Life(attempt=attempt, pod=name, ended=case.now)
    closed = closed.model_copy(update={"reason": Reason.PENDING_TOO_LONG})
    doing = (*delete_jobs(case), again)
    return Verdict(State.FAILED, Reason.PENDING_TOO_LONG, message, doing, life=closed)


def delete_jobs(case: Case) -> list[Action]:
    """End what is under way: the worker is asked to stop."""
    return [DeleteJob(job.name) for job in case.open_jobs]


def release(case: Case) -> list[Action]:
    """Remove pods whose node fell silent after they were deleted: they would hold the run for ever."""
    patience = case.seen.config.lost_seconds
    return [
        KillPod(pod.name)
        for pod in (*case.live_pods, *case.seen.old_pods)
        if pod.deleted is not None and pod.not_ready and case.now > pod.deleted + patience
    ]
