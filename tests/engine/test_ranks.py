"""Several processes that train one net: what they learn, and how they end."""

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import psutil
import pytest

from ftjob.engine import Features
from ftjob.engine.client import ProcessEngine
from ftjob.engine.open import open_engine
from ftjob.engine.torch.client import PROGRAM
from ftjob.engine.torch.rank_end import end_line
from ftjob.errors import BadDataError, BadSpecError, EngineError, GpuMemoryError
from tests.engine import nets
from tests.engine.conftest import Job
from tests.engine.test_child import until

pytestmark = pytest.mark.torch

CROPPED = "mirror: true crop_size: 5"
SETTINGS = {"momentum": 0.9, "weight_decay": 0.01, "iter_size": 2, "base_lr": 0.05}


def net(batch: int) -> str:
    """A net without dropout, whose masks are each rank's own."""
    text = nets.convnet(batch, transform=CROPPED, test_transform="crop_size: 5")
    return text.replace('type: "Dropout"', 'type: "Power"')


def opened(folder: Path, ranks: int = 2, **settings: object) -> ProcessEngine:
    engine = open_engine(
        "torch",
        solver=folder / "solver.prototxt",
        weights=None,
        log=folder / "log",
        cwd=folder,
        ranks=ranks,
        **settings,
    )
    assert isinstance(engine, ProcessEngine)
    return engine


def others(engine: ProcessEngine) -> list[psutil.Process]:
    """The processes of the ranks but the first."""
    return psutil.Process(engine.child.pid).children()


def are_gone(processes: list[psutil.Process]) -> bool:
    return until(lambda: not any(each.is_running() and each.status() != "zombie" for each in processes))


def test_two_ranks_with_batch_8_learn_as_one_with_16(job: Job):
    """With momentum, iter_size, crops and mirrors, round the data, and resumed by one rank alone."""
    content = nets.records(50)
    folder = job(net(16), content, **SETTINGS)
    with opened(folder, 1) as alone:
        wanted = alone.step(6)
        weights = nets.layers(alone.snapshot(folder).caffemodel)
        wanted += alone.step(4)
    with opened(job(net(8), content, **SETTINGS)) as engine:
        assert len(others(engine)) == 1
        got = engine.step(6)
        (folder / "of two").mkdir()
        kept = engine.snapshot(folder / "of two")
    assert until(lambda: not psutil.pid_exists(engine.child.pid))
    for name, blobs in nets.layers(kept.caffemodel).items():
        for mine, its in zip(blobs, weights[name], strict=True):
            np.testing.assert_allclose(mine, its, atol=1e-5)

    with opened(job(net(16), content, **SETTINGS), 1) as resumed:
        resumed.restore(kept.solverstate, kept.caffemodel)
        got += resumed.step(4)
    assert [step.iteration for step in got] == list(range(1, 11))
    assert [step.loss for step in got] == pytest.approx([step.loss for step in wanted], rel=1e-5)
    assert [step.outputs["loss"] for step in got] == pytest.approx(
        [step.outputs["loss"] for step in wanted], rel=1e-5
    )


def test_restoring_equals_never_having_stopped(job: Job):
    """Bit for bit, with dropout, with tests between, which the first rank makes alone."""
    text = nets.convnet(3, transform=CROPPED, test_transform="crop_size: 5")
    folder = job(text, nets.records(50), **SETTINGS)
    with opened(folder, 3) as unbroken:
        unbroken.step(3)
        kept = unbroken.snapshot(folder)
        assert sorted(unbroken.test(7, ["label"])["label"]) == sorted(nets.records(7, seed=1).labels)
        wanted = unbroken.step(4)
    with opened(folder, 3) as resumed:
        resumed.restore(kept.solverstate, kept.caffemodel)
        got = resumed.step(4)

    assert [(step.iteration, step.loss) for step in got] == [(step.iteration, step.loss) for step in wanted]


def test_a_rank_that_is_killed_ends_the_engine(job: Job):
    """At once, in the middle of an update, with the signal's name; no process is left."""
    engine = opened(job(net(64)))
    ranks = others(engine)
    threading.Timer(0.3, ranks[0].kill).start()

    with pytest.raises(EngineError, match=r"rank 1 of 2: was ended by SIGKILL"):
        engine.step(10**6)

    assert not psutil.pid_exists(engine.child.pid)
    assert are_gone(ranks)
    engine.close()


def test_an_error_of_any_rank_is_the_engines(job: Job):
    """As a full GPU of one of them is, for which the worker halves the batch; the others end with it."""
    content = nets.records(10)
    content.labels[5] = 7  # in the second rank's first batch
    engine = opened(job(net(4), content, iter_size=1))
    ranks = others(engine)

    with pytest.raises(BadDataError, match=r'rank 1 of 2: layer "loss" .* a label is 7'):
        engine.step(1)

    assert are_gone(ranks)
    full = end_line(1, 2, "GpuMemoryError", "it is full")
    assert isinstance(PROGRAM.explain(f"earlier\n{full}", 1), GpuMemoryError)
    assert not isinstance(PROGRAM.explain(f"{full}later", 1), GpuMemoryError)


PARENT = """
import sys
from pathlib import Path
from ftjob.engine.open import open_engine
settings = {"weights": None, "log": Path("log"), "cwd": Path(), "ranks": 2}
engine = open_engine("torch", solver=Path("solver.prototxt"), **settings)
print(engine.child.pid, flush=True)
engine.step(10**7)
"""


def test_ranks_die_with_the_engines_parent(job: Job):
    """SIGKILL of the worker ends all of them."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT],
        cwd=job(net(4)),
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )
    with parent:
        assert parent.stdout is not None
        first = psutil.Process(int(parent.stdout.readline()))
        ranks = [first, *first.children()]
        parent.kill()

    assert len(ranks) == 2
    assert are_gone(ranks)


def test_ranks_share_the_features_of_a_frozen_trunk(job: Job):
    """Each keeps what it computed, for all; the losses are those of one rank that keeps none."""
    text = net(4).replace(nets.PARAMS, nets.FROZEN, 1).replace(CROPPED, "mirror: true")
    folder = job(text, nets.records(24), momentum=0.9)
    features = Features(folder / "features", 10**9, {"train": "a digest"})
    (folder / "features").mkdir()
    losses = []
    with opened(folder, 2, features=features) as engine:
        losses.append([step.loss for step in engine.step(9)])
        assert re.search(r"features: TRAIN: conv", (folder / "log").read_text())
    with opened(job(text.replace("batch_size: 4", "batch_size: 8", 1), momentum=0.9), 1) as alone:
        losses.append([step.loss for step in alone.step(9)])

    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_caffe_refuses_several_ranks(tmp_path: Path):
    """More are refused before anything is started."""
    with pytest.raises(BadSpecError, match=r"solver\.gpus: Caffe trains on one GPU here: set engine: torch"):
        open_engine(
            "caffe", solver=tmp_path, weights=None, log=tmp_path / "log", cwd=tmp_path, gpu=0, ranks=4
        )
