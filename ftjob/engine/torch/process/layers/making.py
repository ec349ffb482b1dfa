"""The context that layers are made with, and the function they become."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from torch import Tensor, device

from ftjob.engine.torch.process import streams
from ftjob.engine.torch.process.layers.numerics import FP32, Numerics
from ftjob.net.layers.rule import Shape
from ftjob.net.proto.caffe_pb2 import LayerParameter, Phase
from ftjob.net.topology.shapes import LayerShapes

Forward = Callable[[Sequence[Tensor], Sequence[Tensor]], Sequence[Tensor]]
"""From bottoms and params to tops; the gradient is autograd's business."""


@dataclass
class NetContext:
    """What all layers of a net share: where it computes, and how often it has run."""

    phase: Phase
    device: device
    seed: int
    passes: int = 0
    """Forward passes begun before the present one: the place in the data and in all random streams."""
    waited: float = 0.0
    """Seconds that passes have waited for their batches."""
    numerics: Numerics = FP32
    rank: int = 0
    """Of this process among those that train the net: it has the batch of that number of each pass."""
    ranks: int = 1

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Add the time of the block to `waited`."""
        begin = time.perf_counter()
        yield
        self.waited += time.perf_counter() - begin


@dataclass(frozen=True)
class LayerContext:
    """A layer's position in its net."""

    net: NetContext
    index: int
    """Among the layers of its net."""
    phase: Phase
    """The layer's own, where its prototxt has one, else the net's (net.cpp, Init)."""

    def random(self, kind: int) -> int:
        """Return the seed of this layer's draws in the present pass."""
        rank = (self.net.rank,) if self.net.rank else ()
        return streams.number(self.net.seed, kind, self.index, self.net.passes, *rank)


def layer_context(layer: LayerParameter, net: NetContext, index: int) -> LayerContext:
    """Return a layer's position in its net."""
    return LayerContext(net, index, layer.phase if layer.HasField("phase") else net.phase)


Make = Callable[[LayerShapes, LayerContext], Forward]


def rows_of(shape: Shape) -> Shape:
    """Return a shape with its first axis left open: an exported net takes any number of images."""
    return (-1, *shape[1:]) if shape else ()
