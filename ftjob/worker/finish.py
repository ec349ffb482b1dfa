"""How an attempt ends: with pictures, a report and its last status."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ftjob import files
from ftjob.cost import charges, of_status
from ftjob.errors import ExitCode, StorageError
from ftjob.layout import RunFolder
from ftjob.report.facts import read_facts
from ftjob.report.page import render_page
from ftjob.status import State, Status
from ftjob.worker.recorder import Recorder
from jobspec.text import plain_lines

Tell = Callable[[str], None]
WELL = (ExitCode.DONE, ExitCode.BUDGET_REACHED)
"""Ends with a bundle: what is missing beside it is worth a failure."""


@dataclass(frozen=True)
class End:
    """What is said of an attempt's end."""

    state: State
    reason: str
    message: str
    code: int


def finish(recorder: Recorder, end: End, tell: Tell) -> int:
    """Write report.html, then the last status, which has the same figures; return the exit code.

    Raises StorageError where the status cannot be written.
    """
    tell(f"{end.state}: {end.message}")
    status = _settled(recorder, end)
    try:
        draw(recorder.folder.report, lambda: _page(recorder.folder, status), tell)
    except StorageError as error:
        tell(str(error))
        if end.code in WELL:
            end = End(State.FAILED, error.reason, str(error), error.exit_code)
            _settled(recorder, end)
    recorder.write()
    return end.code


def draw(path: Path, make: Callable[[], bytes], tell: Tell) -> None:
    """Make a picture or page and write it.

    What goes wrong in making it is told and ends no run; a disk that does not take it is a StorageError.
    """
    try:
        made = make()
    except Exception as error:  # noqa: BLE001 - no picture is worth a run
        why = f"{type(error).__name__}: {error}"
        tell(f"{path.name} could not be drawn ({why}): the run is whole without it; please report it")
        return
    with files.whole(path) as temporary:
        temporary.write_bytes(made)


def _settled(recorder: Recorder, end: End) -> Status:
    return recorder.settle(
        state=end.state,
        reason=end.reason,
        message=plain_lines(end.message),
        exit_code=int(end.code),
        stage="",
        eta_seconds=None,
        ended=time.time(),
    )


def _page(folder: RunFolder, status: Status) -> bytes:
    return render_page(read_facts(folder, status, charges(status, of_status(status)))).encode()
