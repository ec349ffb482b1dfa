"""From what is observed to what is done: pure, with the time as an argument.

A run has one attempt at a time. The next attempt's number follows from the accounts alone, and its Job's name
from that number, so that a controller that died anywhere is continued by another without asking it.
"""

from dataclasses import replace

from ftjob.cluster.policy import accounts
from ftjob.cluster.policy.actions import Action, KillPod, LookAgain, RecordEvent
from ftjob.cluster.policy.attempt import attempt_goes_on, delete_jobs, release
from ftjob.cluster.policy.case import Case, Observed, Trouble
from ftjob.cluster.policy.following import next_attempt
from ftjob.cluster.policy.verdict import Verdict, write_down
from ftjob.cluster.resource.names import ANNOTATION_CANCEL, SPOT
from ftjob.cluster.resource.request import Request, read_request
from ftjob.cluster.resource.status import Life
from ftjob.errors import BadSpecError
from ftjob.errors.outcomes import Reason, Then
from ftjob.runfolder.status import State


def decide(seen: Observed, now: float) -> list[Action]:
    """Return what to do now, in this order. The same observation always gives the same answer.

    The status is written first: where another controller wrote it in the meantime, that write is refused, and
    the rest must not be done. Events are told last, of what was done.
    """
    if seen.job.deleted:
        return []
    case = open_case(seen, now)
    verdict = judge(case)
    written = write_down(case, verdict, _closed(case.lives, verdict.life))
    events = [action for action in written if isinstance(action, RecordEvent)]
    return [*(action for action in written if action not in events), *verdict.actions, *events]


def _closed(lives: tuple[Life, ...], life: Life | None) -> tuple[Life, ...]:
    """Return the accounts with one entry put in or replaced."""
    return lives if life is None else (*(each for each in lives if each.pod != life.pod), life)


def open_case(seen: Observed, now: float) -> Case:
    """Read the spec and make up the accounts."""
    try:
        request: Request | Trouble = read_request(seen.job, seen.nodes)
    except BadSpecError as error:
        request = Trouble(error.reason, str(error))
    status, price = seen.job.status, seen.job.status.usd_per_hour
    if price is None:  # a status from before prices were kept in it
        price = _price_now(request, spot=status.capacity == SPOT)
    return Case(seen, request, accounts.settle(status, seen.pods, seen.jobs, seen.report, price, now), now)


def _price_now(request: Request | Trouble, *, spot: bool) -> float:
    try:
        return request.usd_per_hour(spot=spot) if isinstance(request, Request) else 0.0
    except BadSpecError:
        return 0.0


def judge(case: Case) -> Verdict:
    """Say where the run stands and what follows."""
    verdict = _standing(case)
    refused = _edit_refused(case)
    return replace(verdict, edit_refused=refused) if refused else verdict


def _standing(case: Case) -> Verdict:
    before = case.seen.job.status
    if before.state is State.SUCCEEDED:
        return Verdict(before.state, before.reason, before.message)
    if case.lives and case.lives[-1].reason == Reason.PENDING_TOO_LONG and not case.retry_asked:
        doing = (*release(case), *delete_jobs(case))
        return Verdict(State.FAILED, Reason.PENDING_TOO_LONG, before.message, doing)
    stopping = _asked_to_stop(case)
    if case.live_pods or case.open_jobs:
        return _end_attempt(case, *stopping) if stopping else attempt_goes_on(case)
    ended = case.last_end
    if ended is not None and ended.then is Then.SUCCEEDED:
        again = case.report is not None and case.report.reason == Reason.ALREADY_DONE
        reason = Reason.ALREADY_DONE if again else ended.reason
        return Verdict(State.SUCCEEDED, reason, case.message_of(ended))
    if stopping:
        state = State.SUSPENDED if stopping[0] is Reason.SUSPENDED else State.STOPPED
        return Verdict(state, *stopping)
    if isinstance(case.request, Trouble):
        return Verdict(State.FAILED, case.request.reason, case.request.message, accepted=False)
    return next_attempt(case, case.request, ended)


def _asked_to_stop(case: Case) -> tuple[Reason, str] | None:
    """Return why the user wants no attempt to run: reason and message."""
    job = case.seen.job
    if ANNOTATION_CANCEL in job.annotations:
        return (
            Reason.CANCELLED,
            f"cancelled; remove the annotation {ANNOTATION_CANCEL}, or submit again, to go on",
        )
    if job.suspend:
        return Reason.SUSPENDED, "held by suspend; set it to false to go on"
    return None


def _edit_refused(case: Case) -> str:
    if not case.begun or not isinstance(case.request, Request):
        return ""
    if case.request.identity == case.seen.job.status.identity:
        return ""
    return (
        "only resources, budget, guards, accept and suspend can be changed once a run began; the rest is "
        "kept as it was: give a changed run another name, or delete this one first"
    )


def _end_attempt(case: Case, reason: Reason, message: str) -> Verdict:
    """Stop what runs: gracefully, or at once where that is asked for."""
    doing: list[Action] = [*delete_jobs(case), *release(case), LookAgain(case.seen.config.poll_seconds)]
    if case.seen.job.annotations.get(ANNOTATION_CANCEL) == "now":
        doing += [KillPod(pod.name) for pod in case.live_pods]
    return Verdict(State.STOPPING, reason, message, tuple(doing))
