"""What computes a bundle's scores on this machine: which engine, on what, in which precision."""

from dataclasses import dataclass

from ftjob.engine.nvml import Device, first_gpu
from ftjob.engine.onnx import installed as onnx_installed
from ftjob.engine.open import resolve_deploy
from ftjob.engine.torch import installed as torch_installed
from ftjob.errors import BadSpecError
from ftjob.net.precision import PRECISIONS, Precision, lack
from ftjob.net.proto.caffe_pb2 import NetParameter


@dataclass(frozen=True)
class Hardware:
    """An engine, and what it computes on."""

    engine: str
    gpu: Device | None
    """None: the processors."""
    precision: Precision

    @property
    def index(self) -> int | None:
        """The GPU's number."""
        return self.gpu.index if self.gpu else None

    @property
    def name(self) -> str:
        """The GPU's name, or `processors`."""
        return self.gpu.name if self.gpu else "processors"


def choose_hardware(
    engine: str, *, gpu: bool, precision: str, fastest_for: NetParameter | None = None
) -> Hardware:
    """Return what computes, as a user asks for it; `gpu` is this machine's first one.

    Engine `auto` is torch on a GPU and for a precision other than fp32, and otherwise Caffe where it is
    installed; for a deploy net it is what is fastest of all that is installed: ONNX Runtime, torch, Caffe.
    Raises BadSpecError for what there is not, or not here.
    """
    exact, device = _precision_of(precision), first_gpu() if gpu else None
    capability, name = (device.capability, device.name) if device else (None, "a run without --gpu")
    if problem := lack(exact, capability, name):
        raise BadSpecError(f"precision: {problem}")
    if engine == "auto" and (gpu or exact != "fp32"):
        engine = "torch"
    elif engine == "auto" and fastest_for is not None:
        engine = _fastest(fastest_for)
    return Hardware(resolve_deploy(engine, gpu=gpu, precision=exact), device, exact)


def _fastest(net: NetParameter) -> str:
    """Return what classifies fastest on processors, of what is installed."""
    if onnx_installed.has_onnx():
        from ftjob.engine.onnx.translation import is_translatable

        if is_translatable(net):
            return "onnx"
    return "torch" if torch_installed.has_torch() else "auto"


def _precision_of(name: str) -> Precision:
    for precision in PRECISIONS:
        if precision == name:
            return precision
    raise BadSpecError(f"precision: there is no {name!r}: choose {', '.join(PRECISIONS)}")
