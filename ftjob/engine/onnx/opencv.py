"""OpenCV's dnn module: it reads the translated net, and where it still can, prototxt and caffemodel."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ftjob.engine.onnx.installed import require_onnx
from ftjob.errors import EngineError
from ftjob.net.proto.caffe_pb2 import NetParameter
from ftjob.net.prototxt import to_text


def open_net(
    net: NetParameter, weights: Path, blobs: Sequence[str]
) -> Callable[[NDArray[Any]], list[NDArray[np.float32]]]:
    """Return what computes blobs of a deploy net. Raises EngineError where OpenCV cannot."""
    try:
        if read_caffe := getattr(cv2.dnn, "readNetFromCaffe", None):  # until OpenCV 4
            with tempfile.NamedTemporaryFile("w", suffix=".prototxt") as prototxt:
                prototxt.write(to_text(net))
                prototxt.flush()
                opened, names = read_caffe(prototxt.name, str(weights)), _layers_of(net, blobs)
        else:
            require_onnx("onnx")
            opened, names = _read_onnx(net, weights, blobs)
    except cv2.error as error:
        raise _explained(error) from None

    def compute(images: NDArray[Any]) -> list[NDArray[np.float32]]:
        try:
            opened.setInput(images)
            return [np.array(blob) for blob in opened.forward(names)]
        except cv2.error as error:
            raise _explained(error) from None

    return compute


def _layers_of(net: NetParameter, blobs: Sequence[str]) -> list[str]:
    """Return the last layer that makes each blob: OpenCV's importer of Caffe knows outputs by layers."""
    makers = {top: layer.name for layer in net.layer for top in layer.top}
    return [makers[blob] for blob in blobs]


def _read_onnx(net: NetParameter, weights: Path, blobs: Sequence[str]) -> tuple[Any, list[str]]:
    from ftjob.engine.onnx.translation import translate

    translation = translate(net, weights, blobs)
    model = np.frombuffer(translation.model().SerializeToString(), np.uint8)
    return cv2.dnn.readNetFromONNX(model), translation.tensors


def _explained(error: cv2.error) -> EngineError:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return EngineError(
        f"OpenCV {cv2.__version__} cannot compute the net: {lines[0] if lines else 'no reason given'}"
    )
