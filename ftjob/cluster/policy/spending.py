"""Joins a cluster run's accounts, made from its pods, with what its workers recorded in the run's folder."""

from collections.abc import Mapping
from dataclasses import replace

from ftjob.cluster.resource.status import FineTuneStatus, PodRecord
from ftjob.errors import BadSpecError
from ftjob.runfolder.charges import EARLIER
from ftjob.runfolder.status import Attempt, Status


def of_pods(job_status: FineTuneStatus, status: Status | None, attempts_before: int = 0) -> list[Attempt]:
    """Return a cluster run's attempts: time and money by its pods' accounts, stages by its workers.

    `status` is the one in the run's folder, None where there is none. In a folder that had `attempts_before`
    this FineTuneJob, the workers' numbers continue from there.

    Raises BadSpecError for an account below zero.
    """
    _refuse_negative(job_status)
    reported = {attempt.attempt - attempts_before: attempt for attempt in (status.attempts if status else ())}
    last = {record.attempt: record.pod for record in job_status.attempts}
    found = [
        _of_pod(record, reported if last[record.attempt] == record.pod else {})
        for record in job_status.attempts
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
    """Raise BadSpecError for negative time or money: somebody other than the controller wrote the status."""
    accounts = [("status.earlierSeconds and earlierUsd", job_status.earlier_seconds, job_status.earlier_usd)]
    accounts += [
        (f"status.attempts: pod {record.pod}", record.seconds, record.usd) for record in job_status.attempts
    ]
    for place, seconds, usd in accounts:
        if seconds < 0 or usd < 0:
            raise BadSpecError(
                f"{place}: {seconds:g} seconds and {usd:g} dollars cannot have been spent: correct the "
                "FineTuneJob's status"
            )


def _of_pod(record: PodRecord, reported: Mapping[int, Attempt]) -> Attempt:
    begun = record.scheduled or record.ended or 0.0
    known = reported.get(record.attempt) or Attempt(
        record.attempt, record.node or "", record.usd_per_hour, begun
    )
    return replace(
        known,
        attempt=record.attempt,
        node=known.node or record.node or "",
        usd_per_hour=record.usd_per_hour,
        spot=record.spot,
        begun=begun,
        seconds=record.seconds,
        usd=record.usd,
        reason=record.reason or "",
    )
