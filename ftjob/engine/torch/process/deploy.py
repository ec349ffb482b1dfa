"""A deploy net that classifies; the commands of its process."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ftjob.engine.process import stepping, wire
from ftjob.engine.process.rows import Rows
from ftjob.engine.torch.process.layers.making import NetContext
from ftjob.engine.torch.process.layers.numerics import FP32, Numerics
from ftjob.engine.torch.process.net import TorchNet, input_shape
from ftjob.engine.torch.process.weights import load, make_weights
from ftjob.errors import BadDataError
from ftjob.net.proto.caffe_pb2 import TEST, NetParameter
from ftjob.net.topology.shapes import infer_shapes


class TorchDeploy:
    """A net with one input."""

    def __init__(
        self, net: NetParameter, weights: Path, device: torch.device, numerics: Numerics = FP32
    ) -> None:
        self.param, self.context = net, NetContext(TEST, device, seed=0, numerics=numerics)
        self.input, self.shape = input_shape(net)
        shapes = infer_shapes(net)
        self.weights = make_weights(shapes, 0, device)
        load(self.weights, weights)
        self.nets = {self.shape[0]: TorchNet(shapes, self.weights, self.context)}
        """By batch size: Caffe reshapes its one net."""

    def forward(
        self, blobs: list[str], at_once: int | None, images: NDArray[np.float32]
    ) -> Iterator[wire.Frame]:
        """Forward images (N, C, H, W), so many at once; return the blobs, N rows each."""
        if images.shape[1:] != self.shape[1:]:
            raise BadDataError(f"images of shape {images.shape[1:]} do not fit the net's {self.shape[1:]}")
        self.nets[self.shape[0]].check_names(blobs)
        rows, pulse, size = Rows(len(images), blobs), stepping.Pulse(), at_once or self.shape[0]
        for first in range(0, len(images), size):
            batch = images[first : first + size]
            net = self._of_size(len(batch))
            net.given = {self.input: torch.from_numpy(batch).to(self.context.device)}
            with torch.inference_mode():
                rows.take(first, len(batch), net.forward(blobs).arrays(blobs))
            if pulse.due():
                yield stepping.alive(first, len(images))
        yield {}, rows.arrays()

    def _of_size(self, batch: int) -> TorchNet:
        if batch not in self.nets:
            shapes = infer_shapes(self.param, {self.input: (batch, *self.shape[1:])})
            self.nets[batch] = TorchNet(shapes, self.weights, self.context)
        return self.nets[batch]
