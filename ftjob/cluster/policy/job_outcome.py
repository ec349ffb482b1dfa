"""Turns an outcome into the status to write, its conditions, and an Event where the state changed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from ftjob.cluster.policy.actions import Action, RecordEvent, WriteStatus
from ftjob.cluster.policy.job_context import JobContext
from ftjob.cluster.policy.terms import Terms
from ftjob.cluster.resource.config import Config
from ftjob.cluster.resource.names import ANNOTATION_RETRY, Condition
from ftjob.cluster.resource.objects import FineTune
from ftjob.cluster.resource.status import (
    ConditionStatus,
    Figures,
    FineTuneStatus,
    GpuStatus,
    PodRecord,
    condition_now,
)
from ftjob.errors.outcomes import Reason
from ftjob.runfolder.progress import Progress
from ftjob.runfolder.status import State
from jobspec.text import plain

FLEETING = (
    "seconds",
    "usd",
    "cost",
    "attempts",
    "iteration",
    "snapshot",
    "tested",
    "loss",
    "images_per_second",
    "gpus",
    "eta_seconds",
)
"""Fields that change all the time: changes in these alone wait for `progress_pause`."""
STEADY = tuple(name for name in FineTuneStatus.model_fields if name not in (*FLEETING, "updated"))
"""The other fields, each of which is worth a write of its own."""
WARNINGS = (State.FAILED, State.RETRYING)
QUIET_SECONDS = 8.0
"""How long the usual steps of a beginning attempt wait for a common write."""


@dataclass(frozen=True)
class JobOutcome:
    """Where the run stands, and what to do about it."""

    state: State
    reason: str
    message: str
    actions: tuple[Action, ...] = ()
    running: bool = False
    accepted: bool = True
    quiet: bool = False
    """Whether every attempt passes through this state, so that it is not worth an Event."""
    edit_refused: str = ""
    figures: Figures | None = None
    folder: str | None = None
    identity: str | None = None
    """The run's identity, settled by its first attempt."""
    record: PodRecord | None = None
    """A record that this outcome adds to the accounts or replaces."""
    terms: Terms | None = None
    """The terms of an attempt that begins."""


def status_actions(
    context: JobContext,
    outcome: JobOutcome,
    records: tuple[PodRecord, ...],
    of_sweep: Mapping[str, Any] | None = None,
) -> list[Action]:
    """Return a status write where a change is worth it, and an Event where state or reason changed.

    `of_sweep` are the fields of a sweep, which has its members' figures in the place of a run's; its status
    is always written.
    """
    before, now = context.seen.job.status, context.now
    after = _status(context, outcome, records).model_copy(update=of_sweep or {})
    if of_sweep is None and (
        not _worth_writing(before, after, context.seen.config, now) or _passes_soon(before, outcome, now)
    ):
        return []
    doing: list[Action] = [WriteStatus(after)]
    changed = (before.state, before.reason) != (after.state, after.reason)
    if changed and not outcome.quiet:
        doing.append(RecordEvent(after.reason, after.message or after.state, after.state in WARNINGS))
    refused = after.condition(Condition.EDITED)
    if refused and refused.status == "True" and not _is_true(before, Condition.EDITED):
        doing.append(RecordEvent(refused.reason, refused.message, warning=True))
    return doing


def _passes_soon(before: FineTuneStatus, outcome: JobOutcome, now: float) -> bool:
    """Whether this is a usual step of a beginning attempt, soon after the last: several share a write."""
    beginning = outcome.quiet and before.state is State.PENDING and before.attempt > 0
    return beginning and not due(before, QUIET_SECONDS, now)


def _worth_writing(before: FineTuneStatus, after: FineTuneStatus, config: Config, now: float) -> bool:
    if before.observed_generation is None:
        return True
    if _differ(before, after, STEADY) or len(before.attempts) != len(after.attempts):
        return True
    if [record.ended for record in before.attempts] != [record.ended for record in after.attempts]:
        return True
    if after.state.ended:  # no reconcile follows that would write what is left out of this one
        return _differ(before, after, FLEETING)
    return due(before, progress_pause(after.attempts, config), now) and _differ(before, after, FLEETING)


def _differ(before: FineTuneStatus, after: FineTuneStatus, fields: Iterable[str]) -> bool:
    return any(getattr(before, name) != getattr(after, name) for name in fields)


def progress_pause(records: Iterable[PodRecord], config: Config) -> float:
    """Return how many seconds a status may be behind in its numbers.

    This is a share of the attempt's age, so that the number of writes grows with the logarithm of its length.
    """
    age = max((record.seconds for record in records if record.ended is None), default=0.0)
    return max(config.progress_seconds, config.progress_share * age)


def due(before: FineTuneStatus, seconds: float, now: float) -> bool:
    """Return whether a status is at least so many seconds old, or from the future: a clock was set back."""
    return not 0 <= now - (before.updated or 0.0) < seconds


def _status(context: JobContext, outcome: JobOutcome, records: tuple[PodRecord, ...]) -> FineTuneStatus:
    job, spent, now = context.seen.job, context.spent, context.now
    before = job.status
    changes: dict[str, Any] = {
        "observed_generation": job.generation,
        "observed_retry": observed_retry(job),
        "state": outcome.state,
        "reason": outcome.reason,
        "message": plain(outcome.message),
        "attempts": records,
        "seconds": round(spent[0], 3),
        "usd": round(spent[1], 6),
        "cost": f"${spent[1]:.2f}",
        "updated": float(int(now)),
        "earlier_seconds": context.earlier[0],
        "earlier_usd": context.earlier[1],
        "min_attempt_seconds": context.seen.config.min_attempt_seconds,
        **_of_report(before, context.report, running=outcome.running),
    }
    if outcome.figures:
        changes |= {"plan": outcome.figures, "run_id": outcome.figures.run_id, "folder": outcome.folder}
        changes["max_iter"] = outcome.figures.max_iter or before.max_iter
    if outcome.identity:
        changes["identity"] = outcome.identity
    if outcome.terms:
        changes |= _of_terms(outcome.terms)
    started = min((record.scheduled for record in records if record.scheduled is not None), default=None)
    changes["start_time"] = before.start_time or started
    ended = before.completion_time if before.state.ended else float(int(now))
    changes["completion_time"] = ended if outcome.state.ended else None
    changes["conditions"] = tuple(_conditions(context, outcome))
    return before.model_copy(update=changes)


def observed_retry(job: FineTune) -> int | None:
    """Return the attempt after which another is requested; the last such one while its annotation stays."""
    if ANNOTATION_RETRY not in job.annotations:
        return None
    return job.status.observed_retry if job.retried_attempt is None else job.retried_attempt


def _of_terms(terms: Terms) -> dict[str, Any]:
    granted = terms.seconds_spent + terms.seconds_left
    return {
        "attempt": terms.attempt,
        "capacity": terms.capacity,
        "usd_per_hour": terms.usd_per_hour,
        "granted_seconds": granted if isfinite(granted) else None,
        "deadline_seconds": terms.seconds_left if isfinite(terms.seconds_left) else None,
        "granted_usd": round(terms.granted_usd, 6) if isfinite(terms.granted_usd) else None,
    }


def _of_report(before: FineTuneStatus, report: Progress | None, *, running: bool) -> dict[str, Any]:
    """Return the fields that a worker reports; without a report all but the speed stay as they were."""
    if report is None:
        return {} if running else {"images_per_second": None, "gpus": (), "eta_seconds": None}
    snapshots = [each for each in (before.snapshot, report.snapshot) if each is not None]
    return {
        "stage": report.stage or None,
        "iteration": report.iteration,
        "max_iter": report.max_iter or before.max_iter,
        "snapshot": max(snapshots, default=None),
        "tested": report.tested if report.tested is not None else before.tested,
        "loss": report.loss,
        "accuracy": report.accuracy if report.accuracy is not None else before.accuracy,
        "images_per_second": report.images_per_second if running else None,
        "gpus": tuple(GpuStatus(**each.model_dump()) for each in report.gpus) if running else (),
        "eta_seconds": report.eta_seconds if running else None,
    }


def _conditions(context: JobContext, outcome: JobOutcome) -> Iterable[ConditionStatus]:
    """Yield every condition that applies, in the order of names.Condition."""
    job, now = context.seen.job, float(int(context.now))
    for kind, holds, reason, message in _holding(job.status, outcome, context.seen.report_refused):
        yield condition_now(
            job.status.condition(kind),
            kind,
            holds=holds,
            reason=reason,
            message=plain(message),
            generation=job.generation,
            now=now,
        )


def _holding(
    before: FineTuneStatus, outcome: JobOutcome, unread: str
) -> Iterable[tuple[Condition, bool, str, str]]:
    """Yield every condition that applies, whether it holds, its reason and its message."""
    state, reason, message = outcome.state, outcome.reason, outcome.message
    accepted = Reason.VALID if outcome.accepted else reason
    yield Condition.ACCEPTED, outcome.accepted, accepted, "" if outcome.accepted else message
    yield Condition.RUNNING, outcome.running, reason, Reason.RUNNING.message if outcome.running else message
    if state is State.SUSPENDED or before.condition(Condition.SUSPENDED):
        held = state is State.SUSPENDED
        why = Reason.SUSPENDED if held else Reason.RELEASED
        yield Condition.SUSPENDED, held, why, message if held else ""
    if outcome.edit_refused or before.condition(Condition.EDITED):
        refused = bool(outcome.edit_refused)
        why = Reason.IMMUTABLE_FIELD if refused else Reason.RESTORED
        yield Condition.EDITED, refused, why, outcome.edit_refused
    if unread or before.condition(Condition.REPORT_REFUSED):
        why = Reason.BAD_REPORT if unread else Reason.GOOD_REPORT
        yield Condition.REPORT_REFUSED, bool(unread), why, unread
    if state.ended or before.condition(Condition.ENDED):
        yield Condition.COMPLETE, state is State.SUCCEEDED, reason, message
        yield Condition.FAILED, state is State.FAILED, reason, message
        yield Condition.ENDED, state.ended, reason, message


def _is_true(status: FineTuneStatus, kind: Condition) -> bool:
    found = status.condition(kind)
    return found is not None and found.status == "True"
