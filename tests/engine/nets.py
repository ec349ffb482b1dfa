"""Small nets, solvers and LMDBs on disk, for engines to train."""

from dataclasses import dataclass
from pathlib import Path

import lmdb
import numpy as np
from google.protobuf import text_format
from numpy.typing import NDArray

from ftjob.net.proto.caffe_pb2 import (
    BlobProto,
    BlobShape,
    Datum,
    LayerParameter,
    NetParameter,
    SolverParameter,
)
from ftjob.net.topology.shapes import infer_shapes
from ftjob.protowire import bytes_field

SCALE = 1 / 256
PARAMS = "param { lr_mult: 1 decay_mult: 1 } param { lr_mult: 2 decay_mult: 0 }"
FROZEN = "param { lr_mult: 0 decay_mult: 0 } param { lr_mult: 0 decay_mult: 0 }"


@dataclass(frozen=True)
class Records:
    """What an LMDB has: images (N, C, H, W) of bytes and one label each."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]


def records(count: int, classes: int = 3, size: int = 6, seed: int = 0) -> Records:
    """Random gray images whose labels go round the classes."""
    images = np.random.default_rng(seed).integers(0, 256, (count, 1, size, size), dtype=np.uint8)
    return Records(images, np.arange(count) % classes)


def write_lmdb(path: Path, content: Records, first: int = 0) -> Path:
    """Write an LMDB of Datum, as convert_imageset does, or add to one from the record `first` on."""
    with lmdb.open(str(path), map_size=1 << 26) as env, env.begin(write=True) as txn:
        for i, (image, label) in enumerate(zip(content.images, content.labels, strict=True), first):
            channels, height, width = image.shape
            datum = Datum(
                channels=channels, height=height, width=width, label=int(label), data=image.tobytes()
            )
            txn.put(f"{i:08d}".encode(), datum.SerializeToString())
    return path


def data(batch: int, test_batch: int, transform: str = "", test_transform: str = "") -> str:
    """The Data layers of both phases, over the LMDBs `train` and `val`."""
    layer = (
        'layer {{ name: "data" type: "Data" top: "data" top: "label" include {{ phase: {phase} }} '
        "transform_param {{ scale: {scale} {transform} }} "
        'data_param {{ source: "{source}" batch_size: {batch} backend: LMDB }} }}\n'
    )
    train = layer.format(phase="TRAIN", source="train", batch=batch, scale=SCALE, transform=transform)
    return train + layer.format(
        phase="TEST", source="val", batch=test_batch, scale=SCALE, transform=test_transform
    )


def softmax_regression(batch: int = 4, *, params: str = PARAMS, test_batch: int = 4, loss: str = "") -> str:
    """One InnerProduct and its SoftmaxWithLoss: small enough for its gradient to be written by hand."""
    return f"""name: "softmax_regression"
{data(batch, test_batch)}
layer {{ name: "fc" type: "InnerProduct" bottom: "data" top: "fc" {params}
  inner_product_param {{
    num_output: 3 weight_filler {{ type: "xavier" }} bias_filler {{ type: "constant" value: 0.1 }} }} }}
layer {{ name: "prob" type: "Softmax" bottom: "fc" top: "prob" include {{ phase: TEST }} }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" {loss} }}
"""


def convnet(
    batch: int = 4, *, conv_params: str = PARAMS, transform: str = "", test_transform: str = ""
) -> str:
    """A convolution, dropout and a classifier."""
    return f"""name: "convnet"
{data(batch, 4, transform, test_transform)}
layer {{ name: "conv" type: "Convolution" bottom: "data" top: "conv" {conv_params}
  convolution_param {{ num_output: 4 kernel_size: 3 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "relu" type: "ReLU" bottom: "conv" top: "conv" }}
layer {{ name: "drop" type: "Dropout" bottom: "conv" top: "conv" }}
layer {{ name: "fc" type: "InnerProduct" bottom: "conv" top: "fc" {PARAMS}
  inner_product_param {{ num_output: 3 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }}
"""


def solver(**changes: object) -> str:
    """A solver prototxt: plain SGD at a fixed rate but for the changes. `stepvalue` may be a list."""
    fields = {
        "net": "train_val.prototxt", "base_lr": 0.1, "lr_policy": "fixed", "momentum": 0.0,
        "weight_decay": 0.0, "max_iter": 100, "random_seed": 3, "snapshot_prefix": "unused",
    }  # fmt: skip
    return text_format.MessageToString(SolverParameter(**{**fields, **changes}))


def layers(caffemodel: Path) -> dict[str, list[NDArray[np.float32]]]:
    """Return the params of each layer that has some."""
    net = NetParameter.FromString(caffemodel.read_bytes())
    return {
        layer.name: [np.array(blob.data, np.float32).reshape(blob.shape.dim) for blob in layer.blobs]
        for layer in net.layer
        if layer.blobs
    }


def write_random_caffemodel(net: NetParameter, path: Path, seed: int = 0) -> None:
    """Write weights that keep the signal at its size: normal numbers by fan-in, statistics of a plausible
    size; what layers share by name is the same in each."""
    random, pieces = np.random.default_rng(seed), []
    shared: dict[str, NDArray[np.float32]] = {}
    for layer in infer_shapes(net).layers:
        blobs = []
        for place, param in enumerate(layer.params):
            fan_in = param.count / (param.shape[0] if param.shape else 1)
            values = random.standard_normal(param.shape, np.float32) * np.sqrt(2 / fan_in, dtype=np.float32)
            if layer.type == "BatchNorm":
                values = np.abs(values) * (place > 0) + (0.5 if place == 1 else 0)
            elif layer.type == "Scale":
                values = values * 0.1 + 0.5
            names = [spec.name for spec in layer.layer.param]
            name = (names[place] if place < len(names) else "") or f"{layer.name} {place}"
            values = shared.setdefault(name, np.asarray(values, "<f4"))
            shape = bytes_field(
                BlobProto.SHAPE_FIELD_NUMBER, [BlobShape(dim=param.shape).SerializeToString()]
            )
            blob = [*shape, *bytes_field(BlobProto.DATA_FIELD_NUMBER, [values.tobytes()])]
            blobs += bytes_field(LayerParameter.BLOBS_FIELD_NUMBER, blob)
        if blobs:
            head = LayerParameter(name=layer.name, type=layer.type).SerializeToString()
            pieces += bytes_field(NetParameter.LAYER_FIELD_NUMBER, [head, *blobs])
    path.write_bytes(b"".join(pieces))
