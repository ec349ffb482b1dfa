"""Decides what comes next when no attempt is under way: a plan, another attempt, a pause or the end."""

from dataclasses import replace

from ftjob.cluster.policy import accounts
from ftjob.cluster.policy.actions import Action, CreateJob, CreatePlanJob, DeleteJob, RequeueAfter
from ftjob.cluster.policy.attempt import release
from ftjob.cluster.policy.capacity import begins_on_spot
from ftjob.cluster.policy.job_context import JobContext, JobProblem
from ftjob.cluster.policy.job_outcome import JobOutcome
from ftjob.cluster.policy.pending import why_pending
from ftjob.cluster.policy.planning import plan_name
from ftjob.cluster.policy.terms import Terms
from ftjob.cluster.resource.request import Request
from ftjob.cluster.resource.status import Figures
from ftjob.errors.outcomes import ENDINGS, Ending, Reason, Then
from ftjob.runfolder.status import State

COUNTED = tuple(ending.reason for ending in ENDINGS if ending.then is Then.COUNTED)
PAUSED = tuple(ending.reason for ending in ENDINGS if ending.then in (Then.COUNTED, Then.LATER))
ON_DEMAND_NOW = " on demand: two were taken away on spot within an hour, and the budget pays for it"
RECHECK_SECONDS = 600.0
"""Between two checks of a run that waits for its namespace's budget, beside one whenever another run ends."""
TO_BE_PLANNED = "to be planned: "
"""Begins the message of a run whose plan pod waits."""
PLAN_AGAIN_SECONDS = 60.0
"""Between the end of a plan pod that could not reach something and the start of the next one."""


def next_attempt(context: JobContext, request: Request, ended: Ending | None) -> JobOutcome:
    """Return the outcome for a run without an attempt under way: begin the next one, or why not."""
    stays = _stays_ended(context, request, ended)
    if stays:
        return stays
    if context.seen.has_old_jobs:
        old = Reason.OLD_JOBS
        return _wait(old, old.message, context.seen.config.poll_seconds, *release(context))
    figures = context.seen.job.status.plan if context.begun else context.seen.planned
    if figures is None:
        return _being_planned(context, request)
    if isinstance(figures, JobProblem):
        if figures.passing:
            return _plan_again(context, request, figures)
        message = figures.message + _waited_for(context, figures)
        return JobOutcome(State.FAILED, figures.reason, message, accepted=False)
    outcome = _when_ready(context, request, figures, ended)
    return replace(outcome, figures=figures, folder=request.folder(figures.run_id))


def _being_planned(context: JobContext, request: Request) -> JobOutcome:
    """Create a plan Job, or return what its pod waits for."""
    again = RequeueAfter(context.seen.config.poll_seconds)
    name = plan_name(request.spec.name, request.identity)
    if not any(job.name == name for job in context.seen.plan_jobs):
        failed = context.seen.failed or JobProblem(Reason.PLANNING, Reason.PLANNING.message)
        return JobOutcome(State.PENDING, failed.reason, failed.message, (CreatePlanJob(request), again))
    pod = next((pod for pod in context.seen.plan_pods if pod.job == name), None)
    if pod is not None and pod.running:
        return JobOutcome(State.PENDING, Reason.PLANNING, Reason.PLANNING.message, (again,))
    waiting = why_pending(pod, context.seen.hints.get(pod.name if pod else name, ""), request, plans=True)
    reason = Reason.PLANNING if waiting.expected else waiting.reason
    return JobOutcome(State.PENDING, reason, f"{TO_BE_PLANNED}{waiting.message}", (again,))


def _waited_for(context: JobContext, problem: JobProblem) -> str:
    """Return what the pod that plans waited for by the last status, as an aside: it may be gone by now.

    Nothing where it ran, and found the problem itself, or waited for nothing unusual."""
    before = context.seen.job.status
    if problem.reason != Reason.NOT_PLANNED or before.reason == Reason.PLANNING:
        return ""
    waited = before.message.partition(TO_BE_PLANNED)[2]
    return f"; it was {TO_BE_PLANNED}{waited}" if waited else ""


def _plan_again(context: JobContext, request: Request, problem: JobProblem) -> JobOutcome:
    """Delete a failed plan Job after a while, so that another one replaces it; give up where that goes on
    too long."""
    name = plan_name(request.spec.name, request.identity)
    hours = request.spec.resources.max_pending
    job = context.seen.job
    since = max(job.created, *(each.last_transition_time for each in job.status.conditions), 0.0)
    if context.now - since > hours * 3600:
        message = f"the run waited for {hours:g} h (resources.max_pending) to be planned: {problem.message}"
        return JobOutcome(State.FAILED, Reason.PENDING_TOO_LONG, message, (DeleteJob(name),), accepted=False)
    ends = [pod.ended for pod in context.seen.plan_pods if pod.job == name and pod.ended is not None]
    ends += [
        job.finished_at for job in context.seen.plan_jobs if job.name == name and job.finished_at is not None
    ]
    left = max(ends, default=context.now) + PLAN_AGAIN_SECONDS - context.now
    if left > 0:
        return _wait(problem.reason, problem.message, min(left, PLAN_AGAIN_SECONDS))
    return _wait(problem.reason, problem.message, 1.0, DeleteJob(name))


def _when_ready(context: JobContext, request: Request, figures: Figures, ended: Ending | None) -> JobOutcome:
    """Begin the next attempt where budget and backoff allow it."""
    terms = _terms(context, request, figures)
    if context.seen.failed:
        return _begin(context, request, figures, terms, context.seen.failed)
    if terms.seconds_left < context.seen.config.min_attempt_seconds:
        message = accounts.no_money(request.budget, *context.spent, context.seen.config.min_attempt_seconds)
        return JobOutcome(State.STOPPED, Reason.BUDGET_REACHED, message)
    wait = _backoff(context)
    if ended and wait > 0:
        message = f"attempt {_next_number(context)} follows: {context.message_of(ended)}"
        return JobOutcome(State.RETRYING, ended.reason, message, (RequeueAfter(wait),))
    return _held_back(context, terms) or _begin(context, request, figures, terms)


def _held_back(context: JobContext, terms: Terms) -> JobOutcome | None:
    """Return a wait where the namespace's daily budget has no room for the attempt."""
    allowance = context.seen.allowance
    if isinstance(allowance, JobProblem):
        return _wait(allowance.reason, allowance.message, RECHECK_SECONDS)
    message = allowance.refuses(terms) if allowance else ""
    if allowance is None or not message:
        return None
    return _wait(Reason.NAMESPACE_BUDGET, message, min(RECHECK_SECONDS, allowance.seconds_to_midnight + 1.0))


def _stays_ended(context: JobContext, request: Request, ended: Ending | None) -> JobOutcome | None:
    """Return the outcome of a run that stays ended; None where another attempt may follow."""
    before = context.seen.job.status
    if context.retry_requested:
        return None
    if ended is None:
        unplanned = context.seen.planned is None or before.reason == Reason.PENDING_TOO_LONG
        unchanged = before.observed_generation == context.seen.job.generation and unplanned
        kept = before.state is State.FAILED and unchanged and not context.begun
        return JobOutcome(before.state, before.reason, before.message, accepted=False) if kept else None
    if ended.then is Then.FAILED:
        return JobOutcome(State.FAILED, ended.reason, context.message_of(ended))
    if ended.then is Then.STOPPED and not _budget_was_raised(context, request):
        return JobOutcome(State.STOPPED, ended.reason, context.message_of(ended))
    total, counted = accounts.retries(context.records, COUNTED)
    limit = request.spec.resources.max_retries
    if ended.then is Then.COUNTED and counted > limit:
        times = f"{counted} attempts brought no new snapshot (resources.max_retries: {limit}); the last"
        return JobOutcome(State.FAILED, ended.reason, f"{times}: {context.message_of(ended)}")
    if total > context.seen.config.max_disruptions + limit:
        times = f"{total} attempts in a row brought no new snapshot; the last"
        return JobOutcome(State.FAILED, Reason.NO_PROGRESS, f"{times}: {context.message_of(ended)}")
    return None


def _budget_was_raised(context: JobContext, request: Request) -> bool:
    """Whether the budget pays for more than it did when the last attempt began, at that attempt's price.

    What a worker leaves unspent at its end is its reserve and no reason to begin again; nor is a lower price.
    """
    granted = context.seen.job.status.granted_seconds
    if granted is None:
        return False
    pays_for = context.spent[0] + context.seconds_left(request, context.records[-1].usd_per_hour)
    return pays_for - granted >= max(1.0, context.seen.config.min_attempt_seconds)


def _begin(
    context: JobContext, request: Request, figures: Figures, terms: Terms, failed: JobProblem | None = None
) -> JobOutcome:
    """Begin the next attempt; `failed` is why the last try to begin it failed."""
    doing = (CreateJob(request, figures, terms), RequeueAfter(context.seen.config.poll_seconds))
    moved = context.records and context.records[-1].spot and not terms.spot
    how = ON_DEMAND_NOW if moved and request.spec.resources.spot == "prefer" else ""
    return JobOutcome(
        State.PENDING,
        failed.reason if failed else Reason.CREATING,
        failed.message if failed else f"attempt {terms.attempt} begins{how}",
        doing,
        identity=context.seen.job.status.identity or request.identity,
        terms=terms,
    )


def _terms(context: JobContext, request: Request, figures: Figures) -> Terms:
    spot = begins_on_spot(context, request, figures)
    price = request.usd_per_hour(spot=spot)
    before = (context.spent[0] - context.earlier[0], context.spent[1] - context.earlier[1])
    return Terms(
        _next_number(context), spot, price, *before, context.seconds_left(request, price), context.spent[0]
    )


def _next_number(context: JobContext) -> int:
    """Return the number of the next attempt: one more than the last recorded one."""
    return max((record.attempt for record in context.records), default=0) + 1


def _backoff(context: JobContext) -> float:
    """Return the seconds until the next attempt may begin, doubled each time.

    There is no pause where the user requested the attempt, or after a single one that was taken away.
    """
    ended = [record.ended for record in context.records if record.ended is not None]
    asked = context.retry_requested or context.seen.job.status.state in (State.SUSPENDED, State.STOPPED)
    if not ended or asked:
        return 0.0
    config = context.seen.config
    total, paused = accounts.retries(context.records, PAUSED)
    doublings = total - 1 if paused else total - 2
    if doublings < 0:
        return 0.0
    wait = min(config.backoff_limit_seconds, config.backoff_seconds * 2.0 ** min(doublings, 16))
    return min(wait, max(0.0, max(ended) + wait - context.now))


def _wait(reason: str, message: str, seconds: float = 5.0, *doing: Action) -> JobOutcome:
    return JobOutcome(State.PENDING, reason, message, (*doing, RequeueAfter(seconds)))
