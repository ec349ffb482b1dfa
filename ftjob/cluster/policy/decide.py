"""Decides what to do from what is observed: pure, with the time as an argument.

A run has one attempt at a time. The next attempt's number follows from the accounts alone, and its Job's name
from that number, so that another controller can take over wherever this one died.
"""

from dataclasses import replace

from ftjob.cluster.policy import accounts
from ftjob.cluster.policy.actions import Action, KillPod, RecordEvent, RequeueAfter
from ftjob.cluster.policy.attempt import STOPPING_SECONDS, delete_jobs, release, watch_attempt
from ftjob.cluster.policy.following import next_attempt
from ftjob.cluster.policy.job_context import JobContext, JobProblem, Observed
from ftjob.cluster.policy.job_outcome import JobOutcome, status_actions
from ftjob.cluster.resource.names import ANNOTATION_CANCEL, CANCEL_BEHIND, SPOT
from ftjob.cluster.resource.request import Request, read_request
from ftjob.cluster.resource.status import PodRecord
from ftjob.errors import BadSpecError
from ftjob.errors.outcomes import Reason, Then
from ftjob.runfolder.status import State


def decide(seen: Observed, now: float) -> list[Action]:
    """Return what to do now, in order. The same observation always gives the same actions.

    The status is written first: where another controller has written it in the meantime, the API server
    refuses that write, and the other actions must not be carried out. Events come last: they report what was
    done.
    """
    if seen.job.deleted:
        return []
    context = new_context(seen, now)
    outcome = evaluate(context)
    written = status_actions(context, outcome, _closed(context.records, outcome.record))
    events = [action for action in written if isinstance(action, RecordEvent)]
    return [*(action for action in written if action not in events), *outcome.actions, *events]


def _closed(records: tuple[PodRecord, ...], record: PodRecord | None) -> tuple[PodRecord, ...]:
    """Return the accounts with one record added or replaced."""
    return records if record is None else (*(each for each in records if each.pod != record.pod), record)


def new_context(seen: Observed, now: float) -> JobContext:
    """Return the context of a reconcile: the spec read, the accounts brought up to date."""
    try:
        request: Request | JobProblem = read_request(seen.job, seen.nodes)
    except BadSpecError as error:
        request = JobProblem(error.reason, str(error))
    status, price = seen.job.status, seen.job.status.usd_per_hour
    if price is None:  # a status from before prices were kept in it
        price = _price_now(request, spot=status.capacity == SPOT)
    return JobContext(
        seen, request, accounts.settle(status, seen.pods, seen.jobs, seen.report, price, now), now
    )


def _price_now(request: Request | JobProblem, *, spot: bool) -> float:
    try:
        return request.usd_per_hour(spot=spot) if isinstance(request, Request) else 0.0
    except BadSpecError:
        return 0.0


def evaluate(context: JobContext) -> JobOutcome:
    """Return where the run stands and what to do about it."""
    outcome = _standing(context)
    refused = _edit_refused(context)
    return replace(outcome, edit_refused=refused) if refused else outcome


def _standing(context: JobContext) -> JobOutcome:
    before = context.seen.job.status
    if before.state is State.SUCCEEDED:
        return JobOutcome(before.state, before.reason, before.message)
    if (
        context.records
        and context.records[-1].reason == Reason.PENDING_TOO_LONG
        and not context.retry_requested
    ):
        doing = (*release(context), *delete_jobs(context))
        return JobOutcome(State.FAILED, Reason.PENDING_TOO_LONG, before.message, doing)
    stopping = _requested_stop(context)
    if context.live_pods or context.open_jobs:
        return _end_attempt(context, *stopping) if stopping else watch_attempt(context)
    ended = context.last_end
    if ended is not None and ended.then is Then.SUCCEEDED:
        again = context.report is not None and context.report.reason == Reason.ALREADY_DONE
        reason = Reason.ALREADY_DONE if again else ended.reason
        return JobOutcome(State.SUCCEEDED, reason, context.message_of(ended))
    if stopping:
        state = State.SUSPENDED if stopping[0] is Reason.SUSPENDED else State.STOPPED
        return JobOutcome(state, *stopping)
    if isinstance(context.request, JobProblem):
        return JobOutcome(State.FAILED, context.request.reason, context.request.message, accepted=False)
    return next_attempt(context, context.request, ended)


def _requested_stop(context: JobContext) -> tuple[Reason, str] | None:
    """Return the reason and message where the user wants no attempt to run."""
    job = context.seen.job
    if ANNOTATION_CANCEL in job.annotations:
        if job.annotations[ANNOTATION_CANCEL] == CANCEL_BEHIND:
            return Reason.CANCELLED, "stopped by its sweep's halving: it fell behind the other members"
        return (
            Reason.CANCELLED,
            f"cancelled; remove the annotation {ANNOTATION_CANCEL}, or submit again, to resume",
        )
    if job.suspend:
        return Reason.SUSPENDED, "held by suspend; set it to false to resume"
    return None


def _edit_refused(context: JobContext) -> str:
    if not context.begun or not isinstance(context.request, Request):
        return ""
    if context.request.identity == context.seen.job.status.identity:
        return ""
    return (
        "only resources, budget, guards, accept and suspend can be changed once a run has begun; the rest "
        "stays as it was: give a changed run another name, or delete this one first"
    )


def _end_attempt(context: JobContext, reason: Reason, message: str) -> JobOutcome:
    """Stop the attempt: gracefully, or at once where the user cancelled with `now`."""
    doing: list[Action] = [
        *delete_jobs(context),
        *release(context),
        RequeueAfter(STOPPING_SECONDS),
    ]
    if context.seen.job.annotations.get(ANNOTATION_CANCEL) == "now":
        doing += [KillPod(pod.name) for pod in context.live_pods]
    return JobOutcome(State.STOPPING, reason, message, tuple(doing))
