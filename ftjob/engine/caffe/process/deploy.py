"""A deploy net that classifies."""

from __future__ import annotations

from typing import Any, Iterator, List, Optional

from ftjob.engine.caffe.process.nets import BadNetError, PycaffeNet
from ftjob.engine.process import stepping, wire
from ftjob.engine.process.rows import Rows


class BadDataError(Exception):
    """The images do not fit the net; named as in ftjob.errors, see process/serving.py."""


class CaffeDeploy:
    """A net with one input."""

    def __init__(self, net: Any, weights: str) -> None:
        net.copy_from(weights)
        self.net = PycaffeNet(net)
        if len(net._inputs) != 1:
            raise BadNetError("a deploy net has one input, this one has %d" % len(net._inputs))
        self.input = net._blobs[net._inputs[0]]
        self.shape = list(self.input.shape)

    def forward(self, blobs: List[str], at_once: Optional[int], images: Any) -> Iterator[wire.Frame]:
        """Forward images (N, C, H, W), so many at once; return the blobs, N rows each."""
        if list(images.shape[1:]) != self.shape[1:]:
            raise BadDataError(
                "images of shape %s do not fit the net's %s" % (images.shape[1:], tuple(self.shape[1:]))
            )
        self.net.check_names(blobs)
        rows, pulse = Rows(len(images), blobs), stepping.Pulse()
        size = at_once or self.shape[0]
        for first in range(0, len(images), size):
            batch = images[first : first + size]
            self._resize(len(batch))
            self.input.data[...] = batch
            self.net.forward()
            rows.take(first, len(batch), self.net.arrays(blobs))
            if pulse.due():
                yield stepping.alive(first, len(images))
        yield {}, rows.arrays()

    def _resize(self, batch: int) -> None:
        if self.input.shape[0] != batch:
            self.input.reshape(batch, *self.shape[1:])
            self.net.net.reshape()
