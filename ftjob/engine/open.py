"""Opens engines by name, importing only the one that is opened."""

from pathlib import Path
from types import ModuleType

from ftjob.engine import DeployNet, Engine, Features
from ftjob.engine.caffe import installed as caffe_installed
from ftjob.engine.child import PATIENCE_SECONDS
from ftjob.engine.torch import installed as torch_installed
from ftjob.errors import BadSpecError, EngineError
from ftjob.net.lacks import CAFFE_GPUS
from ftjob.net.precision import CAFFE_PRECISION, Precision

AVAILABLE = ("caffe", "torch")
READERS = ("onnx", "opencv")
"""What classifies only, with a translation of the net, on processors and in fp32."""


def open_engine(
    name: str,
    *,
    solver: Path,
    weights: Path | None,
    log: Path,
    cwd: Path,
    gpu: int | None = None,
    ranks: int = 1,
    precision: Precision = "fp32",
    features: Features | None = None,
    patience_seconds: float | None = PATIENCE_SECONDS,
) -> Engine:
    """Open the engine of that name on a solver prototxt, whose paths count from `cwd`.

    `gpu` is the number of the device it computes on, None the CPU; with several `ranks` (torch only)
    it and the devices after it train together, each on a batch of its own; `features` is where
    those of a frozen trunk are kept; `weights` is loaded by layer name; what the
    engine prints is appended to `log`; one that is silent for `patience_seconds` is killed (None: never).
    Raises what `resolve` and the engine raise, and BadSpecError for a precision or GPUs that are lacking.
    """
    name = resolve(name)
    _refuse_precision(name, precision)
    if name == "caffe" and ranks > 1:
        raise BadSpecError(CAFFE_GPUS.format(gpus=ranks))
    more = {"precision": precision, "ranks": ranks} if name == "torch" else {}
    engine: Engine = _client(name).open_engine(
        solver,
        weights=weights,
        log=log,
        cwd=cwd,
        gpu=gpu,
        features=features,
        patience_seconds=patience_seconds,
        **more,
    )
    return engine


def open_deploy(
    name: str,
    deploy: Path,
    weights: Path,
    *,
    log: Path,
    cwd: Path | None = None,
    gpu: int | None = None,
    precision: Precision = "fp32",
) -> DeployNet:
    """Open a deploy net with its weights in the engine or reader of that name; an engine's process is in the
    folder `cwd`.

    `gpu` and `precision` are those of `open_engine`, and it raises as that does.
    """
    name = resolve_deploy(name, gpu=gpu is not None, precision=precision)
    if name in READERS:
        from ftjob.engine.onnx import client as onnx

        return onnx.open_deploy(deploy, weights, name)
    _refuse_precision(name, precision)
    more = {"precision": precision} if name == "torch" else {}
    net: DeployNet = _client(name).open_deploy(deploy, weights, log=log, cwd=cwd, gpu=gpu, **more)
    return net


def _refuse_precision(engine: str, precision: Precision) -> None:
    if engine == "caffe" and precision != "fp32":
        raise BadSpecError(CAFFE_PRECISION.format(precision=precision))


def resolve_deploy(name: str, *, gpu: bool, precision: Precision) -> str:
    """Return what classifies for a name on this machine: an engine as by `resolve`, or a reader.

    Raises what that raises, and BadSpecError for a GPU or a precision with a reader.
    """
    if name not in READERS:
        engines = ", ".join((*AVAILABLE, *READERS))
        if name not in ("auto", *AVAILABLE):
            raise BadSpecError(f"engine: this version has no engine {name!r}: choose auto, {engines}")
        return resolve(name)
    if gpu or precision != "fp32":
        raise BadSpecError(f"engine: {name} computes on processors, in fp32: leave gpu and precision out")
    return name


def resolve(name: str) -> str:
    """Return the engine for a name on this machine: `auto` is caffe where that is installed, else torch.

    Raises BadSpecError for an engine this version does not have, EngineError for `auto` where neither is.
    """
    if name in AVAILABLE:
        return name
    if name != "auto":
        raise BadSpecError(
            f"engine: this version has no engine {name!r}: choose auto, {' or '.join(AVAILABLE)}"
        )
    if caffe_installed.has_caffe():
        return "caffe"
    if torch_installed.has_torch():
        return "torch"
    raise EngineError(
        f"neither Caffe nor PyTorch is installed on this machine: {caffe_installed.INSTALL_HINT} or "
        "`ftjob engine install torch`"
    )


def _client(name: str) -> ModuleType:
    if name == "torch":
        from ftjob.engine.torch import client as torch

        return torch
    from ftjob.engine.caffe import client as caffe

    return caffe
