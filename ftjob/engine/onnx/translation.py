"""Translates a Caffe net with its weights into ONNX.

PyTorch's exporter would need PyTorch wherever somebody exports; it keeps neither Caffe's names of layers and
blobs nor its LRN as one operator.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, ValueInfoProto, helper

from ftjob.engine.exported import PixelInput
from ftjob.engine.onnx import joins, maps, pointwise, weighted
from ftjob.engine.onnx.onnxgraph import Bound, OnnxGraph, Translate
from ftjob.engine.onnx.preparing import prepare
from ftjob.errors import BadNetError
from ftjob.formatting import gib
from ftjob.net.caffemodel.numbers import read_layer
from ftjob.net.caffemodel.transfer import same_shape
from ftjob.net.caffemodel.weights import read_weights
from ftjob.net.computing import INPUT
from ftjob.net.lacks import lacking_torch
from ftjob.net.layers.rule import refuse
from ftjob.net.proto.caffe_pb2 import NetParameter
from ftjob.net.topology.shapes import FLOAT_BYTES, LayerShapes, NetShapes, infer_shapes

OPSET = 13
"""Of 2020: the first in which Softmax is Caffe's; ONNX Runtime and OpenCV read it whatever their age."""
IR_VERSION = 8
PASSING = frozenset({"Dropout", "Split"})
"""Types that pass on what they are given, so that no node is made of them."""
BATCH = "N"
"""The name of the first axis, of any length."""
LARGEST = 2**31 - 2**20
"""Bytes: protobuf writes less than 2 GiB, and the graph takes some of it."""
TRANSLATORS: dict[str, Translate] = {
    **joins.TRANSLATORS,
    **maps.TRANSLATORS,
    **pointwise.TRANSLATORS,
    **weighted.TRANSLATORS,
}


@dataclass(frozen=True)
class Translation:
    """A net's graph, with its input and its outputs."""

    graph: OnnxGraph
    name: str
    input: ValueInfoProto
    outputs: list[ValueInfoProto]
    """Each has its blob's name, but where that is the input's."""

    @property
    def tensors(self) -> list[str]:
        """The names of the outputs."""
        return [output.name for output in self.outputs]

    def model(self, metadata: Mapping[str, str] | None = None) -> ModelProto:
        """Return the whole model, with metadata as its properties."""
        graph = helper.make_graph(
            self.graph.nodes, self.name or "net", [self.input], self.outputs, self.graph.constants
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="ftjob",
        )
        helper.set_model_props(model, dict(metadata or {}))
        return model


def translate(
    net: NetParameter, weights: Path, outputs: Sequence[str], pixels: PixelInput | None = None
) -> Translation:
    """Return a deploy net of one input as a graph with some of its blobs as outputs.

    The net is that of the TEST phase; `pixels` is what it takes in place of its own input. Raises
    BadNetError, naming the layer, for what ONNX has no counterpart of, and for weights that are missing, of
    other shapes or too large.
    """
    shapes = infer_shapes(net)
    _check_size(shapes)
    given = [top for layer in shapes.layers if layer.type == INPUT for top in layer.layer.top]
    if len(given) != 1:
        raise BadNetError(f"a net with {len(given)} inputs cannot be exported: give it one Input layer")
    graph, rows = OnnxGraph(shapes.blobs), _rows(shapes, given[0])
    tensors = {given[0]: prepare(given[0], pixels, graph) if pixels else given[0]}
    numbers = _numbers(shapes, weights)
    last = {
        blob: at
        for at, layer in enumerate(shapes.layers)
        if layer.type not in PASSING
        for blob in layer.layer.top
    }
    for at, layer in enumerate(shapes.layers):
        if layer.type == INPUT:
            continue
        bottoms = tuple(tensors[blob] for blob in layer.layer.bottom)
        first, graph.source = len(graph.nodes), layer.name
        tops = _translator(layer)(Bound(layer, bottoms, _params(layer, numbers, weights)), graph)
        for blob, tensor in zip(layer.layer.top, tops, strict=True):
            named = last.get(blob) == at and blob != given[0] and graph.rename(tensor, blob, first)
            tensors[blob] = blob if named else tensor
    infos = [_info(_output(graph, blob, tensors[blob], given[0]), rows[blob]) for blob in outputs]
    if pixels:
        source = helper.make_tensor_value_info(given[0], TensorProto.UINT8, (BATCH, *pixels.given))
    else:
        source = _info(given[0], rows[given[0]])
    return Translation(graph, net.name, source, infos)


def is_translatable(net: NetParameter) -> bool:
    """Return whether ONNX has a counterpart of every layer of a deploy net, and room for its weights."""
    try:
        shapes = infer_shapes(net)
        _check_size(shapes)
        for layer in shapes.layers:
            if layer.type != INPUT:
                _translator(layer)
    except BadNetError:
        return False
    return True


def _translator(layer: LayerShapes) -> Translate:
    lack = lacking_torch(layer)
    if lack or layer.type not in TRANSLATORS:
        raise refuse(
            layer.layer, f"ONNX export does not have {lack or 'this type'}: serve the caffemodel itself"
        )
    return TRANSLATORS[layer.type]


def _numbers(shapes: NetShapes, path: Path) -> dict[str, NDArray[np.float32]]:
    """Return a caffemodel's numbers by the keys of the net's params; of a param that layers share the last
    ones in the file count (net.cpp, CopyTrainedLayersFrom). Raises BadNetError."""
    layers = {layer.name: layer for layer in shapes.layers if layer.params}
    found: dict[str, NDArray[np.float32]] = {}
    for stored in read_weights(path):
        layer = layers.get(stored.name)
        if layer is None:
            continue
        if len(stored.blobs) != len(layer.params) or not all(
            same_shape(param.shape, blob) for param, blob in zip(layer.params, stored.blobs, strict=True)
        ):
            raise refuse(layer.layer, f"its params have other shapes in {path}: give the weights of this net")
        found.update(zip(_keys(layer), read_layer(path, stored), strict=True))
    return found


def _keys(layer: LayerShapes) -> list[str]:
    """Return what identifies each param: the name by which layers share it, or its place."""
    names = [spec.name for spec in layer.layer.param]
    return [
        (names[number] if number < len(names) else "") or f"{layer.name}\0{number}"
        for number in range(len(layer.params))
    ]


def _params(
    layer: LayerShapes, numbers: Mapping[str, NDArray[np.float32]], path: Path
) -> tuple[NDArray[np.float32], ...]:
    keys = _keys(layer)
    if not numbers.keys() >= set(keys):
        raise refuse(layer.layer, f"its params are not in {path}: give the weights of this net")
    return tuple(numbers[key].reshape(param.shape) for key, param in zip(keys, layer.params, strict=True))


def _output(graph: OnnxGraph, blob: str, tensor: str, given: str) -> str:
    """Return the tensor that is a blob at the end, which has its name unless the net's input has."""
    if tensor == blob != given:
        return blob
    graph.source, first = blob, len(graph.nodes)
    output = graph.add("Identity", tensor)
    return blob if blob != given and graph.rename(output, blob, first) else output


def _rows(shapes: NetShapes, given: str) -> dict[str, tuple[str | int | None, ...]]:
    """Return every blob's axes: the first one N, or any length, where it depends on the input."""
    batch, of_images, axes = shapes.blobs[given][0], {given}, dict[str, tuple[str | int | None, ...]]()
    for layer in shapes.layers:
        if not of_images.isdisjoint(layer.layer.bottom):
            of_images.update(layer.layer.top)
    for blob, shape in shapes.blobs.items():
        first = (BATCH if shape[0] == batch else None) if blob in of_images and shape else None
        axes[blob] = (first, *shape[1:]) if blob in of_images and shape else shape
    return axes


def _info(tensor: str, axes: tuple[str | int | None, ...]) -> ValueInfoProto:
    return helper.make_tensor_value_info(tensor, TensorProto.FLOAT, axes)


def _check_size(shapes: NetShapes) -> None:
    size = FLOAT_BYTES * sum(param.count for layer in shapes.layers for param in layer.params)
    if size > LARGEST:
        raise BadNetError(
            f"the weights take {gib(size)}, and an ONNX file less than 2 GiB: serve the caffemodel itself"
        )
