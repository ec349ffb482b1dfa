"""What holds of both engines on a GPU; skipped where there is none. `make bench B=gpu` measures it."""

import numpy as np
import pytest

from benchmarks.gpu.eachengine import weights
from ftjob.engine.open import open_engine
from ftjob.errors import BadSpecError
from ftjob.net.precision import LEAST_CAPABILITY, PRECISIONS, Precision, refusal
from tests.engine import nets
from tests.engine.conftest import Job
from tests.gpus import gpu_for_engine, machine_with_gpu

pytestmark = pytest.mark.gpu

TOLERANCE: dict[Precision, float] = {"fp32": 1e-3, "tf32": 1e-2, "bf16": 5e-2, "fp16": 1e-2}
"""Of losses, over a few updates."""
CASES = [
    pytest.param(("caffe", "fp32"), marks=pytest.mark.caffe),
    *(pytest.param(("torch", precision), marks=pytest.mark.torch) for precision in PRECISIONS),
]


@pytest.fixture(params=CASES, ids="-".join)
def engine(request: pytest.FixtureRequest) -> tuple[str, Precision]:
    """An engine and a precision that can compute on this machine's GPU."""
    name, precision = request.param
    gpu_for_engine(name, precision)
    return name, precision


def test_a_gpu_gives_the_losses_of_processors(job: Job, engine: tuple[str, Precision]) -> None:
    """From the same weights, fp32 there; sums come in another order here, and products have fewer digits."""
    name, precision = engine
    folder = job(nets.convnet().replace('type: "Dropout"', 'type: "ReLU"'), momentum=0.9)
    losses = []
    for settings in ({"gpu": None}, {"gpu": 0, "precision": precision}):
        with open_engine(
            name,
            solver=folder / "solver.prototxt",
            weights=None,
            log=folder / "log",
            cwd=folder,
            **settings,
        ) as opened:
            losses.append([step.loss for step in opened.step(10)])

    assert losses[1] == pytest.approx(losses[0], rel=TOLERANCE[precision])


def test_a_resumed_run_is_where_it_would_have_been(job: Job, engine: tuple[str, Precision]) -> None:
    """To the precision's accuracy: some kernels add in an order of the moment."""
    name, precision = engine
    folder = job(nets.convnet().replace('type: "Dropout"', 'type: "ReLU"'), momentum=0.9)
    settings = {
        "solver": folder / "solver.prototxt",
        "weights": None,
        "log": folder / "log",
        "cwd": folder,
        "gpu": 0,
        "precision": precision,
    }
    with open_engine(name, **settings) as first:
        first.step(3)
        begun = first.snapshot(folder)
        first.step(5)
        whole = weights(first.snapshot(folder).caffemodel)
    with open_engine(name, **settings) as second:
        second.restore(begun.solverstate, begun.caffemodel)
        second.step(5)
        again = weights(second.snapshot(folder).caffemodel)

    assert np.abs(whole - again).max() <= 0.1 * TOLERANCE[precision] * np.abs(whole).max()


@pytest.mark.torch
def test_two_gpus_learn_as_one_with_twice_the_batch(job: Job) -> None:
    """Over NCCL, in fp32, to the accuracy of sums in another order."""
    driver = machine_with_gpu()[0].driver
    if driver is None or len(driver.devices) < 2:
        pytest.skip("two CUDA devices are needed, and one is here")
    losses = []
    for ranks, batch in ((1, 8), (2, 4)):
        folder = job(
            nets.convnet(batch).replace('type: "Dropout"', 'type: "ReLU"'), momentum=0.9, iter_size=2
        )
        with open_engine(
            "torch",
            solver=folder / "solver.prototxt",
            weights=None,
            log=folder / "log",
            cwd=folder,
            gpu=0,
            ranks=ranks,
        ) as opened:
            losses.append([step.loss for step in opened.step(10)])

    assert losses[1] == pytest.approx(losses[0], rel=TOLERANCE["fp32"])


@pytest.mark.torch
@pytest.mark.parametrize("precision", LEAST_CAPABILITY)
def test_a_gpu_without_a_precision_is_refused(job: Job, precision: Precision) -> None:
    """By the engine's process, which sees the device itself."""
    _, device = machine_with_gpu()
    if not refusal(precision, device.capability, ""):
        pytest.skip(f"this GPU has {precision}")
    folder = job(nets.convnet())

    with pytest.raises(BadSpecError, match=rf"solver\.precision: {precision} needs a GPU"):
        open_engine(
            "torch",
            solver=folder / "solver.prototxt",
            weights=None,
            log=folder / "log",
            cwd=folder,
            gpu=0,
            precision=precision,
        )
