"""The engines of this machine, and what they can compute on."""

from dataclasses import dataclass
from typing import Any

from ftjob.engine.caffe.gpucode import refuse_unusable
from ftjob.engine.caffe.installed import CaffeInstallation, find_caffe, has_caffe
from ftjob.engine.nvml import Device, Driver, dotted, find_driver
from ftjob.engine.torch.installed import torch_version
from ftjob.errors import EngineError


@dataclass(frozen=True)
class Inventory:
    """Engines and driver; None for what is not there."""

    caffe: CaffeInstallation | None
    torch: str | None
    """PyTorch's version."""
    driver: Driver | None

    def caffe_on(self, device: Device) -> tuple[str, str]:
        """Return the code that Caffe runs on a GPU, or else why it can run none; both empty if not known."""
        if self.caffe is None or self.caffe.gpu is None:
            return "", ""
        try:
            refuse_unusable(self.caffe.gpu, self.driver, device.index)
        except EngineError as error:
            return "", str(error)
        return self.caffe.gpu.used_on(device.capability), ""

    def to_json(self) -> dict[str, Any]:
        """Return `ftjob engine list -o json`."""
        caffe, driver = self.caffe, self.driver
        return {
            "caffe": caffe
            and {
                "version": caffe.version,
                "origin": caffe.origin,
                "python": str(caffe.python),
                "cuda": caffe.gpu.to_record() if caffe.gpu else None,
            },
            "torch": self.torch and {"version": self.torch},
            "driver": driver
            and {
                "version": driver.version,
                "cuda": dotted(driver.cuda),
                "gpus": [
                    {
                        "name": device.name,
                        "compute_capability": dotted(device.capability),
                        "compute_mode": str(device.mode),
                        **dict(zip(("caffe_code", "caffe_problem"), self.caffe_on(device), strict=True)),
                    }
                    for device in driver.devices
                ],
            },
        }


def take_inventory() -> Inventory:
    """Return what this machine has. Raises EngineError where Caffe's record is damaged."""
    return Inventory(find_caffe() if has_caffe() else None, torch_version(), find_driver())
