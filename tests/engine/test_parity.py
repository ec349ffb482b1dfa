"""The torch engine against real Caffe: the same layers, the same losses, each other's snapshots."""

from pathlib import Path

import numpy as np
import pytest

from ftjob.engine import Engine, SnapshotFiles
from ftjob.engine.open import open_engine
from tests.engine import branches, nets
from tests.engine.conftest import Job

Params = dict[str, list[np.ndarray]]
ROUNDING = 1e-4
"""What sums of float32 in another order come to within a few updates, as a share of the largest number."""


def opened(name: str, folder: Path, weights: Path | None = None) -> Engine:
    return open_engine(
        name, solver=folder / "solver.prototxt", weights=weights, log=folder / f"{name}.log", cwd=folder
    )


def images(count: int, shape: tuple[int, int, int] = (3, 11, 9)) -> nets.Records:
    """Random images in colour."""
    pixels = np.random.default_rng(4).integers(0, 256, (count, *shape), dtype=np.uint8)
    return nets.Records(pixels, np.arange(count) % 3)


def kept(engine: Engine, folder: Path) -> SnapshotFiles:
    """A snapshot of this moment."""
    folder.mkdir()
    return engine.snapshot(folder)


def apart(mine: Params, its: Params) -> dict[tuple[str, int], float]:
    """Where params differ by more than rounding, and by how much of the largest."""
    assert mine.keys() == its.keys()
    found = {
        (name, at): float(np.abs(a - b).max() / (np.abs(b).max() + 1e-6))
        for name in its
        for at, (a, b) in enumerate(zip(mine[name], its[name], strict=True))
    }
    return {place: share for place, share in found.items() if share > ROUNDING}


def test_every_layer_does_what_caffes_does(job: Job, tmp_path: Path):
    """Forward, seen in each branch's loss, and backward, seen in what three updates make of the weights."""
    text = nets.data(4, 4) + "".join(branches.branches().values())
    folder = job(text, images(10), images(7), momentum=0.9, weight_decay=0.01)
    with opened("torch", folder) as torch:
        begin = kept(torch, tmp_path / "begin").caffemodel
        with opened("caffe", folder, begin) as caffe:
            for step, wanted in zip(torch.step(3), caffe.step(3), strict=True):
                wrong = {
                    name: (step.outputs[name], value)
                    for name, value in wanted.outputs.items()
                    if step.outputs[name] != pytest.approx(value, rel=ROUNDING)
                }
                assert wrong == {}
                assert step.loss == pytest.approx(wanted.loss, rel=ROUNDING)
            mine = nets.layers(kept(torch, tmp_path / "torch").caffemodel)
            its = nets.layers(kept(caffe, tmp_path / "caffe").caffemodel)
    assert apart(mine, its) == {}
