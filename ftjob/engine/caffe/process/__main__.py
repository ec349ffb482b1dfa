"""Where Caffe's process begins: `python __main__.py REQUESTS REPLIES PARENT`, run by Caffe's own Python.

Two inherited pipe ends and the process id to die with; ftjob/engine/process/wire.py has what is said there.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

PACKAGES = ("ftjob", "ftjob.engine")
"""Those around what is run here. Their own __init__.py is for ftjob's Python, which is newer."""


def main() -> None:
    """Serve Caffe."""
    name_packages(Path(__file__).parents[4])
    from ftjob.engine.caffe.process import server
    from ftjob.engine.process import serving

    serving.serve(server.load, sys.argv[1:])


def name_packages(root: Path) -> None:
    """Have modules found by the names that they have in ftjob, without a path to all that lies beside it."""
    for name in PACKAGES:
        package = ModuleType(name)
        package.__path__ = [str(root.joinpath(*name.split(".")))]
        sys.modules[name] = package


if __name__ == "__main__":
    main()
