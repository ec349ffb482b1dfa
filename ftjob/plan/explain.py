"""Why a training failed: its log, its curves and its end, turned into a cause, a remedy and a patch."""

import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from ftjob.caffelog.fatal import Diagnosis, diagnose
from ftjob.caffelog.progress import Progress
from ftjob.plan.curves import Curves, curve_symptoms

_SIGNAL = re.compile(r"\*\*\* (SIG[A-Z]+)|^(Killed|Terminated|Segmentation fault)", re.MULTILINE)


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

    def to_json(self) -> dict[str, Any]:
        """Return the values of `ftjob plan --explain -o json`."""
        return asdict(self)


@dataclass(frozen=True)
class Evidence:
    """All that is left of a training."""

    log: str
    progress: Progress
    state: str = ""
    """As a run's status has it; empty for a log of Caffe."""
    reason: str = ""
    message: str = ""


def explain(evidence: Evidence) -> Explanation:
    """Return the first explanation that holds, those of Caffe's own last words before those of the curves,
    these before the end itself."""
    return next(found for look in _LOOKS for found in look(evidence))


def _snapshot_is_weights(evidence: Evidence) -> Iterator[Explanation]:
    """SGDSolver::Restore reads a caffemodel as a solverstate without any history."""
    resumed = evidence.progress.resumed_from
    if resumed.endswith((".caffemodel", ".caffemodel.h5")):
        yield Explanation(
            f"{resumed} holds weights, and was given as the snapshot to resume from",
            "give the .solverstate beside it to -snapshot to resume, or the .caffemodel to -weights to "
            "begin with its weights",
            f"base:\n  weights: {resumed}",
            f"Resuming from {resumed}",
        )


def _last_words(evidence: Evidence) -> Iterator[Explanation]:
    found = diagnose(evidence.log)
    if found:
        yield _explained(found, _fatal_line(evidence.log))


def _disk_is_full(evidence: Evidence) -> Iterator[Explanation]:
    if match := re.search(r".*No space left on device.*", evidence.log + evidence.message):
        yield Explanation(
            "the disk is full",
            "free some space and submit again: the run goes on from its last complete snapshot",
            seen=match[0].strip(),
        )


def _curves(evidence: Evidence) -> Iterator[Explanation]:
    progress = evidence.progress
    for symptom in curve_symptoms(Curves.of(progress)):
        yield Explanation(symptom.cause, symptom.fix, symptom.patch, symptom.seen)


def _told_by_status(evidence: Evidence) -> Iterator[Explanation]:
    """What the worker said itself; its sentences have cause and remedy in one."""
    if evidence.state in ("Failed", "Stopped"):
        yield Explanation(evidence.message, seen=f"{evidence.state}, {evidence.reason}")


def _killed(evidence: Evidence) -> Iterator[Explanation]:
    done = evidence.progress.done or evidence.state in ("Succeeded", "Running", "Pending")
    signal = _SIGNAL.search(evidence.log)
    if signal and signal[0].endswith(("SIGSEGV", "fault")):
        yield Explanation(
            "Caffe read memory that is not its own (SIGSEGV)",
            "the usual cause is a label outside 0..num_output-1: `ftjob data check` finds it",
            "surgery:\n  num_output: auto",
            signal[0].strip("* "),
        )
    elif signal or not done:
        yield Explanation(
            "the process was killed from outside: nothing in its log is wrong, and it ends in the middle",
            "look for the machine's memory (`dmesg`, OOMKilled), an eviction, a spot instance taken back or "
            "a time limit; a run that is submitted again goes on from its last complete snapshot",
            seen=signal[0].strip("* ") if signal else _last_line(evidence.log),
        )


def _nothing(evidence: Evidence) -> Iterator[Explanation]:
    stopped = "Optimization stopped early" in evidence.log
    cause = "it was stopped by a signal, after a snapshot" if stopped else "nothing is wrong here"
    yield Explanation(cause, seen=evidence.message or _last_line(evidence.log), healthy=True)


_LOOKS: tuple[Callable[[Evidence], Iterator[Explanation]], ...] = (
    _snapshot_is_weights,
    _last_words,
    _disk_is_full,
    _curves,
    _told_by_status,
    _killed,
    _nothing,
)


def _explained(found: Diagnosis, seen: str) -> Explanation:
    return Explanation(found.cause, found.fix, found.patch, seen)


def _fatal_line(log: str) -> str:
    lines = [line for line in log.splitlines() if re.match(r"F\d{4} ", line)]
    return lines[0].partition("] ")[2].strip() if lines else ""


def _last_line(log: str) -> str:
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return lines[-1] if lines else "the log is empty"
