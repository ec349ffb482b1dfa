"""Whether PyTorch is installed for this Python, and how to install it."""

import importlib.metadata
import importlib.util

from ftjob.errors import EngineError

INSTALL_HINT = "run `ftjob engine install torch`"


def has_torch() -> bool:
    """Return whether PyTorch is installed, without importing it."""
    return importlib.util.find_spec("torch") is not None


def torch_version() -> str | None:
    """Return the installed PyTorch's version, such as 2.6.0+cu124, without importing it; None without one."""
    try:
        return importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return None


def require_torch() -> None:
    """Raise EngineError, with how to install it, where PyTorch is not installed."""
    if not has_torch():
        raise EngineError(f"PyTorch is not installed for this Python: {INSTALL_HINT}")
