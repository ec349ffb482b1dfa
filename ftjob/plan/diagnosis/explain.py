"""Why a training failed: its log, its curves and its end, turned into a cause, a remedy and a patch."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from ftjob.caffelog import exits
from ftjob.caffelog.fatal import diagnose
from ftjob.caffelog.log import Log
from ftjob.caffelog.progress import LoggedProgress
from ftjob.caffelog.rule import Diagnosis
from ftjob.plan.diagnosis.curves import Curves
from ftjob.plan.diagnosis.symptoms import curve_symptoms
from ftjob.runfolder.status import State

_FULL = ("No space left on device", "Disk quota exceeded")


@dataclass(frozen=True)
class Explanation:
    """What went wrong, if anything did."""

    cause: str
    """In one sentence."""
    fix: str = ""
    """What to do; empty where there is nothing to do."""
    patch: str = ""
    """YAML to lay over the spec, where a change of it is the remedy; ... is for its user to fill in."""
    seen: str = ""
    """What shows it: a line of the log, or an iteration and its loss."""
    healthy: bool = False
    """Whether nothing is wrong."""
    attempts: int = 1
    """How many trainings the log has, one after another; the explanation is of the last."""

    def to_json(self) -> dict[str, Any]:
        """Return the values of `ftjob plan --explain -o json`."""
        return asdict(self)


@dataclass(frozen=True)
class Evidence:
    """All that is left of a training."""

    log: Log
    progress: LoggedProgress
    state: str = ""
    """As a run's status has it; empty for a log of Caffe."""
    reason: str = ""
    message: str = ""


def explain(evidence: Evidence) -> Explanation:
    """Return the first explanation that holds: Caffe's last words and crashes before what the curves show,
    and that before how it was ended from outside."""
    found = next(found for look in _LOOKS for found in look(evidence))
    return replace(found, attempts=evidence.log.attempts)


def _snapshot_is_weights(evidence: Evidence) -> Iterator[Explanation]:
    """SGDSolver::Restore reads a caffemodel as a solverstate without any history."""
    resumed = evidence.progress.resumed_from
    if resumed.endswith((".caffemodel", ".caffemodel.h5")):
        yield Explanation(
            f"{resumed} has weights only, but was given as the snapshot to resume from",
            "give the .solverstate beside it to -snapshot to resume, or the .caffemodel to -weights to "
            "start from its weights",
            f"base:\n  weights: {resumed}",
            f"Resuming from {resumed}",
        )


def _last_words(evidence: Evidence) -> Iterator[Explanation]:
    yield from _explained(diagnose(evidence.log.lines))


def _crash(evidence: Evidence) -> Iterator[Explanation]:
    """How Caffe broke; for a run its worker decides that, which may have ended it for another reason."""
    if not evidence.state and not _is_over(evidence):
        yield from _explained(exits.crash(evidence.log.lines))


def _disk_is_full(evidence: Evidence) -> Iterator[Explanation]:
    for text in (*(line.text for line in evidence.log.lines), evidence.message):
        if any(words in text for words in _FULL):
            yield Explanation(
                "the disk is full",
                "free some space and submit again: the run resumes from its last complete snapshot",
                seen=text.strip(),
            )
            return


def _curves(evidence: Evidence) -> Iterator[Explanation]:
    for symptom in curve_symptoms(Curves.of(evidence.progress)):
        yield Explanation(symptom.cause, symptom.fix, symptom.patch, symptom.seen)


def _by_status(evidence: Evidence) -> Iterator[Explanation]:
    """The worker's own message; its sentences have cause and remedy in one."""
    if evidence.state in (State.FAILED, State.STOPPED):
        yield Explanation(evidence.message, seen=", ".join(filter(None, (evidence.state, evidence.reason))))


def _killed(evidence: Evidence) -> Iterator[Explanation]:
    if not _is_over(evidence):
        yield from _explained(exits.killed(evidence.log.lines))
        yield from _explained(exits.waiting(evidence.log.lines))


def _broken_off(evidence: Evidence) -> Iterator[Explanation]:
    progress = evidence.progress
    of_a_run = evidence.state or evidence.log.is_of_a_run
    if (of_a_run or (progress.trains and not progress.stepped)) and not _is_over(evidence):
        yield Explanation(
            "the process was killed from outside, unless it is still running: its log shows nothing wrong "
            "and breaks off in the middle",
            exits.OUTSIDE,
            seen=_last_line(evidence.log),
        )


def _nothing(evidence: Evidence) -> Iterator[Explanation]:
    cause = "nothing is wrong here"
    if evidence.progress.stopped:
        cause = "it was stopped by a signal, after a snapshot"
    elif not evidence.state and not evidence.progress.trains and not evidence.log.is_of_a_run:
        cause = "nothing is wrong here, and no training is in this log"
    seen = evidence.message or evidence.progress.closing or _last_line(evidence.log)
    yield Explanation(cause, seen=seen, healthy=True)


_LOOKS: tuple[Callable[[Evidence], Iterator[Explanation]], ...] = (
    _snapshot_is_weights,
    _last_words,
    _crash,
    _disk_is_full,
    _curves,
    _by_status,
    _killed,
    _broken_off,
    _nothing,
)


def _explained(found: Diagnosis | None) -> Iterator[Explanation]:
    if found:
        yield Explanation(found.cause, found.fix, found.patch, found.seen)


def _is_over(evidence: Evidence) -> bool:
    """Whether it went to its end, or is still on its way there."""
    well = (State.SUCCEEDED, State.RUNNING, State.PENDING)
    return bool(evidence.progress.closing) or evidence.state in well


def _last_line(log: Log) -> str:
    return log.lines[-1].text.strip() if log.lines else "the log is empty"
