"""Whether what writes and runs ONNX files is installed, and how to install it."""

import importlib.util

from ftjob.errors import EngineError

INSTALL_HINT = "install ftjob with its extra [onnx]: `pip install 'ftjob[onnx]'`"


def has_onnx() -> bool:
    """Return whether ONNX files can be written and run here."""
    return all(importlib.util.find_spec(module) for module in ("onnx", "onnxruntime"))


def require_onnx(*modules: str) -> None:
    """Raise EngineError, with how to install it, where one of these modules is missing."""
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise EngineError(f"{module} is not installed for this Python: {INSTALL_HINT}")
