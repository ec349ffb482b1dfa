"""NVIDIA's driver and its devices, through the management library that comes with the driver (NVML)."""

from dataclasses import dataclass
from enum import StrEnum

import pynvml

from ftjob.errors import EngineError

Capability = tuple[int, int]
"""A GPU's compute capability: major, minor."""


class ComputeMode(StrEnum):
    """Who may compute on a GPU (`nvidia-smi -c`)."""

    DEFAULT = "Default"
    EXCLUSIVE = "Exclusive_Process"
    PROHIBITED = "Prohibited"


_MODES = {
    pynvml.NVML_COMPUTEMODE_EXCLUSIVE_PROCESS: ComputeMode.EXCLUSIVE,
    pynvml.NVML_COMPUTEMODE_EXCLUSIVE_THREAD: ComputeMode.EXCLUSIVE,
    pynvml.NVML_COMPUTEMODE_PROHIBITED: ComputeMode.PROHIBITED,
}


@dataclass(frozen=True)
class DeviceUse:
    """How much a GPU does at a moment."""

    utilization: float
    """The share of the last moments in which it computed anything."""
    memory: int
    """Bytes in use, by whomever."""
    memory_total: int


@dataclass(frozen=True)
class Device:
    """A GPU that this process may use."""

    index: int
    name: str
    capability: Capability
    mode: ComputeMode = ComputeMode.DEFAULT
    pids: tuple[int, ...] = ()
    """Processes that compute on it."""

    def use(self) -> DeviceUse | None:
        """Return how much it does now; None where the driver does not say."""
        try:
            handle = pynvml.nvmlDeviceGetHandleByIndex(self.index)
            rates, memory = (
                pynvml.nvmlDeviceGetUtilizationRates(handle),
                pynvml.nvmlDeviceGetMemoryInfo(handle),
            )
        except pynvml.NVMLError:
            return None
        return DeviceUse(rates.gpu / 100, int(memory.used), int(memory.total))

    @property
    def title(self) -> str:
        """Its name with its compute capability."""
        return f"{self.name} (compute capability {dotted(self.capability)})"


@dataclass(frozen=True)
class Driver:
    """A driver that answers."""

    version: str
    cuda: Capability
    """The newest CUDA that it runs."""
    devices: tuple[Device, ...]

    @property
    def title(self) -> str:
        """Its version with the newest CUDA that it runs."""
        return f"{self.version}, for CUDA up to {dotted(self.cuda)}"


def find_driver() -> Driver | None:
    """Return this machine's driver with its devices; None where none answers."""
    try:
        pynvml.nvmlInit()
        number = pynvml.nvmlSystemGetCudaDriverVersion()
        devices = tuple(_device(index) for index in range(pynvml.nvmlDeviceGetCount()))
        version = _text(pynvml.nvmlSystemGetDriverVersion())
    except pynvml.NVMLError:
        return None
    return Driver(version, (number // 1000, number % 1000 // 10), devices)


def first_gpu() -> Device:
    """Return this machine's first GPU. Raises EngineError where there is none."""
    driver = find_driver()
    if driver and driver.devices:
        return driver.devices[0]
    found = f"NVIDIA's driver {driver.version} shows none" if driver else "no NVIDIA driver answers"
    raise EngineError(f"there is no GPU here: {found}: see that `nvidia-smi` works, or compute without one")


def dotted(version: Capability) -> str:
    """Return a compute capability, or a version of CUDA, as NVIDIA writes it: 3.7."""
    return ".".join(map(str, version))


def _device(index: int) -> Device:
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    try:
        mode = _MODES.get(pynvml.nvmlDeviceGetComputeMode(handle), ComputeMode.DEFAULT)
        pids = tuple(each.pid for each in pynvml.nvmlDeviceGetComputeRunningProcesses(handle))
    except pynvml.NVMLError:  # a part of a GPU (MIG) has no mode of its own
        mode, pids = ComputeMode.DEFAULT, ()
    major, minor = pynvml.nvmlDeviceGetCudaComputeCapability(handle)
    return Device(index, _text(pynvml.nvmlDeviceGetName(handle)), (major, minor), mode, pids)


def _text(value: str | bytes) -> str:
    """Return a text of NVML's, which older versions of its package give as bytes."""
    return value.decode() if isinstance(value, bytes) else value
