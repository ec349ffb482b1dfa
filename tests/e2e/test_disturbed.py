"""Engines to which something happens in the middle of a test, a snapshot or a replay, with real Caffe."""

import json
import os
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ftjob.api import plan
from ftjob.client.local_run import Run, enlist
from ftjob.engine import Engine
from ftjob.engine.nvml import Device, DeviceUse
from ftjob.engine.open import open_engine
from ftjob.errors import ExitCode
from ftjob.runfolder.address import location_of
from ftjob.worker import attempt as worker
from ftjob.worker import resume
from ftjob.worker.train import Training
from ftjob.worker.watch.gpu_watch import Watch
from tests.e2e.jobs import Job
from tests.plan.specs import document

pytestmark = pytest.mark.caffe


class Disturbed:
    """An Engine to which something happens when one of its methods is called at an iteration."""

    def __init__(self, engine: Engine, place: tuple[str, int], happens: Callable[[Engine], None]) -> None:
        self._engine, self._place, self._happens = engine, place, happens

    def __enter__(self) -> "Disturbed":
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.close()

    def __getattr__(self, name: str) -> Any:
        if (name, self._engine.iteration) == self._place:
            self._happens(self._engine)
        return getattr(self._engine, name)


def run_disturbed(
    job: Job, monkeypatch: pytest.MonkeyPatch, place: tuple[str, int], happens: Callable[[Engine], None]
) -> tuple[Run, int]:
    """Run the first attempt of a job in this process; return it and its exit code."""
    planned = plan(job.folder / "spec.yaml")
    run = Run(location_of(planned.spec.output, planned.spec.name, planned.run_id))
    enlist(run, planned.spec, document(planned), None)

    def disturbed(*words: Any, **arguments: Any) -> Disturbed:
        return Disturbed(open_engine(*words, **{**arguments, "gpu": None}), place, happens)

    with monkeypatch.context() as patch:
        patch.setattr(resume, "open_engine", disturbed)
        return run, worker.run(run.location, 1)


@pytest.mark.parametrize("method", ["test", "begin_snapshot"])
def test_an_engine_that_hangs_in_a_test_or_snapshot_is_killed_too(
    job: Job, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """The snapshot before is gone on from, and the run ends as one that was left alone."""
    job.write(guards={"idle_minutes": 0.05})

    def hang(engine: Any) -> None:
        os.kill(engine.child.pid, signal.SIGSTOP)

    run, code = run_disturbed(job, monkeypatch, (method, 20), hang)

    status = run.status()
    assert (code, status.reason, status.snapshot) == (ExitCode.ENGINE_CRASHED, "EngineCrashed", 10)
    assert "guards.idle_minutes: Caffe gave no sign of life" in status.message
    job.submit()
    assert job.status()["resumed"]["iteration"] == 10
    assert [line["iteration"] for line in validations(job)] == [0, 10, 20, 30]


def test_a_stop_in_a_long_test_is_answered_at_once(
    new_job: Callable[[str], Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test ends early, no iteration is lost, and the next attempt makes that test first: all tests and
    snapshots are those of a run that was left alone."""
    jobs = [new_job("stopped"), new_job("left_alone")]
    for each in jobs:
        with_many_to_validate(each)
        each.write()
    stopped, left_alone = jobs

    run, code = run_disturbed(stopped, monkeypatch, ("test", 20), end_by_signal)

    status = run.status()
    assert (code, status.reason, status.snapshot) == (ExitCode.PREEMPTED, "Preempted", 20)
    assert [line["iteration"] for line in validations(stopped)] == [0, 10]
    assert json.loads(run.folder.snapshot_record(20).read_text())["evaluation"] is None
    stopped.submit()
    left_alone.submit()
    curves = [[(line["iteration"], line["loss"]) for line in validations(each)] for each in jobs]
    assert curves[0] == curves[1]
    assert [each[0] for each in curves[0]] == [0, 10, 20, 30]
    records = [json.loads(each.run().snapshot_record(20).read_text())["evaluation"] for each in jobs]
    assert records[0] == records[1] is not None


class CutReplay(Disturbed):
    """An Engine whose replay takes long: what ends a run is asked for in the middle of it."""

    def restore(self, *files: Path, should_continue: Callable[[float], bool]) -> bool:
        assert self._engine.restore(*files)
        self._happens(self._engine)
        return should_continue(0.5)

    def steps(self, _iterations: int) -> None:
        pytest.fail("an engine that is not replayed is trained")


class SlowReplay(Disturbed):
    """An Engine whose replay takes longer than a GPU may be idle. What happens does so when it trains."""

    def restore(self, *files: Path, should_continue: Callable[[float], bool]) -> bool:
        time.sleep(2)
        return self._engine.restore(*files, should_continue=should_continue)


class GpuStandIn(Device):
    """What is not here: it is busy or not as the test has it. The engine computes on processors."""

    computes = True

    def use(self) -> DeviceUse:
        return DeviceUse(float(self.computes), 2**30, 12 * 2**30)


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> GpuStandIn:
    """A stand-in for the GPU of the worker in this process, looked at often."""
    device = GpuStandIn(0, "Tesla K80", (3, 7))
    monkeypatch.setattr(resume, "gpus_for", lambda _node, _wanted, in_cluster: (device,))
    monkeypatch.setattr(resume, "Watch", partial(Watch, poll_seconds=0.05))
    return device


def test_a_gpu_that_does_nothing_ends_a_run_with_what_there_is(
    job: Job, monkeypatch: pytest.MonkeyPatch, device: GpuStandIn
) -> None:
    """Exit code 12, after a snapshot."""
    job.write(
        solver={"max_iter": 100_000, "test_interval": 50_000, "snapshot": 50_000},
        guards={"idle_minutes": 0.05},
    )
    device.computes = False

    run, code = run_disturbed(job, monkeypatch, ("", 0), lambda _: None)

    status = run.status()
    assert (code, status.reason) == (ExitCode.GPU_IDLE, "GpuIdle")
    assert status.snapshot == status.iteration > 0
    assert "guards.idle_minutes: the GPU did nothing for 0.05 minutes" in status.message


def test_a_long_replay_is_no_idle_gpu(job: Job, monkeypatch: pytest.MonkeyPatch, device: GpuStandIn) -> None:
    """The GPU has nothing to do while Caffe draws its batches again."""
    job.write(guards={"idle_minutes": 0.02})
    run, _ = run_disturbed(job, monkeypatch, ("begin_snapshot", 20), end_by_signal)

    device.computes = False

    def compute(_: Engine) -> None:
        device.computes = True

    def slow(*words: Any, **arguments: Any) -> SlowReplay:
        return SlowReplay(open_engine(*words, **{**arguments, "gpu": None}), ("steps", 20), compute)

    monkeypatch.setattr(resume, "open_engine", slow)

    assert worker.run(run.location, 2) == ExitCode.DONE
    assert run.status().resumed is not None


@pytest.mark.parametrize("cause", ["stop", "budget"])
def test_a_replay_ends_early_where_the_run_must_end(
    job: Job, monkeypatch: pytest.MonkeyPatch, cause: str
) -> None:
    """With what there was: for a stop at once, for the budget with a bundle; nothing is trained or lost."""
    job.write()
    run, _ = run_disturbed(job, monkeypatch, ("begin_snapshot", 20), end_by_signal)
    assert run.status().snapshot == 20

    with monkeypatch.context() as patch:
        asked = iter([True])  # that a look later says otherwise changes nothing
        if cause == "budget":
            patch.setattr(Training, "budget_is_near", lambda _: next(asked, False))
        happens = end_by_signal if cause == "stop" else lambda _: None

        def cut(*words: Any, **arguments: Any) -> CutReplay:
            return CutReplay(open_engine(*words, **arguments), ("", 0), happens)

        patch.setattr(resume, "open_engine", cut)
        code = worker.run(run.location, 2)

    status = run.status()
    assert (status.iteration, status.snapshot) == (20, 20)
    if cause == "stop":
        assert (code, status.reason) == (ExitCode.PREEMPTED, "Preempted")
    else:
        assert (code, status.reason) == (ExitCode.BUDGET_REACHED, "BudgetReached")
        assert (run.folder.bundle / "manifest.json").is_file()
    job.submit()
    assert [line["iteration"] for line in validations(job)] == [0, 10, 20, 30]


def test_a_budget_that_ends_a_replay_has_the_one_snapshot_tested(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was saved between two tests: its accuracy is made up for, and it is the bundle."""
    job.write(solver={"test_interval": 20, "snapshot": 10})
    run, _ = run_disturbed(job, monkeypatch, ("begin_snapshot", 10), end_by_signal)
    assert json.loads(run.folder.snapshot_record(10).read_text())["evaluation"] is None

    def cut(*words: Any, **arguments: Any) -> CutReplay:
        return CutReplay(open_engine(*words, **arguments), ("", 0), lambda _: None)

    monkeypatch.setattr(Training, "budget_is_near", lambda _: True)
    monkeypatch.setattr(resume, "open_engine", cut)

    assert worker.run(run.location, 2) == ExitCode.BUDGET_REACHED
    assert json.loads((run.folder.bundle / "manifest.json").read_text())["iteration"] == 10


def end_by_signal(_: object) -> None:
    """Ask for an end as a drained node does."""
    os.kill(os.getpid(), signal.SIGTERM)


def with_many_to_validate(job: Job, copies: int = 60) -> None:
    """Have each validation image many times over, so that a test takes a second."""
    images = sorted((job.folder / "val").resolve().rglob("*.png"))
    (job.folder / "val").unlink()
    for path in images:
        folder = job.folder / "val" / path.parent.name
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(copies):
            (folder / f"{number}-{path.name}").symlink_to(path)


def validations(job: Job) -> list[dict[str, Any]]:
    """Return the lines of metrics/test.jsonl."""
    return [json.loads(line) for line in job.run().test_metrics.read_text().splitlines()]
