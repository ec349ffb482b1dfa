"""The interface of a layer type's rule, and the errors that it raises."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

from ftjob.errors import BadNetError
from ftjob.net.proto.caffe_pb2 import LayerParameter

Shape = tuple[int, ...]

MAX_AXES = 32
MAX_COUNT = 2**31 - 1
"""Both from blob.hpp and blob.cpp: a blob's axes, and its number of values."""


@dataclass(frozen=True)
class Setup:
    """What Layer::SetUp makes of a layer: the shapes of its tops and of its params, in Caffe's order."""

    tops: tuple[Shape, ...]
    params: tuple[Shape, ...] = ()


@dataclass(frozen=True)
class Rule:
    """How one type of layer is set up."""

    infer: Callable[[LayerParameter, Sequence[Shape]], Setup]
    bottoms: tuple[int, int | None] = (1, 1)
    """Fewest and most (None: any number)."""
    tops: tuple[int, int | None] = (1, 1)
    auto_tops: bool = False
    """Whether tops the prototxt leaves out are made without a name (Layer::AutoTopBlobs)."""
    loss: bool = False
    """Whether its first top weighs 1 in the loss when no loss_weight is given (loss_layer.cpp)."""


def refuse(layer: LayerParameter, why: str) -> BadNetError:
    """Return the error that names a layer, its type and what is wrong with it."""
    return BadNetError(f'layer "{layer.name}" ({layer.type}): {why}')


def text(shape: Shape) -> str:
    """Write a shape for people, such as 32x3x224x224."""
    return "x".join(map(str, shape)) if shape else "a scalar"


def bottom_text(layer: LayerParameter, shapes: Sequence[Shape], index: int) -> str:
    """Write one bottom with its shape, such as `'conv1' (32x96x55x55)`."""
    return f'"{layer.bottom[index]}" ({text(shapes[index])})'


def axis_of(layer: LayerParameter, shape: Shape, axis: int) -> int:
    """Return an axis counted from the front (blob.hpp, CanonicalAxisIndex). Raises BadNetError outside it."""
    if not -len(shape) <= axis < len(shape):
        raise refuse(layer, f"there is no axis {axis} in its bottom, which is {text(shape)}")
    return axis % len(shape)


def check_axes(layer: LayerParameter, shape: Shape, at_least: int, at_most: int = MAX_AXES) -> None:
    """Raise BadNetError unless a bottom has that many axes."""
    if not at_least <= len(shape) <= at_most:
        wanted = at_least if at_least == at_most else f"{at_least} to {at_most}"
        raise refuse(layer, f"its bottom must have {wanted} axes and is {text(shape)}")


def own_top(layer: LayerParameter) -> None:
    """Raise BadNetError for a layer in place that Caffe refuses so, or that writes what it still has to read:
    it would compute something else, without a word."""
    if any(top == bottom for top, bottom in zip(layer.top, layer.bottom, strict=False)):
        raise refuse(layer, "it cannot work in place; give its top a name of its own")


def checked(layer: LayerParameter, shape: Shape, what: str) -> Shape:
    """Return the shape of a blob, or raise BadNetError where Caffe cannot hold it (blob.cpp, Reshape)."""
    if min(shape, default=1) < 1 or len(shape) > MAX_AXES or prod(shape) > MAX_COUNT:
        raise refuse(layer, f"{what} would be {text(shape)}, which no blob can be")
    return shape
