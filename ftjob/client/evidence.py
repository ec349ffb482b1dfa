"""What a failed training left behind, read from a log of Caffe or from a run's folder."""

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from ftjob.caffelog.lines import decode, is_text
from ftjob.caffelog.log import Log, read_log
from ftjob.caffelog.progress import LoggedProgress, Point, read_progress
from ftjob.errors import BadNetError, BadSpecError
from ftjob.fs import documents
from ftjob.net.proto.caffe_pb2 import NetParameter, SolverParameter
from ftjob.net.prototxt import parse_net, parse_solver
from ftjob.plan.diagnosis.explain import Evidence
from ftjob.runfolder.layout import RunFolder
from ftjob.runfolder.records.metrics import read_tests, read_train, thinned
from ftjob.runfolder.status import Status
from ftjob.runfolder.store import in_folder

LOG_HEAD, LOG_TAIL = 16 * 2**20, 32 * 2**20
"""The most bytes of a log to read: its net, and the last few hundred thousand iterations."""
QUOTED = 60
"""How many characters of an unreadable file to show."""
T = TypeVar("T")


def evidence_of_log(path: Path) -> Evidence:
    """Read the log of a `caffe train`, in any of the forms of caffelog/lines.py.

    Raises StorageError if the file cannot be read, BadSpecError if it is not a log of Caffe or ftjob.
    """
    text = _log_text(path)
    log = read_log(text) if is_text(text) else Log(())
    if not log.known:
        raise BadSpecError(f"{path}: {_unreadable(text)}; give the log of a `caffe train`, or a run")
    state, message = log.outcome
    return Evidence(log, read_progress(log.lines), state, message=message)


def _unreadable(text: str) -> str:
    """Why a text is not a log, with its beginning."""
    if not text.strip():
        return "is empty"
    first = next(line.strip() for line in text.splitlines() if line.strip())
    shown = "".join(char for char in first if char.isprintable() and char != "\ufffd")[:QUOTED]
    what = "has no line from Caffe or ftjob" if is_text(text) else "is not text"
    return f'{what} (it begins with "{shown}")'


def evidence_of_run(folder: RunFolder, status: Status) -> Evidence:
    """Read a run's metrics, its prototxts and the log of its last attempt; of a run that is in an earlier
    stage, the metrics and prototxts of that one.

    Raises StorageError if one exists but cannot be read.
    """
    logs = in_folder(folder).log_paths()
    folder = folder.stage(status.earlier_stage) if status.earlier_stage else folder
    progress = LoggedProgress(
        train=tuple(
            Point(line.iteration, {blob: _number(value) for blob, value in line.outputs.items()})
            for line in _lines(folder.train_metrics, read_train)
        ),
        test=tuple(
            Point(line.iteration, {"accuracy": line.accuracy})
            for line in _lines(folder.test_metrics, read_tests)
        ),
        net=_net(folder.train_val),
        solver=_solver(folder.solver),
    )
    return Evidence(
        log=replace(read_log(_log_text(logs[-1])), attempts=1) if logs else Log(()),
        progress=progress,
        state=status.state,
        reason=status.reason,
        message=status.message,
    )


def _number(value: float | None) -> float:
    """The metrics' values; null where JSON has no number for one."""
    return math.nan if value is None else value


def _read(path: Path) -> str:
    with documents.explained(path):
        return decode(documents.read_bytes(path))


def _log_text(path: Path) -> str:
    """Return a log; if it is too large to hold, only the whole lines at its start and end."""
    with documents.explained(path):
        head, tail = documents.read_ends(path, LOG_HEAD, LOG_TAIL)
    if not tail:
        return decode(head)
    first, last = decode(head), decode(tail)
    return first[: first.rfind("\n") + 1] + last[last.find("\n") + 1 :]


def _lines(path: Path, read: Callable[[Path], Iterable[T]]) -> list[T]:
    with documents.explained(path):
        return thinned(read(path))


def _net(path: Path) -> NetParameter:
    """The run's net; empty where the run ended before it was written."""
    try:
        return parse_net(_read(path), str(path)) if path.exists() else NetParameter()
    except BadNetError:
        return NetParameter()


def _solver(path: Path) -> SolverParameter:
    try:
        return parse_solver(_read(path), str(path)) if path.exists() else SolverParameter()
    except BadNetError:
        return SolverParameter()
