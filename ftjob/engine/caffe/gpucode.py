"""Which GPUs a Caffe has code for, and what stands in a GPU's way; pure."""

from dataclasses import dataclass
from typing import Self, TypedDict

from ftjob.engine.nvml import Capability, ComputeMode, Device, Driver, dotted
from ftjob.errors import EngineError

OLDEST_DRIVER = "460"
"""The first branch that runs CUDA 11.2."""
LAST_FOR_KEPLER = "470"


class GpuRecord(TypedDict):
    """The same in an engine's record: {"release": "11.2", "sm": [37], "ptx": [86]}."""

    release: str
    sm: list[int]
    ptx: list[int]


@dataclass(frozen=True)
class GpuCode:
    """The kernels in a libcaffe.so, as `cuobjdump` lists them."""

    release: Capability
    """CUDA's, which compiled them."""
    machine: tuple[Capability, ...]
    """Compute capabilities that it has machine code for (sm_37: 3.7)."""
    ptx: tuple[Capability, ...] = ()
    """Those of its PTX, which the driver compiles for newer GPUs."""

    @classmethod
    def from_record(cls, record: GpuRecord) -> Self:
        """Read what tools/compile-caffe wrote."""
        major, _, minor = str(record["release"]).partition(".")
        machine, ptx = (
            tuple(divmod(int(each), 10) for each in found) for found in (record["sm"], record["ptx"])
        )
        return cls((int(major), int(minor)), machine, ptx)

    def to_record(self) -> GpuRecord:
        """Return what `from_record` reads."""
        sm, ptx = ([major * 10 + minor for major, minor in found] for found in (self.machine, self.ptx))
        return {"release": dotted(self.release), "sm": sm, "ptx": ptx}

    def used_on(self, capability: Capability) -> str:
        """Return the code that a GPU runs, as sm_37 or as "PTX of 8.6"; empty where it can run none.

        Machine code runs on GPUs of the same major and no smaller minor, PTX on all that are no older (CUDA
        C++ Programming Guide, "Binary Compatibility", "PTX Compatibility").
        """
        major, minor = capability
        if same := [each for each in self.machine if each[0] == major and each[1] <= minor]:
            return "sm_{}{}".format(*max(same))
        if older := [each for each in self.ptx if each <= capability]:
            return f"PTX of {dotted(max(older))}"
        return ""

    @property
    def described(self) -> str:
        """What it has, for people: compute capability 3.7, 5.2; newer by the PTX of 8.6."""
        machine = ", ".join(map(dotted, self.machine))
        newer = f"; newer by the PTX of {', '.join(map(dotted, self.ptx))}" if self.ptx else ""
        return f"compute capability {machine}{newer}"


def refuse_unusable(code: GpuCode, driver: Driver | None, index: int = 0) -> Device:
    """Return the GPU of that number. Raises EngineError with what to do where Caffe cannot compute on it."""
    if driver is None:
        raise EngineError(
            f"no NVIDIA driver answers here: install one of branch {OLDEST_DRIVER} or newer "
            f"({LAST_FOR_KEPLER} is the last for a K80) and see that `nvidia-smi` lists the GPU"
        )
    if driver.cuda < code.release:
        raise EngineError(
            f"the driver {driver.version} runs CUDA {dotted(driver.cuda)}, and this Caffe needs "
            f"{dotted(code.release)}: install a driver of branch {OLDEST_DRIVER} or newer "
            f"({LAST_FOR_KEPLER} is the last for a K80)"
        )
    if index >= len(driver.devices):
        raise EngineError(
            f"the driver {driver.version} shows no GPU: see that one is assigned (`nvidia-smi -L`), or that "
            "CUDA_VISIBLE_DEVICES names one"
        )
    device = driver.devices[index]
    if not code.used_on(device.capability):
        raise EngineError(
            f"this Caffe has no code for the {device.title}; it has {code.described}: set engine: torch, or "
            "build the image worker-caffe-cuda with CUDA_ARCH="
            f"{device.capability[0] * 10 + device.capability[1]}"
        )
    _refuse_mode(device)
    return device


def _refuse_mode(device: Device) -> None:
    if device.mode is ComputeMode.PROHIBITED:
        raise EngineError(
            f"the {device.name} is set to compute mode {device.mode}: allow programs on it again with "
            f"`nvidia-smi -i {device.index} -c DEFAULT`"
        )
    if device.mode is ComputeMode.EXCLUSIVE and device.pids:
        raise EngineError(
            f"the {device.name} is in compute mode {device.mode}, and process {device.pids[0]} has it: wait "
            f"until that ends, or share it with `nvidia-smi -i {device.index} -c DEFAULT`"
        )
