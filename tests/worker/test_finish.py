"""Laws of an attempt's end: its page agrees with its status, and no picture is worth a run."""

import json
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ftjob.errors import ExitCode, StorageError
from ftjob.runfolder.layout import RunFolder
from ftjob.runfolder.status import State, Status
from ftjob.worker.finish import End, draw, finish
from ftjob.worker.meter import Account
from ftjob.worker.recorder import Recorder

WELL = End(State.SUCCEEDED, "Completed", "accuracy 0.7500; bundle made", ExitCode.DONE)
DIVERGED = End(State.FAILED, "Diverged", "solver.base_lr: 0.1 is too high", ExitCode.DIVERGED)


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    """Of a node that costs a dollar a second."""
    account = Account(0.0, 0.0, 3600.0, time.time() - 20, time.monotonic() - 20)
    folder = RunFolder(tmp_path / "emotions" / "1f3b9c02aa")
    with closing(Recorder(folder, Status("emotions", "1f3b9c02aa"), 8, account, "p2.xlarge")) as made:
        yield made


def status_of(recorder: Recorder) -> dict[str, Any]:
    return dict(json.loads(recorder.folder.status.read_text()))


def broken(*_: object) -> str:
    raise KeyError("heads")


def test_a_limit_on_processes_is_no_unexpected_error():
    """Python names it so wherever a thread is started."""
    end = End.unforeseen(RuntimeError("can't start new thread"))

    assert (end.reason, end.code) == ("EngineCrashed", ExitCode.ENGINE_CRASHED)
    assert end.message.startswith("no more processes and threads can be started here: raise the limit")
    assert End.unforeseen(RuntimeError("seven")).reason == "InternalError"


def test_the_page_has_the_dollars_of_the_status(recorder: Recorder):
    """To the millionth, though time goes on while it is drawn."""
    lines: list[str] = []

    assert finish(recorder, WELL, lines.append) == 0
    status = status_of(recorder)
    page = recorder.folder.report.read_text()
    assert f'<data id="usd" value="{status["usd"]:.6f}">' in page
    assert status["attempts"][0]["usd"] == status["usd"] > 20
    assert (status["state"], status["attempts"][0]["reason"]) == ("Succeeded", "Completed")
    assert lines == ["Succeeded: accuracy 0.7500; bundle made"]


@pytest.mark.parametrize("ended", [WELL, DIVERGED])
def test_a_page_that_cannot_be_drawn_ends_no_run(
    recorder: Recorder, ended: End, monkeypatch: pytest.MonkeyPatch
):
    """The log has a sentence, the status what the run came to."""
    monkeypatch.setattr("ftjob.worker.finish.render_page", broken)
    lines: list[str] = []

    assert finish(recorder, ended, lines.append) == ended.code
    assert status_of(recorder)["state"] == ended.state
    assert lines[1:] == [
        "report.html could not be drawn (KeyError: 'heads'): the run is whole without it; please report it"
    ]
    assert not recorder.folder.report.exists()


def test_metrics_that_cannot_be_read_end_no_run(recorder: Recorder):
    """They were not written by this worker; the log says which file."""
    recorder.folder.plan.write_text("{")
    lines: list[str] = []

    assert finish(recorder, WELL, lines.append) == 0
    assert "plan.json: is no JSON" in lines[1]


@pytest.mark.parametrize(
    ("ended", "state", "code"), [(WELL, "Failed", ExitCode.STORAGE), (DIVERGED, "Failed", ExitCode.DIVERGED)]
)
def test_a_disk_that_does_not_take_the_page_is_a_failure(
    recorder: Recorder, ended: End, state: str, code: ExitCode
):
    """As of every file; an end that was a failure already is the one that is reported."""
    recorder.folder.report.mkdir()
    (recorder.folder.report / "in the way").touch()
    lines: list[str] = []

    assert finish(recorder, ended, lines.append) == code
    assert (status_of(recorder)["state"], status_of(recorder)["exit_code"]) == (state, code)
    assert "report.html: cannot be written" in lines[1]


def test_a_picture_that_finds_no_room_is_a_storage_error(small_disk: Path):
    """The rule for curves.png and report.html alike."""
    with pytest.raises(StorageError, match=r"curves\.png: cannot be written .* free some space"):
        draw(small_disk / "curves.png", lambda: bytes(8_000_000), print)
