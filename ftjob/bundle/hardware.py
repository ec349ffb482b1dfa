"""What computes a bundle's scores on this machine: which engine, on what, in which precision."""

from dataclasses import dataclass

from ftjob.engine.nvml import Device, first_gpu
from ftjob.engine.open import resolve_deploy
from ftjob.engine.torch import installed as torch_installed
from ftjob.errors import BadSpecError
from ftjob.net.precision import PRECISIONS, Precision, lack


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


def choose_hardware(engine: str, *, gpu: bool, precision: str, fast: bool = False) -> Hardware:
    """Return what computes, as a user asks for it; `gpu` is this machine's first one.

    Engine `auto` is torch on a GPU and for a precision other than fp32, with `fast` wherever it is installed:
    it is faster than Caffe on processors too. Raises BadSpecError for what there is not, or not here.
    """
    exact, device = _precision_of(precision), first_gpu() if gpu else None
    capability, name = (device.capability, device.name) if device else (None, "a run without --gpu")
    if problem := lack(exact, capability, name):
        raise BadSpecError(f"precision: {problem}")
    wants_torch = gpu or exact != "fp32" or (fast and torch_installed.has_torch())
    name = "torch" if engine == "auto" and wants_torch else engine
    return Hardware(resolve_deploy(name, gpu=gpu, precision=exact), device, exact)


def _precision_of(name: str) -> Precision:
    for precision in PRECISIONS:
        if precision == name:
            return precision
    raise BadSpecError(f"precision: there is no {name!r}: choose {', '.join(PRECISIONS)}")
