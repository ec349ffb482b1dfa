"""Small trainings of real Caffe: nets of every loss it has, over a few images that it can learn."""

import os
import subprocess
from pathlib import Path

import numpy as np

from ftjob.engine.caffe.installed import find_caffe
from ftjob.net.proto.caffe_pb2 import BlobProto, BlobShape
from tests.engine.nets import Records, data, solver, write_lmdb

CLASSES = 3


def learnable(count: int, classes: int = CLASSES, seed: int = 0) -> Records:
    """Grey images of 6 by 6, each a pattern of its class and some noise."""
    patterns = np.random.default_rng(7).integers(0, 200, (classes, 1, 6, 6))
    labels = np.arange(count) % classes
    noise = np.random.default_rng(seed).integers(0, 50, (count, 1, 6, 6))
    return Records((patterns[labels] + noise).astype(np.uint8), labels)


def product(name: str, outputs: int, bottom: str = "data") -> str:
    """An InnerProduct that begins with small weights."""
    filler = f'num_output: {outputs} weight_filler {{ type: "gaussian" std: 0.01 }}'
    return layer("InnerProduct", (bottom,), name, f"inner_product_param {{ {filler} }}")


def layer(kind: str, bottoms: tuple[str, ...], top: str, fields: str = "") -> str:
    """A layer that is named after its top."""
    inputs = " ".join(f'bottom: "{bottom}"' for bottom in bottoms)
    return f'layer {{ name: "{top}" type: "{kind}" {inputs} top: "{top}" {fields} }}\n'


ACCURACY = layer("Accuracy", ("fc", "label"), "accuracy", "include { phase: TEST }")
LOSSES = {
    "softmax": product("fc", CLASSES) + layer("SoftmaxWithLoss", ("fc", "label"), "loss") + ACCURACY,
    "softmax, summed over the batch": product("fc", CLASSES)
    + layer("SoftmaxWithLoss", ("fc", "label"), "loss", "loss_param { normalization: NONE }"),
    "multinomial": product("fc", CLASSES)
    + layer("Softmax", ("fc",), "prob")
    + layer("MultinomialLogisticLoss", ("prob", "label"), "loss")
    + ACCURACY,
    "hinge": product("fc", CLASSES) + layer("HingeLoss", ("fc", "label"), "loss") + ACCURACY,
    "squared hinge": product("fc", CLASSES)
    + layer("HingeLoss", ("fc", "label"), "loss", "hinge_loss_param { norm: L2 }")
    + ACCURACY,
    "infogain": product("fc", CLASSES)
    + layer("InfogainLoss", ("fc", "label"), "loss", 'infogain_loss_param { source: "gain" }')
    + ACCURACY,
    "euclidean": product("fc", 1) + layer("EuclideanLoss", ("fc", "label"), "loss"),
    "euclidean, far off": product("fc", 1)
    + layer("Power", ("label",), "target", "power_param { scale: 40 shift: 300 }")
    + layer("EuclideanLoss", ("fc", "target"), "loss", "loss_weight: 0.001"),
    "sigmoid": layer("Threshold", ("label",), "is_first", "threshold_param { threshold: 0.5 }")
    + product("fc", 1)
    + layer("SigmoidCrossEntropyLoss", ("fc", "is_first"), "loss"),
    "contrastive": layer("Threshold", ("label",), "is_alike", "threshold_param { threshold: 0.5 }")
    + product("left", 4)
    + product("right", 4)
    + layer("ContrastiveLoss", ("left", "right", "is_alike"), "loss"),
    "batch norm": product("aside", 8)
    + layer("BatchNorm", ("aside",), "norm")
    + product("fc", CLASSES, "norm")
    + layer("SoftmaxWithLoss", ("fc", "label"), "loss")
    + ACCURACY,
    "two softmaxes": product("fc", CLASSES)
    + layer("SoftmaxWithLoss", ("fc", "label"), "loss")
    + product("aside", CLASSES)
    + layer("SoftmaxWithLoss", ("aside", "label"), "loss_aside", "loss_weight: 0.3")
    + ACCURACY,
}
"""Nets of every loss layer of Caffe 1.0, without their data."""


def write_data(folder: Path) -> None:
    """Write `train` and `val`, LMDBs of 24 and 12 images, and `gain`, the matrix of an InfogainLoss."""
    write_lmdb(folder / "train", learnable(24))
    write_lmdb(folder / "val", learnable(12, seed=1))
    shape = BlobShape(dim=(1, 1, CLASSES, CLASSES))
    gain = BlobProto(shape=shape, data=(np.eye(CLASSES) + 0.1).ravel().tolist())
    (folder / "gain").write_bytes(gain.SerializeToString())


def train(folder: Path, layers: str, *options: str, **fields: object) -> bytes:
    """Run `caffe train` in a folder with data; return its log."""
    settings = {
        "max_iter": 120,
        "display": 10,
        "test_interval": 40,
        "test_iter": [3],
        "snapshot_after_train": False,
        "base_lr": 0.05,
        "momentum": 0.9,
    }
    (folder / "train_val.prototxt").write_text(data(8, 4) + layers)
    (folder / "solver.prototxt").write_text(solver(**(settings | fields)))
    done = subprocess.run(
        [find_caffe().program("caffe"), "train", "-solver", "solver.prototxt", *options],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        check=False,
    )
    return done.stdout
