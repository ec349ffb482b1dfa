"""What follows an attempt, or comes before the first: a plan, another attempt, patience or the end."""

from dataclasses import replace

from ftjob.cluster.policy import accounts
from ftjob.cluster.policy.actions import Action, CreateJob, DeleteJob, LookAgain, MakePlan
from ftjob.cluster.policy.attempt import release
from ftjob.cluster.policy.capacity import begins_on_spot
from ftjob.cluster.policy.case import Case, Trouble
from ftjob.cluster.policy.pending import why_pending
from ftjob.cluster.policy.planning import plan_name
from ftjob.cluster.policy.terms import Terms
from ftjob.cluster.policy.verdict import Verdict
from ftjob.cluster.resource.request import Request
from ftjob.cluster.resource.status import Figures
from ftjob.errors.outcomes import ENDINGS, Ending, Reason, Then
from ftjob.runfolder.status import State

COUNTED = tuple(ending.reason for ending in ENDINGS if ending.then is Then.COUNTED)
PAUSED = tuple(ending.reason for ending in ENDINGS if ending.then in (Then.COUNTED, Then.LATER))
ON_DEMAND_NOW = " on demand: two were taken away on spot within an hour, and the budget pays for it"
LOOK_SECONDS = 600.0
"""A run that waits for its namespace's budget hears of every end; and looks for itself that often."""
PLAN_AGAIN_SECONDS = 60.0
"""Between the end of a plan pod that could not reach something and the next one."""


def next_attempt(case: Case, request: Request, ended: Ending | None) -> Verdict:
    """Begin, go on, or say why not."""
    stays = _stays_ended(case, request, ended)
    if stays:
        return stays
    if case.seen.strangers:
        old = Reason.OLD_JOBS
        return _wait(old, old.message, case.seen.config.poll_seconds, *release(case))
    figures = case.seen.job.status.plan if case.begun else case.seen.planned
    if figures is None:
        return _being_planned(case, request)
    if isinstance(figures, Trouble):
        if figures.passing:
            return _plan_again(case, request, figures)
        return Verdict(State.FAILED, figures.reason, figures.message, accepted=False)
    verdict = _when_ready(case, request, figures, ended)
    return replace(verdict, figures=figures, folder=request.folder(figures.run_id))


def _being_planned(case: Case, request: Request) -> Verdict:
    """Have a pod plan, or say what that waits for."""
    again = LookAgain(case.seen.config.poll_seconds)
    name = plan_name(request.spec.name, request.identity)
    if not any(job.name == name for job in case.seen.plan_jobs):
        failed = case.seen.failed or Trouble(Reason.PLANNING, Reason.PLANNING.message)
        return Verdict(State.PENDING, failed.reason, failed.message, (MakePlan(request), again))
    pod = next((pod for pod in case.seen.plan_pods if pod.job == name), None)
    if pod is not None and pod.running:
        return Verdict(State.PENDING, Reason.PLANNING, Reason.PLANNING.message, (again,))
    waiting = why_pending(pod, case.seen.hints.get(pod.name if pod else name, ""), request, plans=True)
    reason = Reason.PLANNING if waiting.expected else waiting.reason
    return Verdict(State.PENDING, reason, f"to be planned: {waiting.message}", (again,))


def _plan_again(case: Case, request: Request, trouble: Trouble) -> Verdict:
    """Remove a plan Job that came to nothing after a while, so that another is made."""
    name = plan_name(request.spec.name, request.identity)
    ends = [pod.ended for pod in case.seen.plan_pods if pod.job == name and pod.ended is not None]
    ends += [
        job.finished_at for job in case.seen.plan_jobs if job.name == name and job.finished_at is not None
    ]
    left = max(ends, default=case.now) + PLAN_AGAIN_SECONDS - case.now
    if left > 0:
        return _wait(trouble.reason, trouble.message, min(left, PLAN_AGAIN_SECONDS))
    return _wait(trouble.reason, trouble.message, 1.0, DeleteJob(name))


def _when_ready(case: Case, request: Request, figures: Figures, ended: Ending | None) -> Verdict:
    """Begin the next attempt when money and patience allow."""
    terms = _terms(case, request, figures)
    if case.seen.failed:
        return _begin(case, request, figures, terms, case.seen.failed)
    if terms.seconds_left < case.seen.config.min_attempt_seconds:
        message = accounts.no_money(request.budget, *case.spent, case.seen.config.min_attempt_seconds)
        return Verdict(State.STOPPED, Reason.BUDGET_REACHED, message)
    wait = _backoff(case)
    if ended and wait > 0:
        message = f"attempt {_next_number(case)} follows: {case.message_of(ended)}"
        return Verdict(State.RETRYING, ended.reason, message, (LookAgain(wait),))
    return _held_back(case, terms) or _begin(case, request, figures, terms)


def _held_back(case: Case, terms: Terms) -> Verdict | None:
    """Let an attempt wait where its namespace has spent enough for today."""
    allowance = case.seen.allowance
    if isinstance(allowance, Trouble):
        return _wait(allowance.reason, allowance.message, LOOK_SECONDS)
    message = allowance.refuses(terms) if allowance else ""
    if allowance is None or not message:
        return None
    return _wait(Reason.NAMESPACE_BUDGET, message, min(LOOK_SECONDS, allowance.seconds_to_midnight + 1.0))


def _stays_ended(case: Case, request: Request, ended: Ending | None) -> Verdict | None:
    """Return the verdict on a run that has ended and that nobody asks to go on."""
    before = case.seen.job.status
    if case.retry_asked:
        return None
    if ended is None:
        unchanged = before.observed_generation == case.seen.job.generation and case.seen.planned is None
        kept = before.state is State.FAILED and unchanged and not case.begun
        return Verdict(before.state, before.reason, before.message, accepted=False) if kept else None
    if ended.then is Then.FAILED:
        return Verdict(State.FAILED, ended.reason, case.message_of(ended))
    if ended.then is Then.STOPPED and not _budget_was_raised(case, request):
        return Verdict(State.STOPPED, ended.reason, case.message_of(ended))
    total, counted = accounts.retries(case.lives, COUNTED)
    limit = request.spec.resources.max_retries
    if ended.then is Then.COUNTED and counted > limit:
        times = f"{counted} attempts brought no new snapshot (resources.max_retries: {limit}); the last"
        return Verdict(State.FAILED, ended.reason, f"{times}: {case.message_of(ended)}")
    if total > case.seen.config.max_disruptions + limit:
        times = f"{total} attempts in a row brought no new snapshot; the last"
        return Verdict(State.FAILED, Reason.NO_PROGRESS, f"{times}: {case.message_of(ended)}")
    return None


def _budget_was_raised(case: Case, request: Request) -> bool:
    """Whether the budget now pays for more than it did when the last attempt began, at that attempt's price.

    What a worker leaves unspent at its end is its own reserve, and no reason to begin again; nor is a price
    that fell.
    """
    granted = case.seen.job.status.granted_seconds
    if granted is None:
        return False
    pays_for = case.spent[0] + case.seconds_left(request, case.lives[-1].usd_per_hour)
    return pays_for - granted >= max(1.0, case.seen.config.min_attempt_seconds)


def _begin(
    case: Case, request: Request, figures: Figures, terms: Terms, failed: Trouble | None = None
) -> Verdict:
    """Begin the next attempt; `failed` is what went wrong when that was tried just now."""
    doing = (CreateJob(request, figures, terms), LookAgain(case.seen.config.poll_seconds))
    moved = case.lives and case.lives[-1].spot and not terms.spot
    how = ON_DEMAND_NOW if moved and request.spec.resources.spot == "prefer" else ""
    return Verdict(
        State.PENDING,
        failed.reason if failed else Reason.CREATING,
        failed.message if failed else f"attempt {terms.attempt} begins{how}",
        doing,
        identity=case.seen.job.status.identity or request.identity,
        terms=terms,
    )


def _terms(case: Case, request: Request, figures: Figures) -> Terms:
    spot = begins_on_spot(case, request, figures)
    price = request.usd_per_hour(spot=spot)
    before = (case.spent[0] - case.earlier[0], case.spent[1] - case.earlier[1])
    return Terms(_next_number(case), spot, price, *before, case.seconds_left(request, price), case.spent[0])


def _next_number(case: Case) -> int:
    """Return the number of the next attempt: one more than the last that a pod was scheduled for."""
    return max((life.attempt for life in case.lives), default=0) + 1


def _backoff(case: Case) -> float:
    """Return the seconds until the next attempt may begin, doubled each time.

    None where the user asked for it, or after one that was merely taken away.
    """
    ended = [life.ended for life in case.lives if life.ended is not None]
    asked = case.retry_asked or case.seen.job.status.state in (State.SUSPENDED, State.STOPPED)
    if not ended or asked:
        return 0.0
    config = case.seen.config
    total, paused = accounts.retries(case.lives, PAUSED)
    doublings = total - 1 if paused else total - 2
    if doublings < 0:
        return 0.0
    wait = min(config.backoff_limit_seconds, config.backoff_seconds * 2.0 ** min(doublings, 16))
    return min(wait, max(0.0, max(ended) + wait - case.now))


def _wait(reason: str, message: str, seconds: float = 5.0, *doing: Action) -> Verdict:
    return Verdict(State.PENDING, reason, message, (*doing, LookAgain(seconds)))
