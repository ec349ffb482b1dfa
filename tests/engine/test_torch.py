"""What is the torch engine's own: how it is installed, its GPU, what it makes of PyTorch's errors."""

import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ftjob.engine.open import open_engine, resolve
from ftjob.engine.torch import install
from ftjob.errors import BadDataError, EngineError
from tests.engine import nets
from tests.engine.conftest import Job

Pair = tuple[int, int]
POOLINGS = given(
    shape=st.tuples(*[st.integers(1, most) for most in (3, 5, 9, 9)]),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    ceil_mode=st.booleans(),
    seed=st.integers(0, 99),
)


@pytest.mark.torch
def test_installing_what_is_there_prints_its_version():
    """`ftjob engine install torch` asks no registry then, and names the Python that has it."""
    words = [sys.executable, "-m", "ftjob", "engine", "install", "torch"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)

    assert done.stdout == f"PyTorch {version('torch')} is ready: {sys.executable}\n"


def test_without_pip_the_command_to_use_is_named(monkeypatch: pytest.MonkeyPatch):
    """An environment made by uv has none, and the system's Python may have none either."""
    monkeypatch.setattr(install, "has_torch", lambda: False)
    monkeypatch.setattr(install, "_works", lambda _: False)

    with pytest.raises(EngineError, match=r"there is no pip for .*: install torch>=2\.6 with .* `uv pip"):
        install.install_torch()


@pytest.mark.torch
def test_where_neither_engine_is_both_commands_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """`auto` on a machine with nothing."""
    monkeypatch.setenv("FTJOB_ENGINES", str(tmp_path))
    assert resolve("auto") == "torch"
    monkeypatch.setattr("ftjob.engine.torch.installed.has_torch", lambda: False)

    with pytest.raises(EngineError, match=r"install caffe` or `ftjob engine install torch`"):
        resolve("auto")


@pytest.mark.torch
def test_a_pytorch_that_does_not_load_is_reported(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """In its own words, such as those of one that is built for a CUDA that is not there."""
    (tmp_path / "torch.py").write_text("raise ImportError('libcudart.so.12: cannot open shared object file')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    folder = job(nets.convnet())

    with pytest.raises(EngineError, match=r"PyTorch cannot be loaded: libcudart\.so\.12"):
        open_engine("torch", solver=folder / "solver.prototxt", weights=None, log=folder / "log", cwd=folder)


@pytest.mark.torch
def test_a_full_gpu_is_one_of_ftjobs_errors():
    """The worker halves the batch for it; memory of the machine's own is another matter."""
    import torch

    from ftjob.engine.torch.process.server import TorchServer

    name, message = TorchServer().error_reply(
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
    )

    assert name == "GpuMemoryError"
    assert "lower data.batch_size" in message
    for beside_the_allocator in (
        "CUDA error: out of memory",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
    ):
        assert TorchServer().error_reply(RuntimeError(beside_the_allocator)) == (name, message)
    name, message = TorchServer().error_reply(
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")
    )
    assert (name, "ran out of memory" in message) == ("EngineError", True)


@pytest.mark.torch
def test_a_label_without_a_class_is_named(job: Job):
    """Caffe would read what lies beside the scores."""
    content = nets.Records(nets.records(4).images, nets.records(4).labels * 3)
    folder = job(nets.softmax_regression(), content)
    with (
        open_engine(
            "torch", solver=folder / "solver.prototxt", weights=None, log=folder / "log", cwd=folder
        ) as engine,
        pytest.raises(BadDataError, match=r'layer "loss" .* a label is 3, its classes are 0 to 2'),
    ):
        engine.step(1)


@pytest.mark.torch
def test_what_is_trained_on_can_be_tested_on(job: Job) -> None:
    """One LMDB for both nets."""
    net = nets.convnet()
    folder = job(net.replace('source: "val"', 'source: "train"'))
    with open_engine(
        "torch", solver=folder / "solver.prototxt", weights=None, log=folder / "log", cwd=folder
    ) as engine:
        engine.step(2)
        labels = engine.test(10, ["label"])["label"]
        engine.step(2)

    assert sorted(labels.tolist()) == sorted(nets.records(10).labels.tolist())


@pytest.mark.torch
@settings(deadline=None)
@POOLINGS
def test_quick_pooling_is_pytorchs_to_the_bit(
    shape: tuple[int, ...], kernel: Pair, stride: Pair, ceil_mode: bool, seed: int
):
    """With its gradient, where many values are equal, and where some are no numbers."""
    import torch

    from ftjob.engine.torch.process.layers.pooling import QuickMax

    random = torch.Generator().manual_seed(seed)
    values = torch.randint(0, 4, shape, generator=random).float()
    values[values == 3] = float("nan" if seed % 2 else "-inf")
    pad = (kernel[0] // 2, kernel[1] // 2)
    assume(all(side + 2 * margin >= size for side, margin, size in zip(shape[2:], pad, kernel, strict=True)))

    def pooled(pool: Callable[..., torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor | None]:
        x = values.clone().requires_grad_()
        top = pool(x, kernel, stride, pad, ceil_mode)
        (top * torch.arange(1, top.numel() + 1).reshape(top.shape)).sum().backward()
        return top.detach(), x.grad

    def plain(x: torch.Tensor, *window: Pair | bool) -> torch.Tensor:
        return torch.nn.functional.max_pool2d(x, *window[:3], 1, window[3])

    torch.testing.assert_close(pooled(QuickMax.apply), pooled(plain), rtol=0, atol=0, equal_nan=True)


@pytest.mark.torch
@settings(deadline=None)
@POOLINGS
def test_pooling_without_a_gradient_is_the_same(
    shape: tuple[int, ...], kernel: Pair, stride: Pair, ceil_mode: bool, seed: int
):
    """Tests and frozen trunks take a quicker way."""
    import torch

    from ftjob.engine.torch.process.layers.pooling import max_pool

    values = torch.randn(shape, generator=torch.Generator().manual_seed(seed)).round(decimals=1)
    pad = (kernel[0] // 2, kernel[1] // 2)
    assume(all(side + 2 * margin >= size for side, margin, size in zip(shape[2:], pad, kernel, strict=True)))
    learning = max_pool(values.clone().requires_grad_(), kernel, stride, pad, ceil_mode)

    assert torch.equal(max_pool(values, kernel, stride, pad, ceil_mode), learning.detach())
