"""A cluster run's attempts: as its pods are accounted for, and as its workers tell what they did."""

from collections.abc import Mapping
from dataclasses import replace

from ftjob.cluster.resource.status import FineTuneStatus, Life
from ftjob.errors import BadSpecError
from ftjob.runfolder.charges import EARLIER
from ftjob.runfolder.status import Attempt, Status


def of_pods(job_status: FineTuneStatus, status: Status | None, attempts_before: int = 0) -> list[Attempt]:
    """Return a cluster run's attempts: its pods' accounts are the truth for time and money, and its workers
    tell what they did in it. `status` is the one in the run's folder, None where there is none; a folder that
    had `attempts_before` this FineTuneJob counts on from there.

    Raises BadSpecError for an account below zero.
    """
    _refuse_negative(job_status)
    reported = {attempt.attempt - attempts_before: attempt for attempt in (status.attempts if status else ())}
    last = {life.attempt: life.pod for life in job_status.attempts}
    found = [
        _of_pod(life, reported if last[life.attempt] == life.pod else {}) for life in job_status.attempts
    ]
    if not job_status.earlier_seconds:
        return found
    before = [each for number, each in reported.items() if number < 1]
    stages: dict[str, float] = {}
    for each in before:
        for stage, seconds in each.stages.items():
            stages[stage] = stages.get(stage, 0.0) + seconds
    earlier = Attempt(
        attempt=EARLIER,
        node=before[0].node if before else "",
        usd_per_hour=0.0,
        begun=before[0].begun if before else job_status.start_time or 0.0,
        seconds=job_status.earlier_seconds,
        usd=job_status.earlier_usd,
        stages=stages,
        lost_seconds=sum(each.lost_seconds for each in before),
    )
    return [earlier, *found]


def _refuse_negative(job_status: FineTuneStatus) -> None:
    """Raise BadSpecError for time or money that cannot have been spent: somebody else wrote the status."""
    accounts = [("status.earlierSeconds and earlierUsd", job_status.earlier_seconds, job_status.earlier_usd)]
    accounts += [(f"status.attempts: pod {life.pod}", life.seconds, life.usd) for life in job_status.attempts]
    for place, seconds, usd in accounts:
        if seconds < 0 or usd < 0:
            raise BadSpecError(
                f"{place}: {seconds:g} seconds and {usd:g} dollars cannot have been spent: correct the "
                "FineTuneJob's status"
            )


def _of_pod(life: Life, reported: Mapping[int, Attempt]) -> Attempt:
    begun = life.scheduled or life.ended or 0.0
    known = reported.get(life.attempt) or Attempt(life.attempt, life.node or "", life.usd_per_hour, begun)
    return replace(
        known,
        attempt=life.attempt,
        node=known.node or life.node or "",
        usd_per_hour=life.usd_per_hour,
        spot=life.spot,
        begun=begun,
        seconds=life.seconds,
        usd=life.usd,
        reason=life.reason or "",
    )
