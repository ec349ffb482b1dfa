"""A deploy net as a program of torch.export: a file that PyTorch runs without ftjob."""

import json
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ftjob.engine.exported import PixelInput
from ftjob.engine.process import wire
from ftjob.engine.torch.process.layers.making import NetContext
from ftjob.engine.torch.process.net import TorchNet, input_shape
from ftjob.engine.torch.process.weights import load, make_weights
from ftjob.net.proto.caffe_pb2 import TEST, NetParameter
from ftjob.net.topology.shapes import infer_shapes

BATCH = 2
"""Images that the net is traced with: of a single one PyTorch assumes that there is always one."""
FACTS = "facts.json"
"""The file in the program's archive with what is known of the model."""


class Deployed(nn.Module):
    """A deploy net from its input, or from images of bytes, to some of its blobs by name."""

    def __init__(
        self, net: NetParameter, weights: Path, outputs: list[str], pixels: PixelInput | None
    ) -> None:
        super().__init__()
        self.input, (_, *image) = input_shape(net)
        shapes = infer_shapes(net, {self.input: (BATCH, *image)})
        device = torch.device("cpu")
        tensors = make_weights(shapes, 0, device)
        load(tensors, weights)
        self.net = TorchNet(shapes, tensors, NetContext(TEST, device, seed=0))
        self.buffers_of = {
            layer: [f"{index}_{layer.replace('.', '_')}_{number}" for number in range(len(held))]
            for index, (layer, held) in enumerate(tensors.items())
        }
        for layer, names in self.buffers_of.items():
            for name, tensor in zip(names, tensors[layer], strict=True):
                self.register_buffer(name, tensor.detach())
        self.outputs, self.pixels = outputs, pixels
        if pixels and pixels.mean is not None:
            self.register_buffer("mean", torch.from_numpy(pixels.mean.copy()))
        self.example = (
            torch.zeros(BATCH, *pixels.given, dtype=torch.uint8) if pixels else torch.zeros(BATCH, *image)
        )

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Return the blobs (N, ...) of N images."""
        blobs = {self.input: self._prepared(images)}
        for step in self.net.steps:
            if step.forward:
                layer = step.layer.layer
                params = [self.get_buffer(name) for name in self.buffers_of.get(layer.name, ())]
                tops = step.forward([blobs[blob] for blob in layer.bottom], params)
                blobs.update(zip(layer.top, tops, strict=True))
        return {name: blobs[name] for name in self.outputs}

    def _prepared(self, images: Tensor) -> Tensor:
        pixels = self.pixels
        if pixels is None:
            return images
        planes = images.permute(pixels.axes)[:, :, slice(*pixels.rows), slice(*pixels.columns)].float()
        planes = planes.flip(1) if pixels.reverses else planes
        planes = planes if pixels.mean is None else planes - self.get_buffer("mean")
        return planes if pixels.scale == 1 else planes * pixels.scale


def export(
    net: NetParameter,
    weights: Path,
    outputs: list[str],
    pixels: PixelInput | None,
    facts: Mapping[str, str],
) -> bytes:
    """Return a net of the TEST phase as a .pt2 file, for any number of images. Raises BadNetError."""
    deployed = Deployed(net, weights, outputs, pixels)
    with torch.no_grad():
        program = torch.export.export(
            deployed, (deployed.example,), dynamic_shapes={"images": {0: torch.export.Dim("N")}}, strict=False
        )
    file = BytesIO()
    torch.export.save(program, file, extra_files={FACTS: json.dumps(facts)})
    return file.getvalue()


class LoadedProgram:
    """A .pt2 file's content that was read again; the commands of its process."""

    def __init__(self, data: bytes) -> None:
        self.module = torch.export.load(BytesIO(data)).module()

    def forward(self, images: NDArray[np.generic], blobs: list[str]) -> wire.Frame:
        """Return blobs of images."""
        with torch.no_grad():
            found = self.module(torch.from_numpy(images))
        return {}, {blob: found[blob].numpy() for blob in blobs}
