"""Whether this Python has PyTorch, and how it gets it."""

import importlib.util

from ftjob.errors import EngineError

INSTALL_HINT = "run `ftjob engine install torch`"


def has_torch() -> bool:
    """Say whether PyTorch is here, without importing it."""
    return importlib.util.find_spec("torch") is not None


def require_torch() -> None:
    """Raise EngineError, saying how to install it, where PyTorch is not here."""
    if not has_torch():
        raise EngineError(f"PyTorch is not installed for this Python: {INSTALL_HINT}")
