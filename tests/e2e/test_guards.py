"""What ends a run that is not worth its money, with real Caffe: what is kept then, and what is reported."""

import json
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest

from ftjob.api import plan
from ftjob.client import processes as local
from ftjob.client.local_run import Run, enlist
from ftjob.engine import Engine
from ftjob.errors import ExitCode, GpuMemoryError
from ftjob.nodes.profiles import ENV_NODES
from ftjob.runfolder.address import location_of
from ftjob.worker import attempt as worker
from ftjob.worker import resume
from ftjob.worker.pod.context import ENV_METADATA
from tests.e2e.jobs import Job
from tests.plan.specs import document
from tests.worker.test_spot_notice import NOTICE, Answers, Metadata

pytestmark = pytest.mark.caffe

NODE = """
p2.xlarge:
  gpu: none
  gpus: 0
  gpu_memory_gib: null
  teraflops: 0.01
  gigabytes_per_second: 5
  price: {on_demand: 3.6, spot: 0.9}
"""


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor at a price."""
    path = tmp_path / "nodes.yaml"
    path.write_text(NODE, encoding="utf-8")
    monkeypatch.setenv(ENV_NODES, str(path))


@pytest.fixture
def metadata(monkeypatch: pytest.MonkeyPatch) -> Iterator[Metadata]:
    """EC2's metadata service, at a port of this machine."""
    with Metadata(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=ThreadingHTTPServer.serve_forever, args=(server, 0.01))
        thread.start()
        monkeypatch.setenv(ENV_METADATA, f"http://127.0.0.1:{server.server_port}")
        yield server
        server.shutdown()
        thread.join()


def with_labels_at_random(job: Job) -> None:
    """Have images whose labels say nothing about them."""
    images = sorted((job.folder / "train").resolve().rglob("*.png"))
    random.Random(1).shuffle(images)
    (job.folder / "train").unlink()
    for number, path in enumerate(images):
        folder = job.folder / "train" / str(number % 3)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.png").symlink_to(path)


def until(condition: Callable[[], Any], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_training(job: Job) -> bool:
    try:
        return bool(job.status()["iteration"] > 20)
    except (ValueError, OSError):
        return False


@pytest.mark.usefixtures("node")
def test_a_run_that_learns_nothing_ends_with_what_is_saved(job: Job) -> None:
    """Labels at random and a rate of next to nothing: exit code 8, a snapshot, and dollars not spent."""
    with_labels_at_random(job)
    job.write(
        solver={"base_lr": 1e-9, "max_iter": 3000, "test_interval": 20, "snapshot": 1000},
        guards={"not_learning": 40},
        resources={"node": "p2.xlarge"},
    )
    job.submit("--yes", code=8)

    status = job.status()
    assert (status["reason"], status["iteration"], status["snapshot"]) == ("NotLearning", 40, 40)
    assert "chance reaches" in status["message"]
    assert "iteration 40 is kept; ending here saves about" in status["message"]
    [attempt] = status["attempts"]
    assert attempt["saved_seconds"]["NotLearning"] > attempt["stages"]["train"]


def test_the_same_run_goes_on_when_the_guard_is_switched_off(job: Job) -> None:
    """guards are no part of the run's identity: the snapshot that was kept is gone on from."""
    job.write(solver={"base_lr": 1e-9, "max_iter": 60, "test_interval": 20}, guards={"not_learning": 20})
    job.submit(code=8)
    job.write(solver={"base_lr": 1e-9, "max_iter": 60, "test_interval": 20}, guards={"not_learning": False})
    job.submit()

    assert job.status()["resumed"]["iteration"] == 20


def test_a_loss_that_is_no_number_ends_a_run_and_names_what_is_kept(job: Job) -> None:
    """The snapshot before stays; with the guard off, Caffe is left to go on with what is no number, and only
    then it turns out that no bundle can be made of it."""
    solver = {"base_lr": 1e6, "max_iter": 400, "test_interval": 200, "snapshot": 200}
    job.write(solver=solver)
    job.submit(code=7)

    assert "no snapshot was due yet; ending here saves about" in job.status()["message"]
    assert job.status()["attempts"][0]["saved_seconds"]["Diverged"] > 0
    job.write(solver=solver, guards={"diverged": False, "not_learning": False})
    job.submit(code=7)

    assert job.status()["iteration"] == 400
    assert "no bundle is made" in job.status()["message"]


def test_tests_that_bring_nothing_end_a_run_with_its_best(job: Job) -> None:
    """guards.patience: well ended, the bundle is of the best snapshot, and the rest is saved."""
    job.write(
        solver={"base_lr": 1e-9, "max_iter": 3000, "test_interval": 10, "snapshot": 10, "lr_policy": "fixed"},
        guards={"not_learning": False, "patience": 3},
    )
    job.submit()

    status = job.status()
    assert (status["state"], status["reason"]) == ("Succeeded", "Plateau")
    assert status["iteration"] < 300
    assert "3 tests in a row were no better" in status["message"]
    assert (
        json.loads((job.run().bundle / "manifest.json").read_text())["iteration"] == status["best_iteration"]
    )
    assert status["attempts"][0]["saved_seconds"]["Plateau"] > 0


@pytest.mark.usefixtures("node")
def test_a_spot_notice_is_answered_before_any_signal(job: Job, metadata: Metadata) -> None:
    """At most the iteration under way is done again, and the notice is in the message."""
    job.write(
        solver={"max_iter": 100_000, "test_interval": 50_000, "snapshot": 50_000},
        resources={"node": "p2.xlarge", "spot": True},
    )
    job.ftjob("submit", "spec.yaml", "--local", "--yes")
    until(lambda: is_training(job))
    metadata.notice = NOTICE
    job.ftjob("wait", "digits", code=10)

    status = job.status()
    assert (status["reason"], status["snapshot"]) == ("Preempted", status["iteration"])
    assert "terminate the spot instance at 2026-11-22T08:22:00Z; stopped at iteration" in status["message"]


def test_an_engine_that_hangs_is_killed_and_the_run_can_go_on(job: Job) -> None:
    """Stopped like a hung driver: an engine's crash (exit code 6), reported with the guard's name."""
    job.write(
        solver={"max_iter": 100_000, "test_interval": 50_000, "snapshot": 500}, guards={"idle_minutes": 0.05}
    )
    job.ftjob("submit", "spec.yaml", "--local")
    until(lambda: (job.status()["snapshot"] or 0) >= 500 if is_training(job) else False)
    pid = local.worker_pid(job.run())
    assert pid is not None
    for engine in psutil.Process(pid).children():
        engine.send_signal(signal.SIGSTOP)
    job.ftjob("wait", "digits", code=6)

    status = job.status()
    sentence = "guards.idle_minutes: Caffe gave no sign of life for 0.05 minutes and was killed"
    assert sentence in status["message"]
    assert status["reason"] == "EngineCrashed"
    assert status["snapshot"] >= 500


def test_smaller_batches_can_be_forbidden(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """BatchNorm sees them: resources.smaller_batch: false ends the run instead."""
    job.write(resources={"smaller_batch": False})
    planned = plan(job.folder / "spec.yaml")
    there = Run(location_of(planned.spec.output, planned.spec.name, planned.run_id))
    enlist(there, planned.spec, document(planned), None)

    def full(*_: Any, **__: Any) -> Engine:
        raise GpuMemoryError("the GPU's memory is full: lower data.batch_size")

    monkeypatch.setattr(resume, "open_engine", full)

    assert worker.run(there.location, 1) == ExitCode.ENGINE_CRASHED
    assert there.status().reason == "GpuMemory"
