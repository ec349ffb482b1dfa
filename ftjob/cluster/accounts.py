"""Seconds and dollars: every pod from its scheduling to its end, over all attempts."""

from collections.abc import Iterable, Mapping
from math import inf

from ftjob.cluster.ends import how_it_ended
from ftjob.cluster.objects import AttemptJob, Pod
from ftjob.cluster.status import Life
from ftjob.plan.cost import Budget
from ftjob.status import Status


def settle(
    lives: Iterable[Life],
    pods: Iterable[Pod],
    jobs: Mapping[int, AttemptJob],
    run: Status | None,
    now: float,
) -> tuple[Life, ...]:
    """Bring the accounts up to date with what is seen now, every pod at the price it was begun with.

    A pod that was never scheduled costs nothing and is not in them. One that is gone without having been seen
    to end is counted to its worker's last word, or, where that is not known, to now.
    """
    known = {life.pod: life for life in lives}
    seen = {pod.name: pod for pod in pods if pod.scheduled is not None}
    for name, pod in seen.items():
        known.setdefault(
            name,
            Life(
                attempt=pod.attempt,
                pod=name,
                scheduled=pod.scheduled,
                usd_per_hour=pod.usd_per_hour,
                spot=pod.spot,
            ),
        )
    for job in jobs.values():
        if job.finished and not any(life.attempt == job.attempt for life in known.values()):
            known[job.name] = Life(
                attempt=job.attempt, pod=job.name, ended=job.created, reason="PodGone", spot=job.spot
            )
    settled = (_settled(life, seen.get(life.pod), jobs, run, now) for life in known.values())
    return tuple(sorted(settled, key=lambda life: (life.attempt, life.scheduled or 0.0, life.pod)))


def _settled(
    life: Life, pod: Pod | None, jobs: Mapping[int, AttemptJob], run: Status | None, now: float
) -> Life:
    if life.ended is not None:
        return life
    own = run if run is not None and run.attempt == life.attempt else None
    changes: dict[str, object] = {"node": pod.node} if pod and pod.node else {}
    ended = _end(life, pod, own, now)
    if ended is not None:
        end = how_it_ended(pod, jobs.get(life.attempt), own)
        changes |= {"ended": ended, "reason": life.reason or end.reason}
        changes["exit_code"] = pod.exit_code if pod and pod.exit_code is not None else own and own.exit_code
        changes["iteration"] = run.snapshot if run else None
    seconds = max(0.0, (ended if ended is not None else now) - (life.scheduled or now))
    changes |= {"seconds": round(seconds, 3), "usd": round(seconds / 3600 * life.usd_per_hour, 9)}
    return life.model_copy(update=changes)


def _end(life: Life, pod: Pod | None, own: Status | None, now: float) -> float | None:
    """Return when a pod ended; None while it goes on."""
    if pod is not None:
        return (pod.ended or now) if pod.over else None
    heard = (own.ended or own.updated) if own else None
    return min(max(heard, life.scheduled or heard), now) if heard else now


def spent(lives: Iterable[Life], earlier_seconds: float, earlier_usd: float) -> tuple[float, float]:
    """Return the seconds and dollars of all pods together, and of what came before this object."""
    lives = tuple(lives)
    return (
        earlier_seconds + sum(life.seconds for life in lives),
        earlier_usd + sum(life.usd for life in lives),
    )


def seconds_left(budget: Budget, seconds: float, usd: float, usd_per_hour: float) -> float:
    """Return how long a pod at that price may still run; infinite without a budget, never negative."""
    by_hours = budget.hours * 3600 - seconds if budget.hours is not None else inf
    by_usd = (budget.usd - usd) / usd_per_hour * 3600 if budget.usd is not None and usd_per_hour else inf
    return max(0.0, min(by_hours, by_usd))


def retries(lives: Iterable[Life], counted: Iterable[str]) -> tuple[int, int]:
    """Return how many attempts ended since the last new snapshot, and how many of them for a counted reason.

    The attempt that brought the snapshot is among them: it ended too.
    """
    last = {life.attempt: life for life in lives if life.ended is not None}
    tail: list[Life] = []
    for number in sorted(last, reverse=True):
        tail.append(last[number])
        before = [life.iteration or 0 for attempt, life in last.items() if attempt < number]
        if (last[number].iteration or 0) > max(before, default=0):
            break
    reasons = set(counted)
    return len(tail), sum(life.reason in reasons for life in tail)
