"""Every built-in net, planned from a spec and trained with real Caffe."""

import math
from pathlib import Path
from typing import Any

import pytest

from benchmarks.plan import write_lmdb
from ftjob import api
from ftjob.engine.open import open_engine
from ftjob.net import zoo
from ftjob.net.caffemodel.weights import read_weights
from ftjob.plan.plan import Plan
from ftjob.runfolder.layout import RunFolder
from jobspec import JobSpec

pytestmark = pytest.mark.caffe

CROPS = {"caffenet": 67, "alexnet": 67, "vgg16": 32, "vgg19": 32}
"""Smaller than usual, so that all of it is."""
SMALL = ("lenet", "squeezenet")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train and val of seven classes, in grey for LeNet and in colour."""
    folder = tmp_path_factory.mktemp("data")
    for channels in (1, 3):
        for split in ("train", "val"):
            (folder / str(channels)).mkdir(exist_ok=True)
            write_lmdb(folder / str(channels) / split, 14, classes=7, channels=channels)
    return folder


def planned(data: Path, net: str, **sections: Any) -> Plan:
    """Plan a run of two iterations with a batch of one."""
    known = zoo.get(net)
    lmdbs = data / str(known.channels)
    spec = {
        "name": "two",
        "base": {"net": net},
        "data": {
            **{"train": str(lmdbs / "train"), "val": str(lmdbs / "val"), "mean": [9.0], "scale": 1 / 256},
            **{"crop": CROPS.get(net, known.crop), "batch_size": 1},
        },
        "solver": {"max_iter": 2, "base_lr": 1e-5},
        "output": str(data / "runs"),
    }
    return api.plan(JobSpec.model_validate({**spec, **sections}))


def train(plan: Plan, folder: RunFolder) -> Path:
    """Train what the plan says for two iterations, and test; return the snapshot's caffemodel."""
    api.write_prototxts(plan, folder.root)
    weights = plan.inputs.weights.path if plan.inputs.weights else None
    with open_engine(
        "caffe", solver=folder.solver, weights=weights, log=folder.log(1), cwd=folder.root
    ) as engine:
        steps = engine.step(2)
        tested = engine.test(2, [plan.main_head.score])
        assert all(math.isfinite(step.loss) for step in steps)
        assert tested[plan.main_head.score].reshape(2, -1).shape == (2, 7)
        return engine.snapshot(folder.snapshots).caffemodel


@pytest.mark.parametrize("net", zoo.NAMES)
def test_what_is_planned_trains(data: Path, net: str, tmp_path: Path) -> None:
    """Two iterations and a test with Caffe, whose params are the plan's in number, shape and name."""
    plan = planned(data, net)

    saved = {
        layer.name: layer.shapes for layer in read_weights(train(plan, RunFolder(tmp_path))) if layer.blobs
    }

    assert saved == {layer.layer: layer.shapes for layer in plan.transfer}
    assert plan.forecast.parameters.total == sum(
        math.prod(shape) for shapes in saved.values() for shape in shapes
    )


@pytest.mark.parametrize("net", SMALL)
def test_what_is_frozen_stays_and_what_is_copied_learns(data: Path, net: str, tmp_path: Path) -> None:
    """From weights to weights: bytes of frozen layers are equal, those of copied and new ones are not."""
    first = train(planned(data, net), RunFolder(tmp_path / "first"))
    learners = [layer.name for layer in read_weights(first) if layer.blobs]
    plan = planned(
        data,
        net,
        name="tuned",
        base={"net": net, "weights": str(first)},
        surgery={"freeze": {"layers": [learners[0]]}},
        solver={"max_iter": 2, "base_lr": 1.0, "weight_decay": 0.1},
    )
    second = train(plan, RunFolder(tmp_path / "second"))

    kinds = {layer.layer: layer.kind for layer in plan.transfer if layer.kind != "unused"}
    before, after = (weights_of(path) for path in (first, second))
    assert {name: before.get(name) == after[name] for name in after} == {
        name: kind == "frozen" for name, kind in kinds.items()
    }


def weights_of(caffemodel: Path) -> dict[str, bytes]:
    """The bytes of each layer's first blob."""
    content = caffemodel.read_bytes()
    return {
        layer.name: content[layer.blobs[0].offset : layer.blobs[0].offset + 4 * layer.blobs[0].count]
        for layer in read_weights(caffemodel)
        if layer.blobs
    }
