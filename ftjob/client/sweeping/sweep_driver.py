"""The process that drives a sweep on this machine: it starts and stops members, which are ordinary runs.

It keeps nothing but the sweep's record, which it writes before it acts: killed at any point and started
again, it continues.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from ftjob.client.consent import given
from ftjob.client.local_run import CAN_RESUME, START_SECONDS, Run, submit
from ftjob.client.sweeping.sweep_run import member_run, read_record
from ftjob.errors import ExitCode, FtjobError, StorageError
from ftjob.errors.outcomes import Reason, exit_code_after
from ftjob.fs import files
from ftjob.money.amount import Amount
from ftjob.prepare.prepare import Context
from ftjob.prepare.sweep_plan import MemberPlanner, stage_seconds
from ftjob.runfolder.lease import claim, take
from ftjob.runfolder.lock import only_worker
from ftjob.runfolder.status import State, Status, render
from ftjob.runfolder.store import RunStore, working
from ftjob.runfolder.tail import Tail
from ftjob.sweep.decision import MemberSeen, SweepDecision, SweepLimits, budget_of, decide_sweep
from ftjob.sweep.record import MemberRecord, SweepRecord
from ftjob.sweep.shared_stages import SharedStages, complete_stages, is_in_last_stage
from ftjob.sweep.standing import SweepState
from ftjob.worker.admission import read_spec
from ftjob.worker.log import log
from ftjob.worker.watch.signals import StopRequest
from jobspec import JobSpec, members

POLL_SECONDS = 0.5


def drive(location: str, attempt: int) -> int:
    """Drive the sweep at a path or URI to its end, or until it is asked to stop; return the exit code."""
    stop = StopRequest().listen()
    try:
        with _claimed(location, attempt) as kept:
            return SweepDriver(kept, attempt, stop).run()
    except FtjobError as error:
        log(str(error))
        return error.exit_code


@contextmanager
def _claimed(location: str, attempt: int) -> Iterator[RunStore]:
    """Yield the sweep's folder, with this process as its only driver. Raises StorageError."""
    kept = working(location)
    with ExitStack() as held:
        held.enter_context(only_worker(kept.folder))
        if kept.is_copy:
            held.enter_context(take(kept.store, claim(kept.folder, attempt)))
        kept.bring(kept.folder.spec, kept.folder.status)
        yield kept


class SweepDriver:
    """Looks at the members, decides, writes the record and acts, again and again."""

    def __init__(self, kept: RunStore, attempt: int, stop: StopRequest) -> None:
        self._kept, self._stop = kept, stop
        log_path = kept.folder.log(attempt)
        self._log = Tail(kept.store, log_path, kept.folder.key(log_path)) if kept.is_copy else None
        self._spec: JobSpec = read_spec(kept.folder.spec)
        self._members = members(self._spec)
        self._specs = {member.name: member.spec for member in self._members}
        self._planner = MemberPlanner(Context())
        self._shared = SharedStages.of(self._members, self._stage_seconds())
        self._records: tuple[MemberRecord, ...] = read_record(kept).members
        self._runs: dict[str, Run] = {}
        self._began: dict[str, float] = {}
        self._refused: dict[str, FtjobError] = {}
        """Members that could not be started."""
        self._asked: set[str] = set()
        """Members that were asked to stop."""
        self._status = replace(
            kept.status(), state=State.RUNNING, reason=Reason.STARTED, attempt=attempt, message=""
        )

    def run(self) -> int:
        """Drive the sweep until nothing runs and nothing will start; return the exit code."""
        log(f"{self._spec.name}: a sweep of {len(self._specs)} members")
        self._find_members()
        while True:
            decided = self._step()
            if decided.finished:
                return self._end(decided)
            time.sleep(POLL_SECONDS)

    def _find_members(self) -> None:
        """Find the runs that an earlier driver started; resume those whose workers were killed with it."""
        for record in self._records:
            run = member_run(self._spec, record.name) if record.is_open and record.state is not None else None
            if run is None:
                continue
            self._runs[record.name] = run
            state = run.status().state
            never_began = state is State.PENDING and not run.is_held()
            if not record.held and (state is State.INTERRUPTED or never_began):
                self._start(record)

    def _step(self) -> SweepDecision:
        """Look, decide, write down, act."""
        decided = decide_sweep(
            list(self._specs),
            self._records,
            self._seen(),
            SweepLimits.of(self._spec),
            self._shared,
            hold=bool(self._stop),
        )
        if decided.records != self._records:
            self._records = decided.records
            self._write(self._kept.folder.sweep, SweepRecord(members=decided.records).render())
        by_name = {record.name: record for record in decided.records}
        for name in (*decided.start, *decided.resume):
            if name not in self._runs or self._runs[name].status().state in CAN_RESUME:
                self._start(by_name[name])
        for name in decided.stop:
            self._ask_to_stop(by_name[name])
        self._show(decided)
        return decided

    def _stage_seconds(self) -> dict[str, tuple[float, ...]]:
        """Return what each stage of each member will take; nothing where one of them cannot be planned, which
        is its own failure once it starts."""
        if not self._spec.stages:
            return {}
        try:
            return {name: stage_seconds(self._planner.plan(spec)) for name, spec in self._specs.items()}
        except FtjobError as error:
            log(f"the budget is divided as if all stages took the same: {error}")
            return {}

    def _seen(self) -> Mapping[str, MemberSeen]:
        """Return what is known of the members that may change."""
        found = {}
        for record in self._records:
            if record.name in self._refused:
                found[record.name] = MemberSeen(State.FAILED, reason=self._refused[record.name].reason)
            elif record.is_open and record.name in self._runs:
                found[record.name] = self._look(record)
        return found

    def _look(self, record: MemberRecord) -> MemberSeen:
        try:
            status = self._runs[record.name].status()
        except StorageError as error:
            log(f"{record.name}: its status cannot be read, so it is as before: {error}")
            return MemberSeen(record.state or State.PENDING, record.spent, reason=record.reason)
        if status.state is State.PENDING and self._never_began(record.name):
            status = replace(status, state=State.FAILED, reason=Reason.WORKER_GONE)
        stopped = record.held and status.state in CAN_RESUME
        comparable = is_in_last_stage(status)
        return MemberSeen(
            state=status.state,
            reason=status.reason,
            spent=Amount(round(status.seconds * 1e3), round(status.usd * 1e6)),
            tested=status.tested if comparable else None,
            max_iter=status.max_iter,
            accuracy=status.highest_accuracy if comparable else None,
            stages=complete_stages(status),
            cancelled=stopped or (record.name in self._asked and not status.state.ended),
        )

    def _never_began(self, name: str) -> bool:
        waited = time.monotonic() - self._began.get(name, 0.0)
        return waited > START_SECONDS and not self._runs[name].is_held()

    def _start(self, record: MemberRecord) -> None:
        """Start a member, or resume it, with the budget in its record."""
        spec = self._specs[record.name].model_copy(update={"budget": budget_of(record)})
        self._asked.discard(record.name)
        try:
            planned = self._planner.plan(spec)
            self._runs[record.name], started = submit(planned, given, shortfall="")
        except FtjobError as error:
            self._refused[record.name] = error
            log(f"{record.name}: cannot start: {error}")
            return
        self._began[record.name] = time.monotonic()
        log(f"{record.name}: {'started' if started else 'is there already'}")

    def _ask_to_stop(self, record: MemberRecord) -> None:
        why = "fell behind the others (sweep.halving)" if record.stopped else "the sweep is cancelled"
        try:
            if self._runs[record.name].cancel():
                self._asked.add(record.name)
                log(f"{record.name}: is asked to stop: {why}")
        except FtjobError as error:
            log(f"{record.name}: cannot be stopped yet: {error}")

    def _show(self, decided: SweepDecision) -> None:
        """Write the sweep's status where it changed."""
        shown = self._summed(self._status)
        if shown != self._status:
            self._status = replace(shown, updated=time.time())
            self._send_log()
            self._write(self._kept.folder.status, render(self._status))

    def _summed(self, status: Status) -> Status:
        state = SweepState(self._members, self._records)
        accuracy = state.best.accuracy if state.best else None
        return replace(
            status,
            message=state.sentence(),
            accuracy=accuracy,
            best_accuracy=accuracy,
            seconds=state.spent.seconds,
            usd=state.spent.usd,
        )

    def _end(self, decided: SweepDecision) -> int:
        """Write how the sweep ended, and return the exit code."""
        if self._stop and not decided.complete:
            state, reason, code = State.STOPPED, str(self._stop.reason), ExitCode.PREEMPTED
        else:
            state, reason = SweepState(self._members, self._records).end()
            code = exit_code_after(reason)
        now = time.time()
        ended = replace(
            self._summed(self._status), state=state, reason=reason, exit_code=code, updated=now, ended=now
        )
        log(f"{self._spec.name}: {state}: {ended.message}")
        self._send_log()
        self._write(self._kept.folder.status, render(ended))
        return code

    def _send_log(self) -> None:
        """Bring the driver's log to where the sweep lives."""
        if self._log:
            self._log.send()

    def _write(self, path: Path, text: str) -> None:
        """Write a file of the sweep where it lives, and then where this machine reads it meanwhile, never
        removing it there: a reader would take the driver for dead."""
        self._kept.store.write(self._kept.folder.key(path), text.encode())
        if self._kept.is_copy:
            files.write_text(path, text)
