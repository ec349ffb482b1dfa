"""What becomes of a net's layers, line by line."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from math import prod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ftjob.net.caffemodel.transfer import LayerTransfer

HEAD = "head"
REPLACED = "replaced by "


@dataclass(frozen=True)
class LayerRow:
    """One line of the table: a layer, or a run of layers with the same lot."""

    layers: str
    types: str
    parameters: int
    shapes: str
    kind: str
    remark: str


def layer_rows(
    transfer: Iterable["LayerTransfer"], heads: set[str], *, every_layer: bool
) -> Iterator[LayerRow]:
    """Yield the lines of the table, in the net's order. Heads and layers with a remark stand alone; what
    others replace is left out unless every layer is asked for."""

    def lot(numbered: "tuple[int, LayerTransfer]") -> tuple[str, str, int]:
        number, layer = numbered
        alone = every_layer or layer.layer in heads
        return layer.kind, layer.remark, number if alone else -1

    shown = [layer for layer in transfer if every_layer or not layer.remark.startswith(REPLACED)]
    for _, run in groupby(enumerate(shown), key=lot):
        yield _row([layer for _, layer in run], heads)


def _row(layers: "list[LayerTransfer]", heads: set[str]) -> LayerRow:
    first, last = layers[0], layers[-1]
    alone = len(layers) == 1
    types = list(dict.fromkeys(layer.type for layer in layers))
    return LayerRow(
        layers=first.layer if alone else f"{first.layer} … {last.layer}",
        types=types[0] if alone else f"{len(layers)} layers",
        parameters=sum(prod(shape) for layer in layers for shape in layer.shapes or layer.source_shapes),
        shapes=" ".join("x".join(map(str, shape)) for shape in first.shapes or first.source_shapes),
        kind=HEAD if first.layer in heads else first.kind,
        remark=first.remark,
    )
