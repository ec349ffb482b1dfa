"""Imports ftjob's modules, for processes that are forked then."""

from importlib import import_module
from pathlib import Path

import ftjob

ENGINES = ("ftjob.engine.torch.process", "ftjob.engine.process", "ftjob.engine.caffe.process")
"""What only engines' own processes import."""


def load(*apart: str) -> None:
    """Import every module but those in some packages. Nothing imports PyTorch."""
    root = Path(ftjob.__path__[0])
    for file in sorted(root.rglob("*.py")):
        name = ".".join(file.relative_to(root.parent).with_suffix("").parts)
        if not name.startswith(apart) and not name.endswith("__"):
            import_module(name)
