"""The DeployNet protocol over a translated net, which ONNX Runtime or OpenCV computes in this process."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ftjob.engine import Blobs
from ftjob.engine.client import existing_file, text_of, whole_file
from ftjob.engine.exported import ExportedModel, PixelInput
from ftjob.engine.onnx.installed import require_onnx
from ftjob.errors import BadDataError, BadNetError
from ftjob.net.computing import INPUT
from ftjob.net.layers.rule import text
from ftjob.net.proto.caffe_pb2 import TEST, NetParameter, NetState
from ftjob.net.prototxt import parse_net
from ftjob.net.topology.phases import filter_net
from ftjob.net.topology.shapes import infer_shapes

Compute = Callable[[NDArray[Any]], list[NDArray[np.float32]]]
"""From images (N, ...) to the blobs that it was opened for."""
Open = Callable[[NetParameter, Path, Sequence[str]], Compute]


class TranslatedNet:
    """A DeployNet: see there. It is translated when blobs are first requested, and for each set of them."""

    def __init__(self, net: NetParameter, weights: Path, open_net: Open) -> None:
        self.net, self.weights, self.open_net = net, weights, open_net
        self.blobs = infer_shapes(net).blobs
        source = next((layer for layer in net.layer if layer.type == INPUT), None)
        if source is None:
            raise BadNetError("the net has no Input layer, which a deploy net begins with")
        self.shape = self.blobs[source.top[0]]
        self.opened: dict[tuple[str, ...], Compute] = {}

    def forward(
        self, images: NDArray[np.float32], blobs: Sequence[str], *, at_once: int | None = None
    ) -> Blobs:
        if not len(images):
            raise BadDataError("there is no image to classify")
        if images.shape[1:] != self.shape[1:]:
            raise BadDataError(
                f"images of {text(images.shape[1:])} do not fit the net's {text(self.shape[1:])}"
            )
        for blob in blobs:
            if blob not in self.blobs:
                raise BadNetError(f"the net has no blob {blob!r}; it has {', '.join(self.blobs)}")
        wanted, size = tuple(dict.fromkeys(blobs)), at_once or self.shape[0]
        if wanted not in self.opened:
            self.opened[wanted] = self.open_net(self.net, self.weights, wanted)
        parts = [
            self.opened[wanted](np.asarray(images[first : first + size], np.float32))
            for first in range(0, len(images), size)
        ]
        return dict(zip(wanted, map(np.concatenate, zip(*parts, strict=True)), strict=True))

    def close(self) -> None:
        self.opened.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_deploy(deploy: Path, weights: Path, engine: str) -> TranslatedNet:
    """Open a deploy.prototxt with weights in `onnx` or `opencv`. Raises BadNetError, and EngineError where
    that is not installed."""
    net = filter_net(
        parse_net(text_of(Path(existing_file(deploy)), BadNetError), str(deploy)), NetState(phase=TEST)
    )
    whole_file(weights)
    if engine == "opencv":
        from ftjob.engine.onnx import opencv

        return TranslatedNet(net, weights, opencv.open_net)
    require_onnx("onnx", "onnxruntime")
    return TranslatedNet(net, weights, _open_session)


def _open_session(net: NetParameter, weights: Path, blobs: Sequence[str]) -> Compute:
    from ftjob.engine.onnx.runtime import open_session
    from ftjob.engine.onnx.translation import translate

    translation = translate(net, weights, blobs)
    return open_session(translation.model().SerializeToString(), translation.tensors)


def export_onnx(
    net: NetParameter,
    weights: Path,
    outputs: Sequence[str],
    scores: str,
    pixels: PixelInput | None,
    facts: Mapping[str, str],
) -> ExportedModel:
    """Return a deploy net of the TEST phase with its weights as an ONNX file.

    `scores` is one of the outputs; `facts` become the file's metadata. Raises BadNetError, and EngineError
    where ONNX Runtime is not installed or cannot compute the net.
    """
    require_onnx("onnx", "onnxruntime")
    from ftjob.engine.onnx.runtime import open_session
    from ftjob.engine.onnx.translation import translate

    translation = translate(net, weights, outputs, pixels)
    data = translation.model(facts).SerializeToString()
    session = open_session(data, [translation.tensors[list(outputs).index(scores)]])
    return ExportedModel(data, lambda images: session(images)[0])
