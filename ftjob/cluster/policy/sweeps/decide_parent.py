"""Decides what to do about a sweep's FineTuneJob: pure, with the time as an argument.

The policy itself is ftjob.sweep, which a sweep on one machine follows as well. Here it is applied to objects:
the record is in the sweep's status, which is written before anything else is done.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ftjob.cluster.policy.actions import Action, RecordEvent, RequeueAfter
from ftjob.cluster.policy.job_context import JobContext, JobProblem, Observed
from ftjob.cluster.policy.job_outcome import JobOutcome, due, observed_retry, status_actions
from ftjob.cluster.resource.config import Config
from ftjob.cluster.resource.member import SweepMember, member_object
from ftjob.cluster.resource.names import ANNOTATION_CANCEL, CANCEL_BEHIND
from ftjob.cluster.resource.objects import FineTune
from ftjob.cluster.resource.request import Request, members_of, read_request
from ftjob.cluster.resource.status import FineTuneStatus
from ftjob.errors import BadSpecError
from ftjob.errors.outcomes import Reason
from ftjob.money.amount import Amount
from ftjob.nodes.profiles import Node
from ftjob.runfolder.status import State
from ftjob.sweep.decision import MemberSeen, SweepDecision, SweepLimits, budget_of, decide_sweep
from ftjob.sweep.record import MemberRecord, SweepRecord
from ftjob.sweep.shared_stages import SharedStages
from ftjob.sweep.standing import SweepState
from jobspec import Member
from jobspec.spec import MOST_STAGES
from jobspec.sweeps.members import sweep_id


@dataclass(frozen=True)
class CreateMember:
    """Create a member's FineTuneJob, unless it exists."""

    name: str
    manifest: Mapping[str, Any]


@dataclass(frozen=True)
class ChangeMember:
    """Merge a patch into a member's FineTuneJob."""

    name: str
    patch: Mapping[str, Any]


SweepAction = Action | CreateMember | ChangeMember


@dataclass(frozen=True)
class ObservedSweep:
    """What is known of one sweep at one moment."""

    job: FineTune
    members: Mapping[str, SweepMember] = field(default_factory=dict)
    """Its own, by name."""
    strangers: tuple[str, ...] = ()
    """FineTuneJobs with its members' names that are not its own."""
    nodes: Mapping[str, Node] = field(default_factory=dict)
    config: Config = field(default_factory=Config)


def decide_parent(seen: ObservedSweep, now: float) -> list[SweepAction]:
    """Return what to do now, in order; the status first, events last.

    Nothing is done to a member without a status write before it: where another controller has written in the
    meantime, or the sweep was changed, the API server refuses that write, and nothing follows.
    """
    if seen.job.deleted:
        return []
    try:
        request = read_request(seen.job, seen.nodes)
    except BadSpecError as error:
        return _refused(seen, JobProblem(error.reason, str(error)), now)
    members = members_of(seen.job)
    named = {member.name: member for member in members}
    context = JobContext(Observed(job=seen.job, config=seen.config), request, (), now)
    edited = _edit_refused(seen.job, request)
    cancel = seen.job.annotations.get(ANNOTATION_CANCEL)
    status = seen.job.status
    before = status.sweep.members if status.sweep else ()
    limits = SweepLimits.of(request.spec)
    if seen.job.suspend or edited:
        limits = replace(limits, parallel=0)
    shared = SharedStages.of(members)
    decided = decide_sweep(list(named), before, _seen(seen), limits, shared, hold=cancel is not None)
    summary = SweepState(members, decided.records)
    outcome = replace(_outcome(seen, request, summary, decided, cancel), edit_refused=edited)
    doing = _doing(seen, {} if edited else named, decided, cancel)
    written = status_actions(context, outcome, (), _figures(status, summary, request))
    if (
        not doing
        and _is_same(seen.job, outcome)
        and not _is_worth_writing(before, summary.records, seen, now)
    ):
        written = []
    events = [action for action in written if isinstance(action, RecordEvent)]
    writes = [action for action in written if not isinstance(action, RecordEvent)]
    return [*writes, *doing, *outcome.actions, *events]


def _refused(seen: ObservedSweep, problem: JobProblem, now: float) -> list[SweepAction]:
    """Return the status of a sweep whose spec cannot be run; its members continue with theirs."""
    context = JobContext(Observed(job=seen.job, config=seen.config), problem, (), now)
    outcome = JobOutcome(State.FAILED, problem.reason, problem.message, accepted=False)
    before, kept = seen.job.status, ("seconds", "usd", "cost")
    if _is_same(seen.job, outcome) and before.message == problem.message:
        return []
    return [*status_actions(context, outcome, (), {name: getattr(before, name) for name in kept})]


def _edit_refused(job: FineTune, request: Request) -> str:
    identity = job.status.identity
    if identity is None or identity == request.identity:
        return ""
    return (
        "only sweep, resources, budget, guards, accept and suspend can be changed once a sweep has begun; no "
        "member starts until the rest is as it was: give a changed sweep another name"
    )


def _seen(seen: ObservedSweep) -> dict[str, MemberSeen]:
    return {
        name: MemberSeen(
            state=member.state,
            reason=member.reason,
            spent=Amount(round(member.seconds * 1e3), round(member.usd * 1e6)),
            tested=member.tested,
            max_iter=member.max_iter,
            accuracy=member.accuracy,
            stages=MOST_STAGES if member.state is State.SUCCEEDED else member.stages,
            cancelled=member.cancel is not None
            or (member.state is State.STOPPED and member.reason == Reason.CANCELLED),
        )
        for name, member in seen.members.items()
    }


def _outcome(
    seen: ObservedSweep, request: Request, summary: SweepState, decided: SweepDecision, cancel: str | None
) -> JobOutcome:
    """Return where the sweep stands."""
    message, identity = summary.sentence(), seen.job.status.identity or request.identity
    again = (RequeueAfter(max(seen.config.poll_seconds, seen.config.progress_seconds)),)
    if taken := [name for name in decided.start if name in seen.strangers]:
        message = f"a FineTuneJob {taken[0]} exists that does not belong to this sweep: delete it; {message}"
        return JobOutcome(State.PENDING, Reason.NAME_TAKEN, message, again, identity=identity)
    if decided.complete or (decided.finished and cancel is None):
        state, reason = summary.end()
        return JobOutcome(state, reason, message, identity=identity)
    if cancel is not None:
        state = State.STOPPED if decided.finished else State.STOPPING
        return JobOutcome(state, Reason.CANCELLED, f"cancelled; {message}", again, identity=identity)
    if seen.job.suspend:
        return JobOutcome(State.SUSPENDED, Reason.SUSPENDED, f"held by suspend; {message}", again)
    if not decided.running:
        return JobOutcome(State.PENDING, Reason.CREATING, message, again, quiet=True, identity=identity)
    return JobOutcome(State.RUNNING, Reason.RUNNING, message, again, running=True, identity=identity)


def _figures(before: FineTuneStatus, summary: SweepState, request: Request) -> dict[str, Any]:
    """Return the fields of the status that a sweep has otherwise than a run."""
    spent, best = summary.spent, summary.best
    return {
        "sweep": SweepRecord(members=summary.records),
        "run_id": before.run_id or sweep_id(request.spec),
        "accuracy": best.accuracy if best else None,
        "seconds": round(spent.seconds, 3),
        "usd": round(spent.usd, 6),
        "cost": f"${spent.usd:.2f}",
    }


def _is_worth_writing(
    before: tuple[MemberRecord, ...], after: tuple[MemberRecord, ...], seen: ObservedSweep, now: float
) -> bool:
    """Whether a successor would decide otherwise without the new record, or the figures are old."""
    changed = [_essence(record) for record in before] != [_essence(record) for record in after]
    return changed or (before != after and due(seen.job.status, seen.config.progress_seconds, now))


def _essence(record: MemberRecord) -> tuple[object, ...]:
    """Return what of a record may not be lost; the rest is found again by looking at the member."""
    ended = record.state is not None and record.state.ended
    return record.name, ended, record.rungs, record.stopped, record.held, record.state is None


def _is_same(job: FineTune, outcome: JobOutcome) -> bool:
    """Whether a sweep is where it was, but for its message and figures."""
    before = job.status
    unchanged = (before.state, before.reason) == (outcome.state, outcome.reason)
    seen = (before.observed_generation, before.observed_retry)
    return unchanged and seen == (job.generation, observed_retry(job))


def _doing(
    seen: ObservedSweep, named: Mapping[str, Member], decided: SweepDecision, cancel: str | None
) -> list[SweepAction]:
    """Return what to do about members; those that are not `named` are not made."""
    doing: list[SweepAction] = []
    by_name = {record.name: record for record in decided.records}
    for name in decided.start:
        if name not in seen.strangers and name in named:
            manifest = member_object(seen.job, named[name].spec, budget_of(by_name[name]))
            doing.append(CreateMember(name, manifest))
    for name in (*decided.stop, *decided.astray):
        doing.append(_annotated(name, CANCEL_BEHIND if by_name[name].stopped else cancel or "snapshot"))
    if cancel == "now":
        late = (record.name for record in decided.records if record.held and record.runs)
        asked = [name for name in late if seen.members[name].cancel not in (None, "now")]
        doing += [_annotated(name, "now") for name in asked]
    doing += [_annotated(name, None) for name in decided.resume if seen.members[name].cancel is not None]
    for record in decided.records:
        member = seen.members.get(record.name)
        if member is not None and record.is_open and member.suspended != seen.job.suspend:
            doing.append(ChangeMember(record.name, {"spec": {"suspend": seen.job.suspend}}))
    return doing


def _annotated(name: str, cancel: str | None) -> ChangeMember:
    return ChangeMember(name, {"metadata": {"annotations": {ANNOTATION_CANCEL: cancel}}})
