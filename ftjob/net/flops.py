"""What a pass through a net costs: floating point operations of its products, bytes of its blobs."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from ftjob.net.precision import HALF, Precision, top_bytes
from ftjob.net.topology.backward import LayerBackward, backward
from ftjob.net.topology.shapes import LayerShapes, NetShapes, Shape

_CONVOLUTIONS = frozenset({"Convolution", "Deconvolution"})
_RECURRENT = frozenset({"LSTM", "RNN"})
_VIEWS = frozenset({"Flatten", "Reshape", "Silence", "Split"})
"""Types whose forward pass moves nothing: their tops are their bottoms' memory."""


@dataclass(frozen=True)
class LayerFlops:
    """One layer's work for a whole batch."""

    name: str
    type: str
    forward: int
    """Floating point operations, two per multiply-add; 0 for layers that multiply no matrices."""
    backward: int
    """The same for the gradients that are really computed: none for a frozen trunk."""
    forward_bytes: int
    """Bytes of blobs read and written."""
    backward_bytes: int


@dataclass(frozen=True)
class NetFlops:
    """A net's work for a batch, and for one image."""

    layers: tuple[LayerFlops, ...]
    batch_size: int

    @property
    def forward(self) -> float:
        """Floating point operations per image."""
        return sum(layer.forward for layer in self.layers) / self.batch_size

    @property
    def backward(self) -> float:
        """Floating point operations per image."""
        return sum(layer.backward for layer in self.layers) / self.batch_size

    @property
    def forward_bytes(self) -> float:
        """Bytes of blobs moved per image."""
        return sum(layer.forward_bytes for layer in self.layers) / self.batch_size

    @property
    def backward_bytes(self) -> float:
        """Bytes of blobs moved per image."""
        return sum(layer.backward_bytes for layer in self.layers) / self.batch_size


def count_flops(shapes: NetShapes, precision: Precision = "fp32") -> NetFlops:
    """Count the work of a net in its phase; the batch size is the first blob's first axis.

    A gradient costs what the forward product costs, once for the weights where they are learned and once for
    each bottom that wants it. Layers without products cost only the bytes they move, two or four a number by
    the precision; a backward pass moves data and gradients.
    """
    first = next((layer.tops[0] for layer in shapes.layers if layer.tops), (1,))
    sizes: dict[str, int] = {}
    layers = []
    tops = top_bytes(shapes, half=precision in HALF)
    for (layer, size), back in zip(tops, backward(shapes), strict=True):
        moved = sum(sizes[name] * prod(shape) for name, shape in _bottoms(layer))
        moved += size * sum(map(prod, layer.tops))
        sizes.update(dict.fromkeys(layer.layer.top, size))
        layers.append(_layer(layer, back, moved if layer.bottoms else 0))
    return NetFlops(tuple(layers), first[0] if first else 1)


def _bottoms(layer: LayerShapes) -> Iterator[tuple[str, Shape]]:
    return zip(layer.layer.bottom, layer.bottoms, strict=True)


def _layer(layer: LayerShapes, back: LayerBackward, moved: int) -> LayerFlops:
    flops = 2 * _multiply_adds(layer)
    gradients = any(back.params[:1]) + any(back.bottoms) if back.runs else 0
    return LayerFlops(
        name=layer.name,
        type=layer.type,
        forward=flops,
        backward=gradients * flops,
        forward_bytes=0 if layer.type in _VIEWS else moved,
        backward_bytes=2 * moved if back.runs else 0,
    )


def _multiply_adds(layer: LayerShapes) -> int:
    """Of one forward pass; of several bottoms all are counted."""
    if layer.type in _CONVOLUTIONS:
        sides = layer.tops if layer.type == "Convolution" else layer.bottoms
        return sum(map(prod, sides)) * prod(layer.params[0].shape[1:])
    if layer.type == "InnerProduct":
        return prod(layer.bottoms[0]) * layer.layer.inner_product_param.num_output
    if layer.type in _RECURRENT:
        matrices = sum(param.count for param in layer.params if len(param.shape) > 1)
        return prod(layer.bottoms[0][:2]) * matrices
    return 0
