"""A bundle's answers: the same for an image alone, among all, and among those of its class."""

from pathlib import Path

import numpy as np
import pytest

from ftjob.bundle.alike import ALIKE, ask, depends_on_company, difference
from ftjob.bundle.verify import same_answers_of
from ftjob.engine.open import open_deploy
from ftjob.net import zoo
from ftjob.net.proto.caffe_pb2 import NetParameter
from ftjob.net.prototxt import parse_net, to_text
from ftjob.net.surgery.operation import DataLayers, operate
from jobspec.spec import Surgery
from tests.engine.nets import write_random_caffemodel
from tests.engines import ENGINES
from tests.net.conftest import NETS

pytestmark = pytest.mark.usefixtures("forked_torch")

CLASSES = 3
SIDES = {"alexnet": 67, "caffenet": 67, "lenet": 28, "squeezenet": 67, "vgg16": 32, "vgg19": 32}
"""Smaller images than usual, where a net takes them."""
MIXING = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }
layer { name: "bn" type: "BatchNorm" bottom: "data" top: "bn" batch_norm_param { use_global_stats: false } }
layer { name: "fc" type: "InnerProduct" bottom: "bn" top: "fc" inner_product_param { num_output: 3 } }
"""


def images(count: int, shape: tuple[int, ...]) -> np.ndarray:
    """Noise, louder in each image."""
    noise = np.random.default_rng(2).normal(0, 1, (count, *shape)).astype(np.float32)
    return noise * np.arange(1, count + 1, dtype=np.float32).reshape(-1, 1, 1, 1)


@pytest.mark.caffe
@pytest.mark.torch
@pytest.mark.parametrize("name", zoo.NAMES)
def test_built_in_nets_answer_each_image_for_itself(name: str, tmp_path: Path):
    """Their wide inner products are cut, which leaves every kind of layer."""
    known = zoo.get(name)
    side = SIDES.get(name, known.crop)
    net = zoo.build(name)
    for layer in net.layer:
        if layer.name in ("fc6", "fc7"):
            layer.inner_product_param.num_output = 128
    hold_the_law(net, (known.channels, side, side), tmp_path)


@pytest.mark.caffe
@pytest.mark.torch
@pytest.mark.parametrize("path", NETS.values(), ids=NETS)
def test_nets_of_all_forms_answer_each_image_for_itself(path: Path, tmp_path: Path):
    """Old forms, deploy nets, stages, BatchNorm of each phase, groups, several heads."""
    hold_the_law(parse_net(path.read_text(), path.name), (3, 8, 8), tmp_path)


def hold_the_law(net: NetParameter, shape: tuple[int, int, int], folder: Path) -> None:
    """One at a time, all at once, class by class: 1e-4 of the largest score; and images differ in theirs."""
    done = operate(net, Surgery(), CLASSES, DataLayers("train", "val", *shape, 4, 4), "own")
    (folder / "deploy.prototxt").write_text(to_text(done.deploy))
    write_random_caffemodel(done.deploy, folder / "weights.caffemodel")
    asked, score, labels = images(6, shape), done.main.score, np.arange(6) % CLASSES

    files = folder / "deploy.prototxt", folder / "weights.caffemodel"
    with open_deploy("caffe", *files, log=folder / "log") as opened:
        alone = opened.forward(asked, [score], at_once=1)[score].reshape(6, CLASSES)
        at_once = opened.forward(asked, [score], at_once=6)[score].reshape(6, CLASSES)
        by_class = np.empty_like(alone)
        for label in range(CLASSES):
            mine = labels == label
            by_class[mine] = opened.forward(asked[mine], [score], at_once=2)[score].reshape(-1, CLASSES)

    assert difference(alone, at_once) <= ALIKE
    assert difference(alone, by_class) <= ALIKE
    assert np.ptp(alone, axis=0).max() > 0.01


@pytest.mark.torch
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("count", [1, 2, 9])
def test_what_mixes_images_is_seen(engine: str, count: int, tmp_path: Path):
    """Even by one golden image alone."""
    (tmp_path / "deploy.prototxt").write_text(MIXING)
    write_random_caffemodel(parse_net(MIXING, "mixing"), tmp_path / "weights.caffemodel")
    files = tmp_path / "deploy.prototxt", tmp_path / "weights.caffemodel"

    with open_deploy(engine, *files, log=tmp_path / "log") as opened:
        answers = ask(opened, images(count, (3, 8, 8)), "fc")
        assert depends_on_company(opened, images(count, (3, 8, 8)), "fc")

    assert not answers.alike
    assert answers.alone.shape == (count, 3)


@pytest.mark.parametrize("count", [1, 2, 9])
def test_noise_is_not_taken_for_company(count: int):
    """Scores may go by how many are asked at once, as sums of too large numbers do."""

    class Noisy:
        def forward(self, images: np.ndarray, blobs: list[str], *, at_once: int) -> dict[str, np.ndarray]:
            return {blob: images.reshape(len(images), -1)[:, :3] * np.float32(at_once) for blob in blobs}

    answers = ask(Noisy(), images(count, (3, 8, 8)), "fc")

    assert not answers.alike
    assert not depends_on_company(Noisy(), images(count, (3, 8, 8)), "fc")


def test_differences_of_what_is_no_number():
    """The same places may be no numbers; one that is only in one of two is a difference without an end."""
    scores = np.array([[1.0, np.nan, 4.0]], dtype=np.float32)
    assert difference(scores, scores) == 0
    assert difference(scores, np.array([[1.0, np.nan, 3.0]], dtype=np.float32)) == 0.25
    assert difference(scores, np.array([[1.0, 0.0, 4.0]], dtype=np.float32)) == np.inf


def test_scores_of_next_to_nothing_are_not_compared_to_the_last_digit():
    """Where all cancel to rounding, as a mean over normalised maps does, there is no difference."""
    rounding = np.array([[3e-7, -2e-7, 1e-7]], dtype=np.float32)

    assert difference(rounding, -rounding) < ALIKE
    assert difference(rounding, rounding + np.float32(2e-5)) > ALIKE


def test_a_tie_is_the_same_answer_either_way():
    """Scores that are equal but for rounding have their highest anywhere."""
    before = np.array([[1.0, 1.0 + 1e-6, 0.0], [1.0, 0.5, 0.0]], dtype=np.float32)

    assert same_answers_of(before[:, [1, 0, 2]], before, 1e-3).tolist() == [True, False]
