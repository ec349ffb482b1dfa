"""What holds of both engines on a GPU; skipped where there is none. `make bench B=gpu` measures it."""

import numpy as np
import pytest

from benchmarks.gpu import weights
from ftjob.engine.inventory import take_inventory
from ftjob.engine.open import open_engine
from tests.engine import nets
from tests.engine.conftest import Job

pytestmark = pytest.mark.gpu


@pytest.fixture(
    params=[pytest.param("caffe", marks=pytest.mark.caffe), pytest.param("torch", marks=pytest.mark.torch)]
)
def engine(request: pytest.FixtureRequest) -> str:
    """An engine that can compute on this machine's GPU."""
    found = take_inventory()
    if not found.driver or not found.driver.devices:
        pytest.skip("there is no CUDA device here")
    if request.param == "caffe":
        code, problem = found.caffe_on(found.driver.devices[0])
        if not code:
            pytest.skip(problem or "the installed Caffe computes on processors only")
    return str(request.param)


def test_a_gpu_gives_the_losses_of_processors(job: Job, engine: str) -> None:
    """From the same weights; sums come in another order there, and convolutions may round to TF32."""
    folder = job(nets.convnet().replace('type: "Dropout"', 'type: "ReLU"'), momentum=0.9)
    losses = []
    for gpu in (None, 0):
        with open_engine(
            engine, solver=folder / "solver.prototxt", weights=None, log=folder / "log", cwd=folder, gpu=gpu
        ) as opened:
            losses.append([step.loss for step in opened.step(10)])

    assert losses[1] == pytest.approx(losses[0], rel=1e-2)


def test_a_resumed_run_is_where_it_would_have_been(job: Job, engine: str) -> None:
    """To float32's accuracy: some kernels add in an order of the moment."""
    folder = job(nets.convnet().replace('type: "Dropout"', 'type: "ReLU"'), momentum=0.9)
    settings = {
        "solver": folder / "solver.prototxt",
        "weights": None,
        "log": folder / "log",
        "cwd": folder,
        "gpu": 0,
    }
    with open_engine(engine, **settings) as first:
        first.step(3)
        begun = first.snapshot(folder)
        first.step(5)
        whole = weights(first.snapshot(folder).caffemodel)
    with open_engine(engine, **settings) as second:
        second.restore(begun.solverstate, begun.caffemodel)
        second.step(5)
        again = weights(second.snapshot(folder).caffemodel)

    assert np.abs(whole - again).max() <= 1e-4 * np.abs(whole).max()
