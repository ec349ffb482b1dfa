"""Caffemodels and mean images from shapes alone."""

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Self

import numpy as np

from ftjob.net.legacy.upgrade import V1_TYPES
from ftjob.net.proto.caffe_pb2 import BlobProto, LayerParameter, NetParameter, V1LayerParameter

Shape = tuple[int, ...]
LayerBlobs = tuple[str, str, tuple[Shape, ...]]
"""Name, type and shapes of a layer."""
FORMS = ("new", "legacy", "v1", "double")
"""legacy: blobs of four axes, as num, channels, height and width."""


@dataclass(frozen=True)
class Weights:
    """The params of layers, in a form that Caffe has had at some time."""

    layers: tuple[LayerBlobs, ...]
    form: str = "new"

    @classmethod
    def of(cls, values: dict[str, Any]) -> Self:
        """Read what JSON makes of one."""
        layers = tuple((name, kind, tuple(map(tuple, shapes))) for name, kind, shapes in values["layers"])
        return cls(layers, values["form"])


def make_weights(weights: Weights, path: Path) -> None:
    """Write a caffemodel of small random numbers."""
    net = NetParameter(name="weights")
    random = np.random.default_rng(1)
    for name, kind, shapes in weights.layers:
        layer = _layer(net, name, kind, weights.form)
        for shape in shapes:
            values = random.normal(0, 0.1, prod(shape))
            _fill(
                layer.blobs.add(),
                shape,
                np.abs(values) + 0.5 if kind == "BatchNorm" else values,
                weights.form,
            )
    path.write_bytes(net.SerializeToString())


def make_mean(shape: Shape, path: Path) -> None:
    """Write a mean image of grey."""
    blob = BlobProto()
    _fill(blob, shape, np.full(prod(shape), 110.0), "new")
    path.write_bytes(blob.SerializeToString())


def _layer(net: NetParameter, name: str, kind: str, form: str) -> "LayerParameter | V1LayerParameter":
    numbers = {word: number for number, word in V1_TYPES.items()}
    if form == "v1" and kind in numbers:
        return net.layers.add(name=name, type=numbers[kind])
    return net.layer.add(name=name, type=kind)


def _fill(blob: BlobProto, shape: Shape, values: "np.ndarray[Any, Any]", form: str) -> None:
    if form in ("legacy", "v1") and len(shape) <= 4:
        blob.num, blob.channels, blob.height, blob.width = (1,) * (4 - len(shape)) + shape
    else:
        blob.shape.dim.extend(shape)
    (blob.double_data if form == "double" else blob.data).extend(values.tolist())
