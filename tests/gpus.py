"""The GPU of this machine, for tests that need one and say so where there is none."""

import pytest

from ftjob.engine.inventory import Inventory, take_inventory
from ftjob.engine.nvml import Device
from ftjob.net.precision import Precision, refusal


def machine_with_gpu() -> tuple[Inventory, Device]:
    """Return this machine's engines and its first GPU; skip the test where it has none."""
    found = take_inventory()
    if not found.driver or not found.driver.devices:
        pytest.skip("there is no CUDA device here")
    return found, found.driver.devices[0]


def gpu_for_engine(engine: str, precision: Precision = "fp32") -> Device:
    """Return the GPU that an engine can compute on in a precision; skip the test where it cannot."""
    found, device = machine_with_gpu()
    if engine == "caffe":
        code, problem = found.caffe_on(device)
        if not code:
            pytest.skip(problem or "the installed Caffe computes on processors only")
    if problem := refusal(precision, device.capability, device.name):
        pytest.skip(problem)
    return device
