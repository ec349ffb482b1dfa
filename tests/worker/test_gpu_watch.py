"""A GPU that does nothing (it is a stand-in: there is none here)."""

import threading
import time

import pynvml
import pytest

from ftjob.errors import EngineError
from ftjob.nodes.profiles import get_node
from ftjob.worker.watch import gpu
from ftjob.worker.watch.gpu import Gpu, find_gpu, gpu_for
from ftjob.worker.watch.gpu_watch import Watch

LIMIT = 0.2


class GpuStandIn(Gpu):
    """A GPU that is as busy as the test has it."""

    computes = True

    def busy(self) -> bool:
        return self.computes


def test_a_gpu_that_does_nothing_for_too_long_is_told() -> None:
    """And one that computes again is not."""
    device = GpuStandIn()
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
    with Watch(None, GpuStandIn()):
        assert threading.active_count() == before


def test_without_a_driver_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile with a GPU stands for its price and speed on one's own machine; a pod's must be there."""
    monkeypatch.setattr(gpu.pynvml, "nvmlInit", _no_driver)

    assert find_gpu() is None
    assert gpu_for(get_node("p2.xlarge"), in_cluster=False) is None
    assert gpu_for(get_node("local"), in_cluster=True) is None
    with pytest.raises(EngineError, match=r"p2\.xlarge has a GPU .* none shows in this pod"):
        gpu_for(get_node("p2.xlarge"), in_cluster=True)


def test_a_driver_that_cannot_say_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some GPUs count no utilization."""
    monkeypatch.setattr(gpu.pynvml, "nvmlDeviceGetHandleByIndex", _not_supported)

    assert Gpu().busy()


def _no_driver() -> None:
    raise pynvml.NVMLError_LibraryNotFound


def _not_supported(_: int) -> None:
    raise pynvml.NVMLError_NotSupported
