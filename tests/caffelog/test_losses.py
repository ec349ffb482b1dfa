"""Trainings of real Caffe with every loss it has: what went well stays healthy, what did not is named."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ftjob import api
from ftjob.net.proto.caffe_pb2 import NetParameter
from tests.caffelog.trainings import ACCURACY, LOSSES, layer, learnable, product, train, write_data
from tests.engine.nets import Records, write_lmdb

pytestmark = pytest.mark.caffe

SOFTMAX = LOSSES["softmax"]
LOSS = layer("SoftmaxWithLoss", ("fc", "label"), "loss")
CONV = layer("Convolution", ("data",), "conv", "convolution_param { num_output: 4 kernel_size: 3 }")


def again(folder: Path, name: str, content: Records) -> None:
    """Write an LMDB in another's place."""
    (folder / name / "data.mdb").unlink()
    write_lmdb(folder / name, content)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_training_that_went_well_is_healthy(tmp_path: Path, loss: str) -> None:
    """Wherever its loss begins: only a softmax per image begins at ln K."""
    write_data(tmp_path)
    (tmp_path / "log").write_bytes(train(tmp_path, LOSSES[loss]))

    found = api.explain(str(tmp_path / "log"))

    assert (found.cause, found.healthy) == ("nothing is wrong here", True)


def one_label(folder: Path) -> bytes:
    for name in ("train", "val"):
        again(folder, name, Records(learnable(24).images, np.zeros(24, np.int64)))
    return train(folder, SOFTMAX, base_lr=50.0)


def val_numbered_otherwise(folder: Path) -> bytes:
    content = learnable(12, seed=1)
    again(folder, "val", Records(content.images, (content.labels + 1) % 3))
    return train(folder, SOFTMAX)


def labels_far_off(folder: Path) -> bytes:
    content = learnable(24)
    again(folder, "train", Records(content.images, content.labels + 10**9))
    return train(folder, SOFTMAX)


def lmdb_cut_off(folder: Path) -> bytes:
    again(folder, "train", learnable(4000))
    data = folder / "train" / "data.mdb"
    os.truncate(data, data.stat().st_size // 2)
    return train(folder, SOFTMAX, max_iter=1000)


def fewer_params_in_test(folder: Path) -> bytes:
    fc = product("fc", 3)
    trained = fc.replace("inner_product_param {", "include { phase: TRAIN } inner_product_param {")
    tested = fc.replace(
        "inner_product_param {", "include { phase: TEST } inner_product_param { bias_term: false"
    )
    return train(folder, trained + tested + LOSS)


def more_outputs_in_test(folder: Path) -> bytes:
    trained = product("fc", 3).replace(
        "inner_product_param {", "include { phase: TRAIN } inner_product_param {"
    )
    tested = product("fc", 4).replace(
        "inner_product_param {", "include { phase: TEST } inner_product_param {"
    )
    return train(folder, trained + tested + LOSS)


def weights_for(change: Callable[[Records], Records]) -> Callable[[Path], bytes]:
    """A training that begins with weights of another, whose images were of another kind."""

    def make(folder: Path) -> bytes:
        net = CONV + product("fc", 3, "conv") + LOSS
        train(folder, net, max_iter=1, snapshot_after_train=True)
        for name in ("train", "val"):
            again(folder, name, change(learnable(24)))
        return train(folder, net, "-weights", "unused_iter_1.caffemodel")

    return make


def batch_norm_with(*shapes: tuple[int, ...]) -> Callable[[Path], bytes]:
    """A training that begins with a BatchNorm's params of these shapes."""

    def make(folder: Path) -> bytes:
        weights = NetParameter()
        norm = weights.layer.add(name="norm", type="BatchNorm")
        for shape in shapes:
            norm.blobs.add(data=[1.0] * int(np.prod(shape))).shape.dim.extend(shape)
        (folder / "norm.caffemodel").write_bytes(weights.SerializeToString())
        return train(folder, LOSSES["batch norm"], "-weights", "norm.caffemodel")

    return make


def statistics_of_nobody(folder: Path) -> bytes:
    norm = layer("BatchNorm", ("aside",), "norm", "batch_norm_param { use_global_stats: true }")
    return train(folder, product("aside", 8) + norm + product("fc", 3, "norm") + LOSS, base_lr=5.0)


def two_softmaxes(folder: Path) -> bytes:
    scores = product("fc", 3) + layer("Softmax", ("fc",), "prob")
    return train(
        folder, scores + layer("SoftmaxWithLoss", ("prob", "label"), "loss") + ACCURACY, base_lr=1e-4
    )


WRONG: dict[str, tuple[Callable[[Path], bytes], str, str]] = {
    "one label": (
        one_label,
        "the loss is 0 from iteration 10 on: there is nothing to learn, as when all records have one label",
        "`ftjob data check` counts the labels",
    ),
    "val numbered otherwise": (
        val_numbered_otherwise,
        "in tests, where accuracy stays at chance, 1/3: the training data was memorized, because "
        "records are sorted by class",
        "build train and val in one go",
    ),
    "labels far off": (
        labels_far_off,
        "memory that is not its own (SIGSEGV)",
        "a label outside 0..num_output-1",
    ),
    "an LMDB cut off": (
        lmdb_cut_off,
        "(SIGBUS): an LMDB is shorter than it says",
        "copy or build the LMDB again",
    ),
    "fewer params in TEST": (
        fewer_params_in_test,
        "layer fc has another number of params in the TEST net than in the TRAIN net",
        "write the layer once, for both phases",
    ),
    "more outputs in TEST": (
        more_outputs_in_test,
        "layer fc has 3 outputs in the TRAIN net and 4 in the TEST net",
        "write the layer once, for both phases",
    ),
    "colour on grey weights": (
        weights_for(lambda grey: Records(grey.images.repeat(3, 1), grey.labels)),
        "the images are in colour (3 channels) and the weights were trained on grey ones (1): layer conv",
        "--grey",
    ),
    "larger images": (
        weights_for(lambda small: Records(small.images.repeat(2, 2).repeat(2, 3), small.labels)),
        "layer fc reads 64 numbers per image in the weights and 400 in the net: the images, or the crop of "
        "them",
        "set data.crop",
    ),
    "NVIDIA's BatchNorm": (
        batch_norm_with((8,), (8,), (1,), (8,), (8,)),
        "layer norm has 5 params in the weights and 3 in the net: NVIDIA's Caffe",
        "convert the weights, its scale and bias into a Scale layer",
    ),
    "NVIDIA's shapes": (
        batch_norm_with((1, 8, 1, 1), (1, 8, 1, 1), (1,)),
        "layer norm has params of 1x8x1x1 in the weights, as NVIDIA's Caffe writes",
        "convert the weights",
    ),
    "statistics of nobody": (
        statistics_of_nobody,
        "layer norm has use_global_stats: true in training, but no loaded weights have its statistics",
        "leave use_global_stats out",
    ),
    "two softmaxes": (
        two_softmaxes,
        "nothing is learned: Softmax is between fc and its loss, which has its own softmax, so the "
        "loss cannot fall below 0.551",
        "remove Softmax",
    ),
    "a Python layer": (
        lambda folder: train(folder, SOFTMAX.replace('"InnerProduct"', '"Python"')),
        "layer fc of the TRAIN net is of type Python, and its code ended with ValueError",
        "ftjob runs no Python layers",
    ),
    "a loss without labels": (
        lambda folder: train(folder, SOFTMAX.replace('bottom: "label" top: "loss"', 'top: "loss"')),
        "layer loss of the TRAIN net is of type SoftmaxWithLoss, which takes 2 bottom blob(s) as input, and "
        "it has 1",
        "correct its bottoms",
    ),
    "a policy of another program": (
        lambda folder: train(folder, SOFTMAX, lr_policy="plateau"),
        "solver.lr_policy plateau is not one of fixed, step",
        "",
    ),
    "a folder that is not there": (
        lambda folder: train(folder, SOFTMAX, snapshot_prefix="nowhere/x", snapshot=10),
        "snapshots cannot be written to nowhere/x",
        "make the folder",
    ),
    "weights and a snapshot": (
        lambda folder: train(folder, SOFTMAX, "-weights", "a", "-snapshot", "b"),
        "`caffe train` was given a snapshot and weights",
        "give -snapshot with a .solverstate to resume",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_went_wrong_is_named(tmp_path: Path, case: str) -> None:
    """From what Caffe itself wrote, with what to do about it."""
    make, cause, fix = WRONG[case]
    write_data(tmp_path)
    (tmp_path / "log").write_bytes(make(tmp_path))

    found = api.explain(str(tmp_path / "log"))

    assert cause in found.cause
    assert fix in found.fix
    assert not found.healthy
