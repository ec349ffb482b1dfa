"""Where Caffe's process begins: `python __main__.py REQUESTS REPLIES PARENT`, run by Caffe's own Python.

Two inherited pipe ends and the process id to die with; ftjob/engine/process/wire.py has the protocol.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

PACKAGES = ("ftjob", "ftjob.engine", "ftjob.fs")
"""The packages around this one. Their own __init__.py need ftjob's Python, which is newer."""


def main() -> None:
    """Serve Caffe."""
    name_packages(Path(__file__).parents[4])
    from ftjob.engine.caffe.process import server
    from ftjob.engine.process import serving

    serving.serve(server.load, sys.argv[1:])


def name_packages(root: Path) -> None:
    """Make modules importable by their names in ftjob, without ftjob's folder on sys.path."""
    for name in PACKAGES:
        package = ModuleType(name)
        package.__path__ = [str(root.joinpath(*name.split(".")))]
        sys.modules[name] = package


if __name__ == "__main__":
    main()
