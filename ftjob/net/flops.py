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


def count_flops(shapes: NetShapes) -> NetFlops:
    """Count the work of a net in its phase; the batch size is the first blob's first axis.

    A gradient costs what the forward product costs, once for the weights where they are learned and once for
    each bottom that wants it. Layers without products cost only the bytes they move; a backward pass moves
    data and gradients.
    """
    first = next((layer.tops[0] for layer in shapes.layers if layer.tops), (1,))
    layers = tuple(_layer(layer, back) for layer, back in zip(shapes.layers, backward(shapes), strict=True))
    return NetFlops(layers, first[0] if first else 1)


def _layer(layer: LayerShapes, back: LayerBackward) -> LayerFlops:
    flops = 2 * _multiply_adds(layer)
    gradients = any(back.params[:1]) + any(back.bottoms) if back.runs else 0
    moved = FLOAT_BYTES * sum(map(prod, layer.bottoms + layer.tops))
    if not layer.bottoms:
        moved = 0
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
