"""GPU memory: the published numbers, what real Caffe takes per image, and what is suggested instead."""

import os
import subprocess
from pathlib import Path

import pytest
from google.protobuf import text_format

from ftjob.fs.paths import cache_dir
from ftjob.net.proto.caffe_pb2 import TEST, NetParameter
from ftjob.net.topology.shapes import data_inputs, infer_shapes
from ftjob.nodes.profiles import get_node
from ftjob.plan.memory import Batches, Memory, batches_that_fit, estimate_memory, net_memory
from tests.plan.zoo_nets import frozen_but, zoo_net, zoo_shapes

GIB = 2**30
CAFFE_PYTHON = cache_dir() / "engines" / "caffe" / "bin" / "caffe-python"
K80 = 11.17 * GIB

RESIDENT_AFTER_A_PASS = """
import re, sys, caffe
net = caffe.Net(sys.argv[1], getattr(caffe, sys.argv[2]))
net.forward()
net.backward() if sys.argv[2] == "TRAIN" else None
print(re.search(r"RssAnon:\\s+(\\d+)", open("/proc/self/status").read()).group(1))
"""
ALL_THAT_KEEP_BUFFERS = """
layer { name: "data" type: "DummyData" top: "data" top: "label" dummy_data_param {
  shape { dim: %(batch)d dim: 3 dim: 64 dim: 64 } shape { dim: %(batch)d } } }
layer { name: "frozen" type: "Convolution" bottom: "data" top: "frozen" param { lr_mult: 0 }
  convolution_param { num_output: 16 kernel_size: 3 pad: 1 bias_term: false } }
layer { name: "conv" type: "Convolution" bottom: "frozen" top: "conv"
  convolution_param { num_output: 16 kernel_size: 3 pad: 1 } }
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" }
layer { name: "scale" type: "Scale" bottom: "conv" top: "conv" }
layer { name: "prelu" type: "PReLU" bottom: "conv" top: "conv" }
layer { name: "apart" type: "BatchNorm" bottom: "conv" top: "apart" }
layer { name: "lrn" type: "LRN" bottom: "apart" top: "lrn" }
layer { name: "larger" type: "Eltwise" bottom: "lrn" bottom: "conv" top: "larger"
  eltwise_param { operation: MAX } }
layer { name: "joined" type: "Concat" bottom: "larger" bottom: "frozen" top: "joined" }
layer { name: "drop" type: "Dropout" bottom: "joined" top: "joined" }
layer { name: "pool" type: "Pooling" bottom: "joined" top: "pool"
  pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "flat" type: "Flatten" bottom: "pool" top: "flat" }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "flat" bottom: "label" top: "loss" }
"""


CONVOLUTION = """
layer { name: "data" type: "DummyData" top: "data"
  dummy_data_param { shape { dim: 1 dim: 8 dim: 224 dim: 224 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 1 %s } }
"""


def parsed(text: str) -> NetParameter:
    """The net of a prototxt."""
    return text_format.Parse(text, NetParameter())


def vgg16() -> Memory:
    """VGG-16 as peers measure it: 60 images in TRAIN, 50 in TEST."""
    return estimate_memory(zoo_shapes("vgg16", 60), zoo_shapes("vgg16", 50, TEST))


def test_vgg16_needs_what_is_known_of_it() -> None:
    """Blobs, gradients and params with momentum: 8.3 GiB at batch 60; a TEST net of batch 50: 2.8 GiB."""
    memory = vgg16()
    params = memory.weights + memory.weight_gradients + memory.history

    assert (memory.train.blobs + memory.train.gradients + params) / GIB == pytest.approx(8.3, abs=0.05)
    assert memory.test.blobs / GIB == pytest.approx(2.84, abs=0.01)


def resident(tmp_path: Path, net: NetParameter, phase: str) -> int:
    """Bytes of a Caffe process, but for mapped files, after a forward and in TRAIN a backward pass."""
    path = tmp_path / "net.prototxt"
    path.write_text(text_format.MessageToString(net))
    done = subprocess.run(
        [CAFFE_PYTHON, "-c", RESIDENT_AFTER_A_PASS, path, phase],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    return int(done.stdout) * 1024


@pytest.mark.caffe
@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
def test_memory_grows_per_image_as_in_caffe(tmp_path: Path, phase: str) -> None:
    """Twenty more images make a Caffe process larger by what the estimate grows, within 1 %."""
    nets = [parsed(ALL_THAT_KEEP_BUFFERS % {"batch": batch}) for batch in (4, 24)]
    few, many = (net_memory(infer_shapes(net), training=phase == "TRAIN").total for net in nets)
    grown = resident(tmp_path, nets[1], phase) - resident(tmp_path, nets[0], phase)

    assert grown == pytest.approx(many - few, rel=0.01)


@pytest.mark.caffe
def test_a_convolution_has_a_column_buffer_as_in_caffe(tmp_path: Path) -> None:
    """A 7x7 kernel in place of a 1x1, which needs none, costs a process its columns."""
    nets = [parsed(CONVOLUTION % window) for window in ("kernel_size: 1", "kernel_size: 7 pad: 3")]
    columns = [net_memory(infer_shapes(net), training=False).columns for net in nets]
    grown = resident(tmp_path, nets[1], "TEST") - resident(tmp_path, nets[0], "TEST")

    assert columns == [0, 4 * 8 * 49 * 224 * 224]
    assert grown == pytest.approx(columns[1], rel=0.02)


def test_adam_keeps_twice_the_history_of_sgd() -> None:
    """The solver's type decides how many blobs it keeps per param."""
    shapes = zoo_shapes("lenet", 1)

    adam, sgd = (estimate_memory(shapes, None, solver).history for solver in ("Adam", "SGD"))

    assert (adam, sgd) == (2 * 4 * 431_080, 4 * 431_080)


def test_two_bytes_a_number_save_what_they_are_counted_for() -> None:
    """VGG-16's blobs and gradients are products, ReLUs and pools: half but for images, scores and losses.
    Params and history stay, with a copy in two bytes beside them."""
    nets = zoo_shapes("vgg16", 60), zoo_shapes("vgg16", 50, TEST)
    full, tf32, half = (estimate_memory(*nets, "SGD", precision) for precision in ("fp32", "tf32", "bf16"))
    few = 4 * 60 * (3 * 224 * 224 + 1 + 1000 + 1)

    assert tf32 == full
    assert half == estimate_memory(*nets, "SGD", "fp16")
    assert half.train.blobs - few == pytest.approx((full.train.blobs - few) / 2, rel=1e-6)
    assert half.train.gradients == pytest.approx(full.train.gradients / 2, rel=1e-3)
    assert half.test.blobs == pytest.approx(full.test.blobs / 2, rel=0.01)
    assert (half.weights, half.weight_gradients, half.history) == (full.weights,) * 3
    assert half.copies == full.weights / 2
    assert half.total < 0.65 * full.total


def test_a_smaller_test_batch_is_tried_first() -> None:
    """VGG-16 at batch 60 fits half a K80 when only the TEST net is made smaller."""
    found = batches_that_fit(vgg16(), Batches(60, 1, 50), int(K80))

    assert found is not None
    assert found[0] == Batches(60, 1, 10)
    assert found[1].total < K80 < vgg16().total


def test_a_suggestion_keeps_the_effective_batch_and_needs_what_it_states() -> None:
    """In 8 GiB it is batch 30 twice, and an estimate made for those batches gives the same bytes."""
    found = batches_that_fit(vgg16(), Batches(60, 1, 50), 8 * GIB)
    again = estimate_memory(zoo_shapes("vgg16", 30), zoo_shapes("vgg16", 10, TEST))

    assert found is not None
    assert found[0] == Batches(30, 2, 10)
    assert found[1].total == pytest.approx(again.total, rel=1e-6)


def test_what_fits_is_left_alone_and_what_cannot_fit_is_not_suggested() -> None:
    """The batches asked for come back where they fit, nothing where not even one image does."""
    asked = Batches(60, 2, 50)
    enough = batches_that_fit(vgg16(), asked, 100 * GIB)

    assert enough == (asked, vgg16())
    assert batches_that_fit(vgg16(), asked, GIB) is None


def test_a_frozen_trunk_keeps_no_gradients() -> None:
    """With all but fc8 frozen the scores and the loss alone have gradients in memory."""
    frozen = frozen_but("fc8", zoo_net("caffenet", 2))
    shapes = infer_shapes(frozen, data_inputs(frozen.layer, (3, 256, 256)))

    assert net_memory(shapes, training=True).gradients == 4 * (2 * 1000 + 1)


def test_node_memory_comes_from_the_profile() -> None:
    """Half a K80 with error correction has 11,441 MiB."""
    assert get_node("p2.xlarge").memory_bytes == pytest.approx(11_441 * 2**20, rel=1e-3)
