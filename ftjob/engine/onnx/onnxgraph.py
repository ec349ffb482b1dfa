"""Collects an ONNX graph: nodes named after Caffe's layers, tensors named after its blobs."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from ftjob.net.topology.shapes import LayerShapes, Shape

Attribute = int | float | Sequence[int]


class OnnxGraph:
    """The nodes and constants of a graph, in order."""

    def __init__(self, reserved: Iterable[str] = ()) -> None:
        """`reserved` are the names that no tensor gets by itself: those of the net's blobs."""
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self.source = ""
        """The layer that is being translated, after which nodes and tensors are named."""
        self._tensors, self._nodes = set(reserved), set[str]()

    def add(self, op: str, *inputs: str, **attributes: Attribute) -> str:
        """Add a node with one output; return that tensor's name."""
        (output,) = self.add_many(op, inputs, 1, **attributes)
        return output

    def add_many(self, op: str, inputs: Sequence[str], outputs: int, **attributes: Attribute) -> list[str]:
        """Add a node; return the names of its outputs."""
        name = _free(f"{self.source}/{op}", self._nodes)
        tops = [_free(name, self._tensors) for _ in range(outputs)]
        node = helper.make_node(op, list(inputs), tops, name)
        node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
        self.nodes.append(node)
        return tops

    def constant(self, values: NDArray[Any], suffix: str = "constant") -> str:
        """Add a constant of the present layer; return its tensor's name."""
        name = _free(f"{self.source}.{suffix}", self._tensors)
        self.constants.append(numpy_helper.from_array(np.asarray(values, order="C"), name))
        return name

    def number(self, value: float) -> str:
        """Add a float32 of no axes; return its tensor's name."""
        return self.constant(np.array(value, np.float32))

    def whole(self, *values: int) -> str:
        """Add int64 numbers in one axis; return their tensor's name."""
        return self.constant(np.array(values, np.int64))

    def reshape(self, tensor: str, shape: Shape) -> str:
        """Give a tensor another shape, but for its first axis, which is as long as it comes out."""
        return self.add("Reshape", tensor, self.whole(-1, *shape[1:]) if shape else self.whole())

    def rename(self, tensor: str, name: str, first: int) -> bool:
        """Rename a tensor if a node from `first` on makes it; return whether one does."""
        nodes = self.nodes[first:]
        made = any(tensor in node.output for node in nodes)
        for node in nodes if made else ():
            node.input[:] = [name if each == tensor else each for each in node.input]
            node.output[:] = [name if each == tensor else each for each in node.output]
        return made


@dataclass(frozen=True)
class Bound:
    """A layer, and the tensors that its bottoms and params are in the graph."""

    layer: LayerShapes
    bottoms: tuple[str, ...]
    params: tuple[NDArray[np.float32], ...]
    """In the shapes of the layer."""


Translate = Callable[[Bound, OnnxGraph], list[str]]
"""Adds a layer's nodes to a graph; returns the tensors that its tops are."""


def _free(name: str, taken: set[str]) -> str:
    number, found = 1, name
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    taken.add(found)
    return found
