"""The params of a net as tensors: filled, shared by name, loaded from caffemodels by layer name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ftjob.engine.torch.process import streams
from ftjob.engine.torch.process.fillers import fill
from ftjob.errors import BadNetError
from ftjob.net.caffemodel.numbers import read_layer
from ftjob.net.caffemodel.transfer import same_shape
from ftjob.net.caffemodel.weights import LayerWeights, read_weights
from ftjob.net.topology.fillers import filler_of
from ftjob.net.topology.shapes import LayerShapes, NetShapes, Param

ByLayer = dict[str, list[Tensor]]


@dataclass(frozen=True)
class Learnable:
    """One param as the solver sees it, each shared one once (net.cpp, learnable_params)."""

    tensor: Tensor
    lr_mult: float
    decay_mult: float

    @property
    def frozen(self) -> bool:
        return self.lr_mult == 0


def make_weights(
    shapes: NetShapes, seed: int, device: torch.device, source: Mapping[str, Sequence[Tensor]] | None = None
) -> ByLayer:
    """Return the filled params of a net; params shared by name are one tensor. Learned ones take gradients.

    A layer that `source` has too shares that one's params (Net::ShareTrainedLayersWith).
    """
    made: ByLayer = {}
    owned: dict[tuple[str, int], Tensor] = {}
    for index, layer in enumerate(shapes.layers):
        tensors = []
        for number, param in enumerate(layer.params):
            if source and layer.name in source:
                tensor = source[layer.name][number]
            elif param.owner == layer.name:
                values = _filled(
                    layer, number, param, streams.generator(seed, streams.FILLERS, index, number)
                )
                tensor = _own(values, device).requires_grad_(param.lr_mult != 0)
                owned[layer.name, number] = tensor
            else:
                tensor = _shared(layer, number, shapes, made)
            tensors.append(tensor)
        if tensors:
            made[layer.name] = tensors
    return made


def _shared(layer: LayerShapes, number: int, shapes: NetShapes, made: ByLayer) -> Tensor:
    """Return the owner's param of that name, in this layer's shape."""
    name = layer.layer.param[number].name
    owner = next(other for other in shapes.layers if other.name == layer.params[number].owner)
    at = [spec.name for spec in owner.layer.param].index(name)
    tensor = made[owner.name][at]
    return tensor if tensor.shape == layer.params[number].shape else tensor.view(layer.params[number].shape)


def _own(values: NDArray[np.float32], device: torch.device) -> Tensor:
    """A tensor in memory of PyTorch's own, which is aligned, so that sums come out the same every time."""
    tensor = torch.empty(values.shape, device=device)
    return tensor.copy_(torch.from_numpy(np.asarray(values, order="C")))


def _filled(
    layer: LayerShapes, number: int, param: Param, random: np.random.Generator
) -> NDArray[np.float32]:
    filler = filler_of(layer.layer, number, tuple(each.shape for each in layer.params))
    return fill(filler, param.shape, random) if filler else np.zeros(param.shape, np.float32)


def learnables(shapes: NetShapes, weights: ByLayer) -> list[Learnable]:
    """Return the params that are a layer's own, in the order in which a solverstate has their history."""
    return [
        Learnable(tensor, param.lr_mult, param.decay_mult)
        for layer in shapes.layers
        for param, tensor in zip(layer.params, weights.get(layer.name, ()), strict=True)
        if param.owner == layer.name
    ]


def load(weights: ByLayer, path: Path) -> None:
    """Copy a caffemodel into the layers of the same names (net.cpp, CopyTrainedLayersFrom).

    Raises BadNetError where the file is none, or a layer has another shape in it.
    """
    if path.suffix == ".h5":
        raise BadNetError(f"{path}: the torch engine reads binary caffemodels, no HDF5: save it as one")
    with torch.no_grad():
        for layer in read_weights(path):
            if layer.name in weights:
                _check(layer, weights[layer.name])
                for tensor, values in zip(weights[layer.name], read_layer(path, layer), strict=True):
                    tensor.copy_(torch.from_numpy(values.reshape(tuple(tensor.shape))))


def _check(layer: LayerWeights, tensors: Sequence[Tensor]) -> None:
    if len(layer.blobs) != len(tensors):
        raise BadNetError(
            f"layer {layer.name} has another number of params in the weights than in the net: "
            "name it in surgery.relearn"
        )
    for blob, tensor in zip(layer.blobs, tensors, strict=True):
        if not same_shape(tuple(tensor.shape), blob):
            have, want = " ".join(map(str, blob.shape)), " ".join(map(str, tensor.shape))
            raise BadNetError(
                f"layer {layer.name} has shape {have} in the weights and {want} in the net: name it in "
                "surgery.heads or surgery.relearn, so that it is renamed and randomly initialised"
            )
