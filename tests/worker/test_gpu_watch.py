"""A GPU that does nothing (it is a stand-in: there is none here)."""

import threading
import time

import pynvml
import pytest

from ftjob.engine import nvml
from ftjob.engine.nvml import Device, find_driver
from ftjob.errors import EngineError
from ftjob.nodes.profiles import get_node
from ftjob.worker.watch.gpu import gpu_for
from ftjob.worker.watch.gpu_watch import Watch

LIMIT = 0.2
NAME = "Tesla K80"


class GpuStandIn(Device):
    """A GPU that is as busy as the test has it."""

    computes = True

    def is_busy(self) -> bool:
        return self.computes


def test_a_gpu_that_does_nothing_for_too_long_is_told() -> None:
    """And one that computes again is not."""
    device = GpuStandIn(0, NAME, (3, 7))
    with Watch(LIMIT, device, poll_seconds=0.01) as watch:
        time.sleep(2 * LIMIT)
        assert not watch.idle
        device.computes = False
        while not watch.idle:
            time.sleep(0.01)
        device.computes = True
        while watch.idle:
            time.sleep(0.01)


def test_a_guard_that_is_off_watches_nothing() -> None:
    """guards.idle_minutes: false."""
    before = threading.active_count()
    with Watch(None, GpuStandIn(0, NAME, (3, 7))):
        assert threading.active_count() == before


def test_without_a_driver_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile with a GPU stands for its price and speed on one's own machine; a pod's must be there."""
    monkeypatch.setattr(nvml.pynvml, "nvmlInit", _no_driver)

    assert find_driver() is None
    assert gpu_for(get_node("p2.xlarge"), in_cluster=False) is None
    assert gpu_for(get_node("local"), in_cluster=True) is None
    with pytest.raises(EngineError, match=r"p2\.xlarge has a GPU .* in this pod no driver answers"):
        gpu_for(get_node("p2.xlarge"), in_cluster=True)


def test_a_driver_that_cannot_say_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some GPUs count no utilization."""
    monkeypatch.setattr(nvml.pynvml, "nvmlDeviceGetHandleByIndex", _not_supported)

    assert Device(0, NAME, (3, 7)).is_busy()


def _no_driver() -> None:
    raise pynvml.NVMLError_LibraryNotFound


def _not_supported(_: int) -> None:
    raise pynvml.NVMLError_NotSupported
