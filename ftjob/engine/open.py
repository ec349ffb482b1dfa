"""The door to the engines: by name, imported when opened."""

from pathlib import Path
from types import ModuleType

from ftjob.engine import DeployNet, Engine
from ftjob.errors import BadSpecError

AVAILABLE = ("caffe", "torch")


def open_engine(
    name: str, *, solver: Path, weights: Path | None, log: Path, cwd: Path, gpu: int | None = None
) -> Engine:
    """Open the engine of that name on a solver prototxt, whose paths count from `cwd`.

    `gpu` is the number of the device it computes on, None the CPU; `weights` is loaded by layer name; what
    the engine prints is appended to `log`. Raises BadSpecError for an engine this version does not have, and
    what the engine raises.
    """
    engine: Engine = _client(name).open_engine(solver, weights=weights, log=log, cwd=cwd, gpu=gpu)
    return engine


def open_deploy(name: str, deploy: Path, weights: Path, *, log: Path) -> DeployNet:
    """Open a deploy net with its weights in the engine of that name. Raises as `open_engine` does."""
    net: DeployNet = _client(name).open_deploy(deploy, weights, log=log)
    return net


def _client(name: str) -> ModuleType:
    if name == "caffe":
        from ftjob.engine.caffe import client as caffe

        return caffe
    if name == "torch":
        from ftjob.engine.torch import client as torch

        return torch
    raise BadSpecError(f"engine: this version has no engine {name!r}: take {' or '.join(AVAILABLE)}")
