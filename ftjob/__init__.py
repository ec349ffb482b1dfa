"""Fine-tune Caffe image classifiers as batch jobs, within a stated number of dollars."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ftjob.api import Run, classify, export, find, list_runs, submit, verify

__all__ = ["Run", "classify", "export", "find", "list_runs", "submit", "verify"]


def __getattr__(name: str) -> Any:
    """Load the Python API when it is asked for: engines, and builds of data, start without it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ftjob import api

    return getattr(api, name)
