"""What a pass through a net costs: floating point operations of its products, bytes of its blobs."""

from dataclasses import dataclass
from math import prod

from ftjob.net.topology.backward import LayerBackward, backward
from ftjob.net.topology.shapes import FLOAT_BYTES, LayerShapes, NetShapes

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
        return sum(one.forward for one in self.layers) / self.batch_size

    @property
    def backward(self) -> float:
        """Floating point operations per image."""
        return sum(one.backward for one in self.layers) / self.batch_size

    @property
    def forward_bytes(self) -> float:
        """Bytes of blobs moved per image."""
        return sum(one.forward_bytes for one in self.layers) / self.batch_size

    @property
    def backward_bytes(self) -> float:
        """Bytes of blobs moved per image."""
        return sum(one.backward_bytes for one in self.layers) / self.batch_size


def count_flops(shapes: NetShapes) -> NetFlops:
    """Count the work of a net in its phase; the batch size is the first blob's first axis.

    A gradient costs what the forward product costs, once for the weights where they are learned and once for
    each bottom that wants it. Layers without products cost only the bytes they move; a backward pass moves
    data and gradients.
    """
    first = next((one.tops[0] for one in shapes.layers if one.tops), (1,))
    layers = tuple(_layer(one, back) for one, back in zip(shapes.layers, backward(shapes), strict=True))
    return NetFlops(layers, first[0] if first else 1)


def _layer(one: LayerShapes, back: LayerBackward) -> LayerFlops:
    flops = 2 * _multiply_adds(one)
    gradients = any(back.params[:1]) + any(back.bottoms) if back.runs else 0
    moved = FLOAT_BYTES * sum(map(prod, one.bottoms + one.tops))
    if not one.bottoms:
        moved = 0
    return LayerFlops(
        name=one.name,
        type=one.type,
        forward=flops,
        backward=gradients * flops,
        forward_bytes=0 if one.type in _VIEWS else moved,
        backward_bytes=2 * moved if back.runs else 0,
    )


def _multiply_adds(one: LayerShapes) -> int:
    """Of one forward pass; of several bottoms all are counted."""
    if one.type in _CONVOLUTIONS:
        sides = one.tops if one.type == "Convolution" else one.bottoms
        return sum(map(prod, sides)) * prod(one.params[0].shape[1:])
    if one.type == "InnerProduct":
        return prod(one.bottoms[0]) * one.layer.inner_product_param.num_output
    if one.type in _RECURRENT:
        matrices = sum(param.count for param in one.params if len(param.shape) > 1)
        return prod(one.bottoms[0][:2]) * matrices
    return 0
