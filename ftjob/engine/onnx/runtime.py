"""ONNX Runtime on this machine's processors."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as raised

from ftjob.concurrency import processors
from ftjob.errors import EngineError

ERRORS = (
    raised.EPFail,
    raised.Fail,
    raised.InvalidArgument,
    raised.InvalidGraph,
    raised.InvalidProtobuf,
    raised.NoSuchFile,
    raised.NotImplemented,
    raised.RuntimeException,
)
FATAL = 4
"""The least severity that it logs: what it raises says the same."""


def open_session(model: bytes, outputs: Sequence[str]) -> Callable[[NDArray[Any]], list[NDArray[np.float32]]]:
    """Return what computes outputs of a file's bytes from its one input.

    Raises EngineError, with the node's name, which begins with the layer's, where ONNX Runtime cannot.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = FATAL
    options.intra_op_num_threads = processors.share()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # as in ftjob.engine.threads
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except ERRORS as error:
        raise _explained(error) from None
    (given,) = session.get_inputs()

    def compute(images: NDArray[Any]) -> list[NDArray[np.float32]]:
        try:
            found: list[NDArray[np.float32]] = session.run(list(outputs), {given.name: images})
        except ERRORS as error:
            raise _explained(error) from None
        return found

    return compute


def _explained(error: Exception) -> EngineError:
    """Its first line without what is before the cause: `[ONNXRuntimeError] : 1 : FAIL : `."""
    cause = str(error).splitlines()[0].split(" : ", 3)[-1]
    return EngineError(f"ONNX Runtime cannot compute the net: {cause}")
