"""A GPU that does nothing (it is a stand-in: there is none here)."""

import threading
import time
from types import SimpleNamespace

import pynvml
import pytest

from ftjob.engine import nvml
from ftjob.engine.nvml import Device, DeviceUse, Driver, find_driver
from ftjob.errors import EngineError
from ftjob.nodes.profiles import get_node
from ftjob.worker.watch import gpu
from ftjob.worker.watch.gpu import gpus_for
from ftjob.worker.watch.gpu_watch import Uses, Watch

LIMIT = 0.2
NAME = "Tesla K80"


class GpuStandIn(Device):
    """A GPU that is as busy as the test has it."""

    computes = True

    def use(self) -> DeviceUse:
        return DeviceUse(float(self.computes), 2**30, 12 * 2**30)


@pytest.mark.parametrize(("count", "idle"), [(1, "the GPU"), (2, "GPU 2 of 2")])
def test_any_gpu_that_does_nothing_for_too_long_is_named(count: int, idle: str) -> None:
    """Each of a run's is paid for; one that computes again is idle no more."""
    devices = [GpuStandIn(index, NAME, (3, 7)) for index in range(count)]
    with Watch(LIMIT, devices, poll_seconds=0.01) as watch:
        time.sleep(2 * LIMIT)
        assert not watch.idle
        devices[-1].computes = False
        while not watch.idle:
            time.sleep(0.01)
        assert watch.idle == idle
        devices[-1].computes = True
        while watch.idle:
            time.sleep(0.01)


def test_a_guard_that_is_off_finds_no_gpu_idle_and_shows_their_use() -> None:
    """guards.idle_minutes: false."""
    device, seen = GpuStandIn(0, NAME, (3, 7)), list[Uses]()
    device.computes = False
    with Watch(None, [device], seen.append, poll_seconds=0.01) as watch:
        while len(seen) < 5:
            time.sleep(0.01)
    assert not watch.idle
    assert seen[0] == [DeviceUse(0.0, 2**30, 12 * 2**30)]


def test_without_a_gpu_nothing_is_watched() -> None:
    """No thread either."""
    before = threading.active_count()
    with Watch(LIMIT, []):
        assert threading.active_count() == before


def test_without_a_driver_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile with a GPU stands for its price and speed on one's own machine; a pod's must be there."""
    monkeypatch.setattr(nvml.pynvml, "nvmlInit", _no_driver)

    assert find_driver() is None
    assert gpus_for(get_node("p2.xlarge"), in_cluster=False) == ()
    assert gpus_for(get_node("local"), in_cluster=True) == ()
    with pytest.raises(EngineError, match=r"p2\.xlarge has a GPU .* in this pod no driver answers"):
        gpus_for(get_node("p2.xlarge"), in_cluster=True)


@pytest.mark.parametrize("in_cluster", [True, False])
def test_a_pod_has_all_its_gpus(monkeypatch: pytest.MonkeyPatch, in_cluster: bool) -> None:
    """One's own machine may have fewer; more than are wanted stay idle."""
    devices = tuple(Device(index, NAME, (3, 7)) for index in range(2))
    monkeypatch.setattr(gpu, "find_driver", lambda: Driver("550.54", (12, 4), devices))

    assert gpus_for(get_node("p2.8xlarge"), 2, in_cluster=in_cluster) == devices
    assert gpus_for(get_node("p2.8xlarge"), in_cluster=in_cluster) == devices[:1]
    if in_cluster:
        with pytest.raises(EngineError, match=r"p2\.8xlarge is to have 4 GPUs .* 550\.54 shows 2: see"):
            gpus_for(get_node("p2.8xlarge"), 4, in_cluster=True)
    else:
        assert gpus_for(get_node("p2.8xlarge"), 4, in_cluster=False) == devices


def test_a_driver_that_does_not_know_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some GPUs count no utilization."""
    monkeypatch.setattr(nvml.pynvml, "nvmlDeviceGetHandleByIndex", _not_supported)
    device, seen = Device(0, NAME, (3, 7)), list[Uses]()

    assert device.use() is None
    with Watch(0.0, [device], seen.append, poll_seconds=0.01) as watch:
        while len(seen) < 3:
            time.sleep(0.01)
        assert not watch.idle


def test_use_is_what_the_driver_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """In shares and bytes; NVML itself is not here."""
    answers = {
        "nvmlDeviceGetHandleByIndex": "handle",
        "nvmlDeviceGetUtilizationRates": SimpleNamespace(gpu=97, memory=40),
        "nvmlDeviceGetMemoryInfo": SimpleNamespace(used=3 * 2**30, total=12 * 2**30, free=9 * 2**30),
    }
    for name, answer in answers.items():
        monkeypatch.setattr(nvml.pynvml, name, lambda _, answer=answer: answer)

    assert Device(0, NAME, (3, 7)).use() == DeviceUse(0.97, 3 * 2**30, 12 * 2**30)


def _no_driver() -> None:
    raise pynvml.NVMLError_LibraryNotFound


def _not_supported(_: int) -> None:
    raise pynvml.NVMLError_NotSupported
