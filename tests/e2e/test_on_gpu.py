"""What a run and its bundle meet on a GPU; the same tests run on processors."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from ftjob.api import plan
from ftjob.bundle.verify import TOLERANCE
from ftjob.client.local_run import Run, enlist
from ftjob.engine import Engine
from ftjob.engine.inventory import take_inventory
from ftjob.engine.nvml import dotted
from ftjob.engine.open import open_engine
from ftjob.errors import ExitCode, GpuMemoryError
from ftjob.net.precision import PRECISIONS, Precision
from ftjob.net.prototxt import parse_net, parse_solver
from ftjob.nodes.profiles import ENV_NODES
from ftjob.runfolder.address import location_of
from ftjob.worker import attempt as worker
from ftjob.worker import resume
from tests.e2e.jobs import Job
from tests.gpus import gpu_for_engine
from tests.plan.specs import document

LEFT_BYTES = 3 * 2**30
"""Of the GPU's memory: an engine with a small net and its libraries take some 1 GiB."""
WANTED_BYTES = 4 * LEFT_BYTES
"""By the plan's forecast, which counts more than PyTorch keeps."""
HOLD = """
import sys, torch
held = torch.empty(torch.cuda.mem_get_info()[0] - int(sys.argv[1]), dtype=torch.uint8, device="cuda")
print(flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True)
class FullMemory:
    """A device whose memory is too small for a batch."""

    engine: str
    node: str
    batch_size: int | None
    """That does not fit, where a stand-in has the memory; else one that needs WANTED_BYTES."""


@pytest.fixture
def held() -> Iterator[None]:
    """Have another process hold the GPU's memory, but for LEFT_BYTES."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(LEFT_BYTES)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == b"\n"
        yield
        process.kill()


def memory_for_two(monkeypatch: pytest.MonkeyPatch) -> FullMemory:
    """Refuse batches of more than two images as an engine on a full GPU does."""

    def open_where_it_fits(name: str, *, solver: Path, **arguments: Any) -> Engine:
        if trained_batch(solver.parent / "train_val.prototxt") > 2:
            raise GpuMemoryError("the GPU's memory is full")
        return open_engine(name, solver=solver, **arguments)

    monkeypatch.setattr(resume, "open_engine", open_where_it_fits)
    return FullMemory("caffe", "local", 8)


def held_memory(engine: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> FullMemory:
    """Take the GPU's own; the plan trusts a profile that promises more."""
    device = gpu_for_engine(engine)
    profile = {
        "gpu": device.name, "gpu_memory_gib": 1000, "compute_capability": dotted(device.capability),
        "teraflops": 10, "gigabytes_per_second": 100, "price": {"on_demand": 0},
    }  # fmt: skip
    path = request.getfixturevalue("tmp_path") / "nodes.yaml"
    path.write_text(yaml.safe_dump({"here": profile}), encoding="utf-8")
    monkeypatch.setenv(ENV_NODES, str(path))
    request.getfixturevalue("held")
    return FullMemory(engine, "here", None)


@pytest.fixture(
    params=[
        pytest.param("stand-in", marks=pytest.mark.caffe),
        pytest.param("caffe", marks=[pytest.mark.gpu, pytest.mark.caffe, pytest.mark.torch]),
        pytest.param("torch", marks=[pytest.mark.gpu, pytest.mark.torch]),
    ]
)
def full_memory(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> FullMemory:
    """The memory of a GPU, or a stand-in's."""
    if request.param == "stand-in":
        return memory_for_two(monkeypatch)
    return held_memory(request.param, request, monkeypatch)


def test_a_batch_that_does_not_fit_is_halved_until_it_does(job: Job, full_memory: FullMemory) -> None:
    """The run ends trained and bundled; an iteration still learns from as many images."""
    asked = full_memory.batch_size or batch_that_needs(WANTED_BYTES, job, full_memory)
    planned = plan(write(job, full_memory, asked))
    there = Run(location_of(planned.spec.output, planned.spec.name, planned.run_id))
    enlist(there, planned.spec, document(planned), None)

    assert worker.run(there.location, 1) == ExitCode.DONE, there.status().message
    took = trained_batch(there.folder.train_val)
    halvings = asked.bit_length() - took.bit_length()
    assert halvings >= 1
    assert took << halvings == asked
    solver = parse_solver(there.folder.solver.read_text(), "solver.prototxt")
    assert took * solver.iter_size == asked
    assert there.status().iteration == solver.max_iter == 4
    assert (there.folder.bundle / "manifest.json").exists()


def write(job: Job, memory: FullMemory, batch_size: int) -> Path:
    """Write a job of four iterations for that memory's node."""
    return job.write(
        engine=memory.engine,
        resources={"node": memory.node},
        data={"batch_size": batch_size},
        solver={"max_iter": 4, "test_interval": 4, "snapshot": 2, "precision": "fp32"},
    )


def batch_that_needs(size: int, job: Job, memory: FullMemory) -> int:
    """Return the power of two of images that need more than so many bytes by the plan's forecast."""
    few = plan(write(job, memory, 1024)).forecast.memory.train
    return 1 << int(1024 * size / few.total).bit_length()


def trained_batch(train_val: Path) -> int:
    """Return the images that go through the TRAIN net at once."""
    net = parse_net(train_val.read_text(), train_val.name)
    return int(next(layer.data_param.batch_size for layer in net.layer if layer.type == "Data"))


@pytest.fixture(scope="module")
def made_on_processors(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of a run that has learned something, with real differences between its scores."""
    folder = tmp_path_factory.mktemp("made")
    for part in ("train", "val", "net.prototxt"):
        (folder / part).symlink_to(digits / part)
    job = Job(folder)
    job.write(engine="torch", solver={"max_iter": 60, "base_lr": 0.01, "momentum": 0.9})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FTJOB_CACHE", str(folder / "cache"))
        job.submit()
    return job.run().bundle


ON_PROCESSORS: tuple[tuple[str, Precision], ...] = (("caffe", "fp32"), ("torch", "fp32"), ("torch", "bf16"))
ON_GPU: tuple[tuple[str, Precision], ...] = (("caffe", "fp32"), *(("torch", each) for each in PRECISIONS))


def case(device: str, engine: str, precision: Precision) -> Any:
    """A parameter with the markers of what it needs; the bundle needs torch."""
    marks = [pytest.mark.torch, *([pytest.mark.caffe] if engine == "caffe" else [])]
    marks += [pytest.mark.gpu] if device == "gpu" else []
    return pytest.param(device, engine, precision, marks=marks, id=f"{device}-{engine}-{precision}")


@pytest.mark.parametrize(
    ("device", "engine", "precision"),
    [*(case("processors", *each) for each in ON_PROCESSORS), *(case("gpu", *each) for each in ON_GPU)],
)
def test_a_bundle_made_on_processors_answers_the_same(
    made_on_processors: Path, job: Job, device: str, engine: str, precision: Precision
) -> None:
    """On the GPU as on processors, within the tolerance of the precision."""
    gpu = gpu_for_engine(engine, precision) if device == "gpu" else None
    words = ["--engine", engine, "--precision", precision, *(["--gpu"] if gpu else [])]

    found = job.ftjob("verify", str(made_on_processors), *words, "-o", "json").json()

    assert (found["ok"], found["engine"], found["precision"]) == (True, engine, precision)
    assert found["device"] == (gpu.name if gpu else "processors")
    assert 0 < found["images"] == found["same_answers"]
    assert found["largest_difference"] <= found["tolerance"] == TOLERANCE[precision]
    if precision != "fp32":
        assert found["largest_difference"] > 1e-5, "fp32 computed it"


@pytest.mark.torch
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--precision", "tf32"], "tf32 needs a GPU of compute capability 8.0 or newer, and a run without "
         "--gpu has none: set fp32, bf16"),
        (["--precision", "int8"], "precision: there is no 'int8': choose fp32, tf32, bf16, fp16"),
        (["--engine", "caffe", "--precision", "bf16"], "Caffe computes in fp32 only"),
    ],
)  # fmt: skip
def test_what_cannot_verify_is_one_sentence(
    made_on_processors: Path, job: Job, words: list[str], sentence: str
) -> None:
    """Before an engine is started."""
    done = job.ftjob("verify", str(made_on_processors), *words, code=ExitCode.BAD_SPEC)

    assert sentence in " ".join(done.err.split())


@pytest.mark.torch
def test_verify_on_a_gpu_reports_where_there_is_none(made_on_processors: Path, job: Job) -> None:
    """And what to look at."""
    if take_inventory().driver:
        pytest.skip("an NVIDIA driver answers here")
    done = job.ftjob("verify", str(made_on_processors), "--gpu", code=ExitCode.ENGINE_CRASHED)

    assert "there is no GPU here: no NVIDIA driver answers" in " ".join(done.err.split())
