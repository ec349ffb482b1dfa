"""Seconds and dollars of every pod from its scheduling to its end, over all attempts.

Times come from the API server and from the pods' nodes. The controller's own clock, which may be wrong or be
set, counts only for pods that still run and for pods that vanished before anybody saw them end.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from ftjob.cluster.policy.ends import BY_USER, ENDED_FOR, LOST, ending_of, is_ending
from ftjob.cluster.resource.names import SPOT
from ftjob.cluster.resource.objects import AttemptJob, Pod
from ftjob.cluster.resource.status import FineTuneStatus, PodRecord
from ftjob.errors.outcomes import Reason
from ftjob.formatting import dollars
from ftjob.money.limits import BudgetLimits
from ftjob.runfolder.progress import Progress
from ftjob.runfolder.status import State


@dataclass(frozen=True)
class _Observation:
    """What the cluster shows of one attempt."""

    pod: Pod | None
    job: AttemptJob | None
    report: Progress | None
    """From its own worker."""
    ended_for: str
    """The reason where the controller ended it, else empty."""
    ending: bool
    """Whether its pod failed at its deadline, and still ends."""
    now: float


def settle(
    before: FineTuneStatus,
    pods: Iterable[Pod],
    jobs: Iterable[AttemptJob],
    report: Progress | None,
    usd_per_hour: float,
    now: float,
) -> tuple[PodRecord, ...]:
    """Return the accounts brought up to date with the pods' and Jobs' own times, and with the prices that the
    controller recorded. `usd_per_hour` is the last attempt's.

    A pod that was never scheduled costs nothing and has no record. A pod that nobody saw end is counted until
    its Job ended, or else until now; a pod that nobody saw at all, from the last moment at which it was not
    there. Nothing that a worker reports changes what is counted, but for its end after its deadline: that
    does, by less than the grace period.
    """
    ours = {pod.name: pod for pod in pods}
    by_attempt = {job.attempt: job for job in jobs}
    records = {record.pod: record for record in before.attempts}
    prices = {record.attempt: record.usd_per_hour for record in records.values()} | {
        before.attempt: usd_per_hour
    }
    spot = {record.attempt: record.spot for record in records.values()} | {
        before.attempt: before.capacity == SPOT
    }
    for name, pod in ours.items():
        if pod.scheduled is not None and (name not in records or records[name].scheduled is None):
            known = records.get(name)
            records[name] = PodRecord(
                reason=known.reason if known else None,  # PendingTooLong, where it was given up just before
                attempt=pod.attempt,
                pod=name,
                scheduled=pod.scheduled,
                usd_per_hour=prices.get(pod.attempt, usd_per_hour),
                spot=spot.get(pod.attempt, False),
            )
    seen = {record.attempt for record in records.values() if record.scheduled is not None}
    seen |= {pod.attempt for pod in ours.values()}
    # A finished Job without a pod or a scheduled record may have run unseen: its pod came and went while no
    # controller ran. Only the Job is left to account for it.
    guesses = {record.attempt: record for record in records.values() if record.scheduled is None}
    for number, job in by_attempt.items():
        if number not in seen and job.finished:
            price, on_spot = prices.get(number, usd_per_hour), spot.get(number, False)
            since = max(job.created, before.updated or 0.0) if number == before.attempt else job.created
            record = _unseen(job, guesses.get(number), since, price, on_spot=on_spot)
            records[record.pod] = record
    ended_for = ENDED_FOR.get(before.reason, "") if before.state is State.STOPPING else ""
    settled = []
    for record in records.values():
        own = report if report is not None and report.attempt == record.attempt else None
        its_pod = ours.get(record.pod)
        ending = its_pod is not None and is_ending(its_pod, before, own, now)
        observation = _Observation(its_pod, by_attempt.get(record.attempt), own, ended_for, ending, now)
        newest = report.snapshot if report else before.snapshot
        settled.append(record if record.ended is not None else _settled(record, observation, newest))
    return tuple(sorted(settled, key=lambda record: (record.attempt, record.scheduled or 0.0, record.pod)))


def _unseen(
    job: AttemptJob, guess: PodRecord | None, since: float, usd_per_hour: float, *, on_spot: bool
) -> PodRecord:
    """Return the record of an attempt whose pods came and went while no controller ran. At `since`, the last
    status write, none of them had been scheduled yet.

    `guess` is the record written before anybody knew that one had been scheduled.
    """
    if not job.had_pods:
        never = PodRecord(
            attempt=job.attempt, pod=job.name, ended=job.created, reason=Reason.POD_GONE, spot=on_spot
        )
        return guess or never
    return PodRecord(
        attempt=job.attempt,
        pod=guess.pod if guess else job.name,
        scheduled=min(since, job.finished_at or since),
        usd_per_hour=usd_per_hour,
        spot=on_spot,
        reason=guess.reason if guess and guess.reason != Reason.POD_GONE else None,
    )


def _settled(record: PodRecord, observation: _Observation, snapshot: int | None) -> PodRecord:
    pod, report = observation.pod, observation.report
    changes: dict[str, object] = {"node": pod.node} if pod and pod.node else {}
    ended = _end(record, observation)
    if ended is not None:
        end = ending_of(pod, observation.job, report)
        reason = observation.ended_for if observation.ended_for and end.reason in LOST else end.reason
        changes |= {"ended": ended, "reason": record.reason or reason}
        code = pod.exit_code if pod and pod.exit_code is not None else report and report.exit_code
        changes |= {"exit_code": code, "iteration": snapshot}
    until = ended if ended is not None else observation.now
    seconds = max(0.0, until - (record.scheduled or until))
    changes |= {"seconds": round(seconds, 3), "usd": round(seconds / 3600 * record.usd_per_hour, 9)}
    return record.model_copy(update=changes)


def _end(record: PodRecord, observation: _Observation) -> float | None:
    """Return when a pod ended; None while it runs.

    Where the pod itself gives no time, what the status has charged already (`counted`) stays charged.
    """
    pod, job = observation.pod, observation.job
    counted = (record.scheduled or observation.now) + record.seconds
    if pod is not None:
        # Only the phase ends a record: until then the pod holds its node, even if its container has ended.
        if not pod.over or observation.ending:
            return None
        # An evicted pod may be over without any time of its end. An overdue one's is that of its deadline.
        if pod.ended and pod.overdue:
            return max(pod.ended, min(observation.now, pod.ended + pod.grace_seconds))
        return pod.ended or max(counted, observation.now)
    # The pod is gone: its Job's end is the last that the API server knows of it. Without that, the time until
    # now is charged, which rather overstates a cost than exceeds a budget.
    if job is not None and job.finished_at is not None:
        return max(counted, job.finished_at)
    return max(counted, observation.now)


def spent(records: Iterable[PodRecord], earlier_seconds: float, earlier_usd: float) -> tuple[float, float]:
    """Return the seconds and dollars of all pods, including what the folder had cost before this object."""
    records = tuple(records)
    return (
        earlier_seconds + sum(record.seconds for record in records),
        earlier_usd + sum(record.usd for record in records),
    )


def seconds_left(budget: BudgetLimits, seconds: float, usd: float, usd_per_hour: float) -> float:
    """Return how many seconds a pod at that price may still run: at least 0, infinite without a budget."""
    return max(0.0, budget.seconds(usd_per_hour, seconds, usd))


def no_money(budget: BudgetLimits, seconds: float, usd: float, least_seconds: float) -> str:
    """Return why a budget does not pay for another attempt of `least_seconds`: which limit is reached."""
    by_hours = budget.hours is not None and budget.hours * 3600 - seconds < least_seconds
    field, of = ("hours", f"{budget.hours:g} h") if by_hours else ("usd", dollars(budget.usd or 0.0))
    return (
        f"the budget does not pay for another attempt ({dollars(usd)} and {seconds / 3600:.2f} h are spent, "
        f"budget.{field} is {of}): raise budget.{field} to continue"
    )


def retries(records: Iterable[PodRecord], counted: Iterable[str]) -> tuple[int, int]:
    """Return how many attempts ended since the last new snapshot, and how many of them for a counted reason.

    The attempt that made the snapshot is among them, as it ended too; attempts that the user ended are not.
    """
    last = {record.attempt: record for record in records if record.ended is not None}
    tail: list[str | None] = []
    for number in sorted(last, reverse=True):
        tail.append(last[number].reason)
        before = [record.iteration or 0 for attempt, record in last.items() if attempt < number]
        if (last[number].iteration or 0) > max(before, default=0):
            break
    reasons = set(counted)
    return sum(reason not in BY_USER for reason in tail), sum(reason in reasons for reason in tail)
