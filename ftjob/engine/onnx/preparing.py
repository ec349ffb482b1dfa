"""The nodes that make a net's input of images of bytes."""

import numpy as np
from onnx import TensorProto

from ftjob.engine.exported import PixelInput
from ftjob.engine.onnx.onnxgraph import OnnxGraph


def prepare(images: str, pixels: PixelInput, graph: OnnxGraph) -> str:
    """Cut, order and scale images, which are uint8; return the float32 planes (N, C, H, W)."""
    graph.source = "preprocess"
    rows, columns = pixels.axes[2:]
    starts, ends = zip(pixels.rows, pixels.columns, strict=True)
    values = graph.add("Slice", images, graph.whole(*starts), graph.whole(*ends), graph.whole(rows, columns))
    values = graph.add("Cast", values, to=TensorProto.FLOAT)
    if pixels.layout == "nhwc":
        values = graph.add("Transpose", values, perm=pixels.axes)
    if pixels.reverses:
        values = graph.add("Gather", values, graph.whole(2, 1, 0), axis=1)
    if pixels.mean is not None:
        values = graph.add("Sub", values, graph.constant(pixels.mean, "mean"))
    if pixels.scale != 1:
        values = graph.add("Mul", values, graph.constant(np.array(pixels.scale, np.float32), "scale"))
    return values
