"""A run on several GPUs, from its spec to its bundle: processors stand in for the GPUs."""

from pathlib import Path
from typing import Any

import pytest

from ftjob.api import plan
from ftjob.client.local_run import Run, enlist
from ftjob.engine import Engine
from ftjob.engine.nvml import Device
from ftjob.engine.open import open_engine
from ftjob.errors import ExitCode, GpuMemoryError
from ftjob.runfolder.address import location_of
from ftjob.worker import attempt as worker
from ftjob.worker import resume
from tests.e2e.jobs import Job
from tests.plan.specs import document

pytestmark = pytest.mark.torch
TWO = tuple(Device(index, "Tesla V100", (7, 0)) for index in range(2))


@pytest.mark.parametrize("devices", [TWO, TWO[:1]], ids=["two", "fewer"])
def test_a_run_on_two_gpus_is_trained_to_its_bundle(
    job: Job, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], devices: tuple[Device, ...]
) -> None:
    """Where a memory is full all halve their batch; one GPU makes twice the passes, and the log says so."""
    job.write(engine="torch", solver={"gpus": 2, "max_iter": 10}, resources={"node": "p3.8xlarge"})
    planned = plan(job.folder / "spec.yaml")
    there = Run(location_of(planned.spec.output, planned.spec.name, planned.run_id))
    enlist(there, planned.spec, document(planned), None)
    opened: list[tuple[int, str]] = []

    def full_at_first(name: str, *, solver: Path, gpu: int, ranks: int, **arguments: Any) -> Engine:
        opened.append((ranks, solver.read_text()))
        if len(opened) == 1 and ranks == 2:
            raise GpuMemoryError("rank 1 of 2: the GPU's memory is full")
        return open_engine(name, solver=solver, gpu=None, ranks=ranks, **arguments)

    monkeypatch.setattr(resume, "gpus_for", lambda *_, **__: devices)
    monkeypatch.setattr(resume, "open_engine", full_at_first)

    assert worker.run(there.location, 1) == ExitCode.DONE
    assert there.status().iteration == 10
    assert [ranks for ranks, _ in opened] == ([2, 2] if devices is TWO else [1])
    assert "iter_size: 2" in opened[-1][1]
    line = "solver.gpus: continuing on 1 of 2 GPUs with iter_size 2: an iteration stays the same"
    assert (line in capfd.readouterr().err) == (devices is not TWO)
