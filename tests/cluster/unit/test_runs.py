"""Looks into stores and plans, in the background: once at a time, and again after a pause."""

import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from ftjob.cluster.case import Trouble
from ftjob.cluster.controller import runs
from ftjob.cluster.controller.clock import Clock
from ftjob.cluster.controller.runs import Planner, Reading, RunReader
from ftjob.cluster.request import Request
from ftjob.cluster.status import Figures
from ftjob.errors import StorageError
from ftjob.prepare import Context
from ftjob.status import Status, render
from tests.cluster.unit.builders import request_of

LONG_AGO = float("-inf")


class Heard:
    """Remembers which objects were to be looked at."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self._new = threading.Semaphore(0)

    def __call__(self, key: str) -> None:
        self.keys.append(key)
        self._new.release()

    def wait(self) -> None:
        assert self._new.acquire(timeout=20)


def read(reader: RunReader, heard: Heard, folder: Path, since: float = LONG_AGO) -> Reading:
    """What a folder says, once it has been asked."""
    reader.get("team/a", str(folder), since)
    heard.wait()
    reading = reader.get("team/a", str(folder), LONG_AGO)
    assert reading
    return reading


def test_a_run_is_read_in_the_background_and_remembered(tmp_path: Path) -> None:
    """The first look finds nothing yet; afterwards any reading does, until a newer one is asked for."""
    heard, clock = Heard(), Clock()
    reader = RunReader(heard, clock)
    assert reader.get("team/a", str(tmp_path), LONG_AGO) is None
    heard.wait()
    first = reader.get("team/a", str(tmp_path), LONG_AGO)
    assert first
    assert first.run is None
    (tmp_path / "status.json").write_text(render(Status("a", "1f3b9c02aa", iteration=5)))
    fresh = read(reader, heard, tmp_path, clock.now())

    assert isinstance(fresh.run, Status)
    assert fresh.run.iteration == 5


def test_trouble_is_asked_about_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a store that was away for a moment would hold a run for ever."""
    monkeypatch.setattr(runs, "PAUSE_SECONDS", 0.0)
    heard = Heard()
    reader = RunReader(heard, Clock())
    (tmp_path / "status.json").write_text("{")
    reader.get("team/a", str(tmp_path), LONG_AGO)
    heard.wait()
    trouble = reader.get("team/a", str(tmp_path), LONG_AGO)
    (tmp_path / "status.json").unlink()
    for _ in range(1000):
        reading = reader.get("team/a", str(tmp_path), LONG_AGO)
        if reading != trouble and reading and reading.run is None:
            break
        time.sleep(0.01)

    assert trouble
    assert isinstance(trouble.run, Trouble)
    assert reading
    assert reading.run is None


def test_a_plan_that_failed_for_the_store_is_made_again_after_a_pause(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not at once: whoever hears of the failure asks for another plan immediately."""
    answers: list[StorageError | Figures] = [StorageError("s3://data: away"), Figures(run_id="1f3b9c02aa")]

    def plan(_: Request, __: Context) -> Figures:
        answer = answers.pop(0)
        if isinstance(answer, StorageError):
            raise answer
        return answer

    monkeypatch.setattr(runs, "plan_request", plan)
    heard, request = Heard(), request_of()
    planner = Planner(heard)
    planner.plan("team/a", request, Context())
    heard.wait()
    planner.plan("team/a", request, Context())
    trouble = planner.get("team/a", request.identity)
    planner.forget("team/a")
    planner.plan("team/a", request, Context())
    heard.wait()

    assert trouble == Trouble("StorageUnreachable", "s3://data: away", passing=True)
    assert planner.get("team/a", request.identity) == Figures(run_id="1f3b9c02aa")
    assert planner.get("team/a", "another") is None


@pytest.mark.parametrize(
    ("problems", "reason"),
    [(("poor",), "BudgetTooSmall"), (("large",), "DoesNotFit"), (("large", "poor"), "DoesNotFit")],
)
def test_a_budget_that_is_too_small_has_a_reason_of_its_own(
    problems: tuple[str, ...], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another node would not mend it."""
    plan = SimpleNamespace(problems=problems, too_poor="poor")
    monkeypatch.setattr(runs, "prepare", lambda *_: plan)

    assert runs.plan_request(request_of(), Context()) == Trouble(reason, " ".join(problems))
