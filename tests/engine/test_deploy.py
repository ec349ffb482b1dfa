"""A deploy net: any number of images, the same answers."""

from pathlib import Path

import numpy as np
import pytest

from ftjob.engine import DeployNet
from ftjob.engine.open import open_deploy
from ftjob.errors import BadDataError, BadNetError
from tests.engine import nets
from tests.engine.conftest import Job, Open
from tests.engines import ENGINES

pytestmark = pytest.mark.usefixtures("forked_torch")

DEPLOY = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 4 dim: 1 dim: 6 dim: 6 } } }
layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param { num_output: 3 } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""


@pytest.fixture
def weights(job: Job, opened: Open, tmp_path: Path) -> Path:
    """What softmax regression is after one update."""
    engine = opened(job(nets.softmax_regression()))
    engine.step(1)
    return engine.snapshot(tmp_path).caffemodel


def deployed(folder: Path, weights: Path) -> DeployNet:
    (folder / "deploy.prototxt").write_text(DEPLOY)
    return open_deploy("caffe", folder / "deploy.prototxt", weights, log=folder / "deploy.log")


@pytest.mark.caffe
def test_answers_are_the_nets_whatever_the_number_of_images(weights: Path, tmp_path: Path):
    """One, a batch, and more than a batch: each image's scores are those computed by hand."""
    images = nets.records(11).images * np.float32(nets.SCALE)
    weight, bias = nets.layers(weights)["fc"]
    with deployed(tmp_path, weights) as net:
        for count in (11, 1, 4, 6):
            found = net.forward(images[:count], ["prob", "fc"])

            expected = images[:count].reshape(count, -1) @ weight.T + bias
            np.testing.assert_allclose(found["fc"], expected, rtol=1e-4, atol=1e-6)
            np.testing.assert_allclose(found["prob"].sum(axis=1), np.ones(count), rtol=1e-5)


@pytest.mark.caffe
def test_images_that_do_not_fit_are_refused(weights: Path, tmp_path: Path):
    """By their shape, and none at all; the net answers on."""
    with deployed(tmp_path, weights) as net:
        with pytest.raises(BadDataError, match=r"shape \(1, 5, 6\) do not fit the net's \(1, 6, 6\)"):
            net.forward(np.zeros((2, 1, 5, 6), np.float32), ["prob"])
        with pytest.raises(BadDataError, match="no image"):
            net.forward(np.zeros((0, 1, 6, 6), np.float32), ["prob"])
        with pytest.raises(BadNetError, match="no blob 'probs'; it has data, fc, prob"):
            net.forward(np.zeros((2, 1, 6, 6), np.float32), ["probs"])
        assert net.forward(np.zeros((2, 1, 6, 6), np.float32), ["prob"])["prob"].shape == (2, 3)


@pytest.mark.caffe
def test_a_weights_file_that_is_not_one_is_named(tmp_path: Path):
    """Missing, or something else."""
    (tmp_path / "text").write_text("not weights")
    for name, message in (("none", "there is no file .*none"), ("text", "text is empty, cut off or not")):
        with pytest.raises(BadNetError, match=message):
            deployed(tmp_path, tmp_path / name)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("param", ["top_k: 2", "top_k: 2 axis: 1", "top_k: 2 axis: 1 out_max_val: true"])
def test_of_equals_argmax_takes_the_last(engine: str, param: str, weights: Path, tmp_path: Path):
    """As Caffe does, which sorts pairs of value and index."""
    best = f'layer {{ name: "best" type: "ArgMax" bottom: "data" top: "best" argmax_param {{ {param} }} }}'
    wide = DEPLOY.replace("dim: 1 dim: 6 dim: 6", "dim: 36 dim: 1 dim: 1")
    (tmp_path / "deploy.prototxt").write_text(wide + best)
    image = np.zeros((1, 36, 1, 1), np.float32)
    image[0, [1, 20, 30]] = 7

    with open_deploy(engine, tmp_path / "deploy.prototxt", weights, log=tmp_path / "log") as net:
        found = net.forward(image, ["best"])["best"].ravel().tolist()

    assert found == ([7, 7] if "out_max_val" in param else [30, 20])


@pytest.mark.parametrize("engine", ENGINES)
def test_a_layer_that_brings_a_param_is_no_input(engine: str, weights: Path, tmp_path: Path):
    """Parameter has no bottom, as an Input has none; it starts as zeros, so the scores stay what they are."""
    added = """
layer { name: "offset" type: "Parameter" top: "offset" parameter_param { shape { dim: 3 } } }
layer { name: "sum" type: "Bias" bottom: "fc" bottom: "offset" top: "sum" }
"""
    (tmp_path / "deploy.prototxt").write_text(DEPLOY + added)
    image = np.ones((1, 1, 6, 6), np.float32)
    with open_deploy(engine, tmp_path / "deploy.prototxt", weights, log=tmp_path / "deploy.log") as net:
        found = net.forward(image, ["fc", "sum"])

    np.testing.assert_array_equal(found["sum"], found["fc"])
