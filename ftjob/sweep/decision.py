"""Decides about a sweep from its record and what is seen of its members: pure.

The record is written before anything is done: a member starts with the budget in its record, so that
whoever takes over starts it with the same, and no dollar is granted twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from ftjob.errors.outcomes import Reason
from ftjob.money.amount import Amount
from ftjob.runfolder.status import State
from ftjob.sweep.halving import climbed
from ftjob.sweep.record import MemberRecord
from ftjob.sweep.shared_stages import SharedStages
from jobspec.spec import Budget, JobSpec
from jobspec.sweeps.sweep import Halving

NOTHING = Amount()
NO_STAGES = SharedStages()


@dataclass(frozen=True)
class MemberSeen:
    """A member's run at one moment."""

    state: State
    spent: Amount = NOTHING
    tested: int | None = None
    """The iteration of its last test."""
    max_iter: int = 0
    accuracy: float | None = None
    """Its best so far."""
    stages: int = 0
    """How many of its stages are complete. Tests and accuracy are those of the last one."""
    reason: str = ""
    cancelled: bool = False
    """Whether it is asked to stop, or has stopped because it was."""


@dataclass(frozen=True)
class SweepLimits:
    """What a sweep may spend and do at the same time."""

    microdollars: int | None = None
    milliseconds: int | None = None
    parallel: int = 1
    halving: Halving | None = None

    @classmethod
    def of(cls, spec: JobSpec) -> Self:
        """Return the limits that a sweep's spec states."""
        assert spec.sweep
        usd, hours = spec.budget.usd, spec.budget.hours
        return cls(
            None if usd is None else round(usd * 1e6),
            None if hours is None else round(hours * 3.6e6),
            spec.sweep.parallel,
            spec.sweep.halving,
        )


@dataclass(frozen=True)
class SweepDecision:
    """The record to write, and then what to do about members by name."""

    records: tuple[MemberRecord, ...]
    start: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()
    """To be stopped after a snapshot: they fell behind, or the sweep is held."""
    resume: tuple[str, ...] = ()
    """Were stopped together with the sweep."""
    astray: tuple[str, ...] = ()
    """Run although they ended, and what they left was granted to others: to be stopped as well."""
    waiting: int = 0
    """Members that have not started."""
    running: int = 0
    finished: bool = False
    """Whether nothing runs, and nothing will start by itself."""

    @property
    def complete(self) -> bool:
        """Whether every member has ended by itself, so that nothing is left to stop or to resume."""
        return self.finished and not self.waiting and not any(record.is_open for record in self.records)


def decide_sweep(
    names: Sequence[str],
    records: Sequence[MemberRecord],
    seen: Mapping[str, MemberSeen],
    limits: SweepLimits,
    shared: SharedStages = NO_STAGES,
    *,
    hold: bool = False,
) -> SweepDecision:
    """Return what to do now. `names` are the sweep's members in the order in which they start; `hold` starts
    none.

    A member that starts is granted a share of what is left: the budget less what ended members spent and
    what is granted to the others, divided among those that have not started, equally or by the stages that
    each will train. One that can copy a stage waits for it, and others start meanwhile.
    """
    known = [_updated(record, seen.get(record.name), hold=hold) for record in records]
    if limits.halving:
        for index, record in enumerate(known):
            member = seen.get(record.name)
            if member is not None and member.tested is not None:
                others = (*known[:index], *known[index + 1 :])
                known[index] = climbed(record, others, limits.halving, member.tested, member.max_iter)
    cancelled = {name for name, member in seen.items() if member.cancelled}
    started = {record.name for record in known}
    waiting = [name for name in names if name not in started]
    spent_up = False
    while waiting and not hold and sum(record.is_open for record in known) < limits.parallel:
        ready = shared.ready(waiting, known)
        if ready is None:
            break
        share = _share(known, limits, ready, shared.weights(waiting, known))
        if share is None:
            spent_up = True
            break
        waiting.remove(ready)
        known.append(share)
    running = sum(record.runs for record in known)
    closed = {record.name for record in records if not record.is_open}
    done = not any(record.is_open for record in known) and (not waiting or spent_up)
    return SweepDecision(
        tuple(known),
        start=tuple(record.name for record in known if record.state is None and not hold),
        stop=tuple(
            record.name
            for record in known
            if record.runs and (record.stopped or record.held) and record.name not in cancelled
        )
        if hold or limits.halving
        else (),
        resume=tuple(record.name for record in known if record.held and not hold),
        astray=tuple(
            name
            for name, member in seen.items()
            if name in closed and not member.state.ended and not member.cancelled
        ),
        waiting=len(waiting),
        running=running,
        finished=not running if hold else done,
    )


def budget_of(record: MemberRecord) -> Budget:
    """Return the budget that a member's spec states."""
    dollars, time = record.granted_microdollars, record.granted_milliseconds
    return Budget(
        usd=None if dollars is None else dollars / 1e6, hours=None if time is None else time / 3.6e6
    )


def _updated(record: MemberRecord, member: MemberSeen | None, *, hold: bool) -> MemberRecord:
    """Return a record with what is seen of its member.

    One that has ended and runs again keeps its end: what it left may be granted to others by now. One that is
    gone before it ended counts as having spent all that it was granted: nobody knows better.
    """
    if member is not None:
        runs = not member.state.ended
        held = (record.held or (runs and not record.stopped)) if hold else (record.held and member.cancelled)
        updated = record.model_copy(
            update={
                "state": member.state,
                "reason": member.reason,
                "held": held,
                "stages": max(record.stages, member.stages),
                "spent_microdollars": max(record.spent_microdollars, member.spent.microdollars),
                "spent_milliseconds": max(record.spent_milliseconds, member.spent.milliseconds),
                "accuracy": member.accuracy if member.accuracy is not None else record.accuracy,
            }
        )
        end = {"state": record.state, "reason": record.reason, "held": False}
        return updated.model_copy(update=end) if runs and not record.is_open else updated
    if record.state is None or not record.is_open:
        return record
    return record.model_copy(
        update={
            "state": State.STOPPED,
            "reason": Reason.MEMBER_GONE,
            "held": False,
            "spent_microdollars": record.granted_microdollars or record.spent_microdollars,
            "spent_milliseconds": record.granted_milliseconds or record.spent_milliseconds,
        }
    )


def _share(
    records: Sequence[MemberRecord], limits: SweepLimits, name: str, weights: Mapping[str, int]
) -> MemberRecord | None:
    """Return the record of the next member, with what it is granted; None where nothing is left."""
    dollars, time, whole = limits.microdollars, limits.milliseconds, sum(weights.values())
    if dollars is not None:
        left = dollars - sum(_taken_dollars(record) for record in records)
        dollars = left * weights[name] // whole
    if time is not None:
        left = time - sum(_taken_time(record) for record in records)
        time = left * weights[name] // whole
    if (dollars is not None and dollars <= 0) or (time is not None and time <= 0):
        return None
    return MemberRecord(name=name, granted_microdollars=dollars, granted_milliseconds=time)


def _taken_dollars(record: MemberRecord) -> int:
    """Return what a member has taken of the budget: all it was granted while it may yet spend it."""
    granted = record.granted_microdollars or 0
    return max(granted, record.spent_microdollars) if record.is_open else record.spent_microdollars


def _taken_time(record: MemberRecord) -> int:
    granted = record.granted_milliseconds or 0
    return max(granted, record.spent_milliseconds) if record.is_open else record.spent_milliseconds
