"""The torch engine against real Caffe: the same layers, the same losses, each other's snapshots."""

from pathlib import Path

import numpy as np
import pytest

from ftjob.engine import Engine, SnapshotFiles
from ftjob.engine.open import open_deploy, open_engine
from ftjob.errors import BadNetError
from ftjob.net.proto.caffe_pb2 import TEST, SoftmaxParameter
from ftjob.net.prototxt import to_text
from ftjob.net.surgery.deploy import deploy_net
from ftjob.net.zoo import NAMES, build, get
from tests.engine import branches, nets
from tests.engine.conftest import Job

pytestmark = [pytest.mark.caffe, pytest.mark.torch, pytest.mark.usefixtures("forked_torch")]

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


def lenet() -> str:
    """The built-in LeNet on the test's LMDBs, four images at a time."""
    net = build("lenet")
    for layer in net.layer:
        if layer.type == "Data":
            layer.data_param.source = "val" if layer.include[0].phase == TEST else "train"
            layer.data_param.batch_size = 4
    return to_text(net)


@pytest.mark.parametrize(
    ("text", "shape"), [(lenet(), (1, 28, 28)), (branches.INCEPTION, (3, 23, 21))], ids=["lenet", "inception"]
)
def test_loss_curves_are_the_same(job: Job, tmp_path: Path, text: str, shape: tuple[int, int, int]):
    """From the same weights, over 25 updates that learn the images by heart, and in a test after them."""
    folder = job(text, images(20, shape), images(7, shape), base_lr=0.02, momentum=0.9, weight_decay=5e-4)
    with (
        opened("torch", folder) as torch,
        opened("caffe", folder, kept(torch, tmp_path / "begin").caffemodel) as caffe,
    ):
        mine, its = torch.step(25), caffe.step(25)
        found, wanted = (each.test(7, ["label", "accuracy"]) for each in (torch, caffe))

    assert [step.loss for step in mine] == pytest.approx([step.loss for step in its], rel=1e-3)
    assert mine[0].outputs == pytest.approx(its[0].outputs, rel=ROUNDING)
    assert mine[-1].loss < 0.7 * mine[0].loss
    assert found["label"].tolist() == wanted["label"].tolist()
    assert found["accuracy"] == pytest.approx(wanted["accuracy"])


SOLVERS = {
    "SGD": {
        "momentum": 0.9,
        "clip_gradients": 0.5,
        "iter_size": 2,
        "lr_policy": "step",
        "stepsize": 3,
        "gamma": 0.5,
    },
    "Nesterov": {"momentum": 0.9, "regularization_type": "L1"},
    "AdaGrad": {"momentum": 0.0},
    "RMSProp": {"momentum": 0.0, "rms_decay": 0.9},
    "AdaDelta": {"momentum": 0.95, "delta": 1e-6, "base_lr": 1.0},
    "Adam": {"momentum": 0.9, "momentum2": 0.99},
}


@pytest.mark.parametrize("kind", SOLVERS)
def test_a_run_passes_from_engine_to_engine(job: Job, tmp_path: Path, kind: str):
    """Four updates with torch, four with Caffe from its snapshot, four with torch from that: as Caffe alone.

    The solver's history passes with the weights, or the updates after would be others.
    """
    folder = job(
        nets.softmax_regression(), type=kind, **{"base_lr": 0.02, "weight_decay": 0.01, **SOLVERS[kind]}
    )
    with opened("torch", folder) as torch:
        begin = kept(torch, tmp_path / "begin").caffemodel
        losses = [step.loss for step in torch.step(4)]
        passed = kept(torch, tmp_path / "torch")
    with opened("caffe", folder, begin) as caffe:
        wanted = [step.loss for step in caffe.step(12)]
        end = nets.layers(kept(caffe, tmp_path / "alone").caffemodel)
    for name in ("caffe", "torch"):
        with opened(name, folder) as engine:
            engine.restore(passed.solverstate, passed.caffemodel)
            losses += [step.loss for step in engine.step(4)]
            passed = kept(engine, tmp_path / f"then_{name}")

    assert losses == pytest.approx(wanted, rel=ROUNDING)
    assert apart(nets.layers(passed.caffemodel), end) == {}


@pytest.mark.parametrize("name", NAMES)
def test_built_in_nets_answer_as_with_caffe(tmp_path: Path, name: str):
    """All of them, for two images at a time, of weights that keep the signal at its size through the layers.

    The wide inner products are cut and the VGGs' images halved, which leaves every kind of layer.
    """
    net, known = build(name), get(name)
    for layer in net.layer:
        if layer.name in ("fc6", "fc7"):
            layer.inner_product_param.num_output = 256
    side = known.crop // 2 if name.startswith("vgg") else known.crop
    shape = (2, known.channels, side, side)
    score = [layer.bottom[0] for layer in net.layer if layer.type == "SoftmaxWithLoss"][-1]
    deploy = deploy_net(net, score, shape, SoftmaxParameter())
    (tmp_path / "deploy.prototxt").write_text(to_text(deploy))
    nets.write_random_caffemodel(deploy, tmp_path / "weights.caffemodel")
    pixels = np.random.default_rng(1).normal(0, 1, shape).astype(np.float32)

    answers = {}
    for engine in ("caffe", "torch"):
        files = tmp_path / "deploy.prototxt", tmp_path / "weights.caffemodel"
        with open_deploy(engine, *files, log=tmp_path / f"{engine}.log") as opened_net:
            answers[engine] = opened_net.forward(pixels, [score, "prob"])

    for blob, wanted in answers["caffe"].items():
        assert np.abs(answers["torch"][blob] - wanted).max() <= ROUNDING * np.abs(wanted).max()
    assert answers["caffe"][score].std() > 0.1


def test_a_type_it_does_not_have_is_refused_with_its_layer(job: Job):
    """By name and type, with the engine that has it."""
    text = nets.softmax_regression().replace(
        'layer { name: "fc"',
        'layer { name: "mvn" type: "MVN" bottom: "data" top: "mvn" }\nlayer { name: "fc"',
    )
    with pytest.raises(
        BadNetError, match=r'layer "mvn" \(MVN\): the torch engine does not have .* engine: caffe'
    ):
        opened("torch", job(text))
