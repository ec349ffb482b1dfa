"""Precisions: what each needs of a GPU, and which of a net's layers compute in it.

Products of matrices take most of a net's time and bear few digits; what adds up many numbers, or compares
scores, does not. So a precision is that of the products and of the blobs between them.
"""

from collections.abc import Iterator
from enum import Enum
from typing import Literal, get_args

from ftjob.net.topology.shapes import FLOAT_BYTES, LayerShapes, NetShapes

Precision = Literal["fp32", "tf32", "bf16", "fp16"]
Capability = tuple[int, int]

PRECISIONS: tuple[Precision, ...] = get_args(Precision)
HALF: tuple[Precision, ...] = ("bf16", "fp16")
"""Those whose numbers have two bytes."""
HALF_BYTES = 2
LEAST_CAPABILITY: dict[Precision, Capability] = {"tf32": (8, 0), "bf16": (8, 0), "fp16": (5, 3)}
"""The first compute capability with such arithmetic; fp32 is everywhere, and processors have bf16."""


CAFFE_PRECISION = (
    "solver.precision: Caffe computes in fp32 only: set fp32 or auto for it, or engine: torch for {precision}"
)


def automatic(capability: Capability | None) -> Precision:
    """Return what `auto` is on a GPU of that compute capability; None: on processors."""
    return "bf16" if capability and capability >= LEAST_CAPABILITY["bf16"] else "fp32"


def refusal(precision: Precision, capability: Capability | None, device: str) -> str:
    """Return why a device cannot compute in a spec's precision and what to do, in a sentence; empty where it
    can. Arguments are those of `lack`."""
    problem = lack(precision, capability, device)
    return f"solver.precision: {problem} or auto, or take another node (`ftjob nodes`)" if problem else ""


def lack(precision: Precision, capability: Capability | None, device: str) -> str:
    """Return what a device lacks for a precision, and which to set instead; empty where it lacks nothing.

    `device` is its name in those words, `capability` a GPU's compute capability, None for processors.
    """
    if _has(capability, precision):
        return ""
    available = ", ".join(each for each in PRECISIONS if _has(capability, each))
    least = LEAST_CAPABILITY[precision]
    needs = f"a GPU of compute capability {_dotted(least)} or newer"
    has = "has none" if capability is None else f"has {_dotted(capability)}"
    return f"{precision} needs {needs}, and {device} {has}: set {available}"


def _has(capability: Capability | None, precision: Precision) -> bool:
    if capability is None:
        return precision in ("fp32", "bf16")
    return capability >= LEAST_CAPABILITY.get(precision, (0, 0))


def _dotted(capability: Capability) -> str:
    return ".".join(map(str, capability))


class Arithmetic(Enum):
    """How a layer computes where a run's precision is not fp32."""

    PRODUCT = "in the precision"
    BOTTOMS = "in its bottoms' type"
    WITHIN = "in fp32, with tops of its bottoms' type"
    FULL = "in fp32"


_KINDS = {
    Arithmetic.PRODUCT: ("Convolution", "Deconvolution", "InnerProduct"),
    Arithmetic.WITHIN: ("BatchNorm", "LRN"),
    Arithmetic.BOTTOMS: (
        "AbsVal",
        "Bias",
        "Clip",
        "Concat",
        "Dropout",
        "ELU",
        "Eltwise",
        "Flatten",
        "PReLU",
        "Pooling",
        "ReLU",
        "Reshape",
        "Scale",
        "Sigmoid",
        "Silence",
        "Slice",
        "Split",
        "Swish",
        "TanH",
        "Threshold",
    ),
}
_ARITHMETIC = {layer_type: kind for kind, types in _KINDS.items() for layer_type in types}
"""All others are FULL: data, losses, Accuracy, Softmax, powers, reductions, indices."""
_VIEWS = ("Flatten", "Reshape", "Split")


def arithmetic_of(shapes: NetShapes) -> tuple[Arithmetic, ...]:
    """Return how each layer of a net computes.

    A product that only losses, Accuracy and the like read makes scores, and is FULL too: of scores in two
    bytes many are equal, which Accuracy counts as wrong.
    """
    kinds = [_ARITHMETIC.get(layer.type, Arithmetic.FULL) for layer in shapes.layers]
    read_in_full: dict[str, bool] = {}
    for index, layer in reversed(list(enumerate(shapes.layers))):
        tops = [read_in_full.pop(top, True) for top in layer.layer.top]
        kind = kinds[index]
        if kind is Arithmetic.PRODUCT and all(tops):
            kinds[index] = Arithmetic.FULL
        in_full = kind is Arithmetic.FULL or (layer.type in _VIEWS and all(tops))
        for bottom in layer.layer.bottom:
            read_in_full[bottom] = in_full and read_in_full.get(bottom, True)
    return tuple(kinds)


def top_bytes(shapes: NetShapes, *, half: bool) -> Iterator[tuple[LayerShapes, int]]:
    """Yield each layer of a net with the bytes of a number in its tops; `half`: in a precision of HALF.

    Of bottoms of two kinds the tops are fp32, as PyTorch promotes them.
    """
    if not half:
        yield from ((layer, FLOAT_BYTES) for layer in shapes.layers)
        return
    sizes: dict[str, int] = {}
    for layer, kind in zip(shapes.layers, arithmetic_of(shapes), strict=True):
        size = max((sizes[bottom] for bottom in layer.layer.bottom), default=FLOAT_BYTES)
        if kind is Arithmetic.PRODUCT:
            size = HALF_BYTES
        elif kind is Arithmetic.FULL:
            size = FLOAT_BYTES
        sizes.update(dict.fromkeys(layer.layer.top, size))
        yield layer, size
