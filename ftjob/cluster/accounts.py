"""Seconds and dollars: every pod from its scheduling to its end, over all attempts.

Times are those of the API server and of the pods' nodes. The controller's own clock is asked only for what
still runs, and for what is gone without anybody having seen it end: it may be wrong, or be set.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ftjob.cluster.ends import ASKED, GONE, LOST, how_it_ended
from ftjob.cluster.names import SPOT, State
from ftjob.cluster.objects import AttemptJob, Pod
from ftjob.cluster.status import FineTuneStatus, Life
from ftjob.figures import dollars
from ftjob.plan.cost import Budget
from ftjob.status import Status

UNSEEN_SECONDS = 30.0
"""How long after its worker's last word a pod may have gone on that nobody saw end."""


@dataclass(frozen=True)
class _Sight:
    """What is seen of one attempt."""

    pod: Pod | None
    job: AttemptJob | None
    own: Status | None
    """The run's status, where it tells of this attempt."""
    asked: str
    """Why the user wanted it to end, if so."""
    now: float


def settle(
    before: FineTuneStatus, pods: Iterable[Pod], jobs: Iterable[AttemptJob], run: Status | None, now: float
) -> tuple[Life, ...]:
    """Bring the accounts up to date with what is seen now, every pod at the price it was begun with.

    A pod that was never scheduled costs nothing and is not in them, nor are those of an earlier object of
    which the run's own totals tell. One that nobody saw end is counted to its worker's last word and half a
    minute more, but not beyond now; where it said nothing, to now.
    """
    told = before.earlier_attempts if before.identity else run.attempt if run else 0
    ours = {pod.name: pod for pod in pods if pod.attempt > told}
    by_attempt = {job.attempt: job for job in jobs}
    lives = {life.pod: life for life in before.attempts if life.attempt > told}
    for name, pod in ours.items():
        if pod.scheduled is not None and (name not in lives or lives[name].scheduled is None):
            lives[name] = _begun(pod, lives.get(name))
    guesses = {life.attempt: life for life in lives.values() if life.scheduled is None}
    known = {life.attempt for life in lives.values()} - guesses.keys() | {
        pod.attempt for pod in ours.values()
    }
    lives |= {life.pod: life for life in _unheard(before, by_attempt, known, guesses, run)}
    asked = before.reason if before.state is State.STOPPING and before.reason in ASKED else ""
    settled = []
    for life in lives.values():
        own = run if run is not None and run.attempt == life.attempt else None
        sight = _Sight(ours.get(life.pod), by_attempt.get(life.attempt), own, asked, now)
        settled.append(life if life.ended is not None else _settled(life, sight, run))
    return tuple(sorted(settled, key=lambda life: (life.attempt, life.scheduled or 0.0, life.pod)))


def _begun(pod: Pod, before: Life | None) -> Life:
    """Return the entry of a pod that has its node; it may have been given up a moment before that."""
    return Life(
        reason=before.reason if before else None,
        attempt=pod.attempt,
        pod=pod.name,
        scheduled=pod.scheduled,
        usd_per_hour=pod.usd_per_hour,
        spot=pod.spot,
    )


def _unheard(
    before: FineTuneStatus,
    jobs: Mapping[int, AttemptJob],
    known: set[int],
    guesses: Mapping[int, Life],
    run: Status | None,
) -> Iterator[Life]:
    """Yield the attempts whose pods came and went unseen: their workers, or else their Jobs, tell of them.

    A guess is what was written of an attempt before anybody knew that its pod had been scheduled.
    """
    told = {each.attempt: each for each in run.attempts} if run else {}
    over = {number for number, job in jobs.items() if job.finished}
    gone = {before.attempt} - jobs.keys()
    for number in sorted((over | gone | guesses.keys()) - known):
        job, word, guess = jobs.get(number), told.get(number), guesses.get(number)
        if word:
            yield Life(
                attempt=number,
                pod=guess.pod if guess else job.name if job else f"attempt-{number}",
                scheduled=max(word.begun, job.created if job else 0.0),
                usd_per_hour=word.usd_per_hour,
                spot=job.spot if job else before.capacity == SPOT,
                reason=guess.reason if guess and guess.reason != GONE.reason else None,
            )
        elif job and not guess:
            yield Life(attempt=number, pod=job.name, ended=job.created, reason=GONE.reason, spot=job.spot)


def _settled(life: Life, sight: _Sight, run: Status | None) -> Life:
    pod, own = sight.pod, sight.own
    changes: dict[str, object] = {"node": pod.node} if pod and pod.node else {}
    ended = _end(life, sight)
    if ended is not None:
        end = how_it_ended(pod, sight.job, own)
        reason = sight.asked if sight.asked and end in LOST else end.reason
        changes |= {"ended": ended, "reason": life.reason or reason}
        changes["exit_code"] = pod.exit_code if pod and pod.exit_code is not None else own and own.exit_code
        changes["iteration"] = run.snapshot if run else None
    until = ended if ended is not None else max(sight.now, (own and own.updated) or 0.0)
    seconds = max(0.0, until - (life.scheduled or until))
    changes |= {"seconds": round(seconds, 3), "usd": round(seconds / 3600 * life.usd_per_hour, 9)}
    return life.model_copy(update=changes)


def _end(life: Life, sight: _Sight) -> float | None:
    """Return when a pod ended; None while it goes on."""
    pod, own = sight.pod, sight.own
    begin = life.scheduled or sight.now
    counted = begin + life.seconds
    if pod is not None:
        return (pod.ended or max(counted, sight.now)) if pod.over else None
    if own is not None and own.ended is not None:
        return max(begin, own.ended)
    if own is None or own.updated is None:
        return max(counted, sight.now)
    last = max(counted, own.updated)
    return max(last, min(sight.now, last + UNSEEN_SECONDS))


def spent(lives: Iterable[Life], earlier_seconds: float, earlier_usd: float) -> tuple[float, float]:
    """Return the seconds and dollars of all pods together, and of what came before this object."""
    lives = tuple(lives)
    return (
        earlier_seconds + sum(life.seconds for life in lives),
        earlier_usd + sum(life.usd for life in lives),
    )


def seconds_left(budget: Budget, seconds: float, usd: float, usd_per_hour: float) -> float:
    """Return how long a pod at that price may still run; infinite without a budget, never negative."""
    return max(0.0, budget.seconds(usd_per_hour, seconds, usd))


def no_money(budget: Budget, seconds: float, usd: float, least_seconds: float) -> str:
    """Say that a budget does not pay for an attempt of so many seconds, and which limit is reached."""
    by_hours = budget.hours is not None and budget.hours * 3600 - seconds < least_seconds
    field, of = ("hours", f"{budget.hours:g} h") if by_hours else ("usd", dollars(budget.usd or 0.0))
    return (
        f"the budget does not pay for another attempt ({dollars(usd)} and {seconds / 3600:.2f} h are spent, "
        f"budget.{field} is {of}): raise budget.{field} to go on"
    )


def retries(lives: Iterable[Life], counted: Iterable[str]) -> tuple[int, int]:
    """Return how many attempts ended since the last new snapshot, and how many of them for a counted reason.

    The attempt that brought the snapshot is among them: it ended too. Those that the user ended are not.
    """
    last = {life.attempt: life for life in lives if life.ended is not None}
    tail: list[str | None] = []
    for number in sorted(last, reverse=True):
        tail.append(last[number].reason)
        before = [life.iteration or 0 for attempt, life in last.items() if attempt < number]
        if (last[number].iteration or 0) > max(before, default=0):
            break
    reasons = set(counted)
    return sum(reason not in ASKED for reason in tail), sum(reason in reasons for reason in tail)
