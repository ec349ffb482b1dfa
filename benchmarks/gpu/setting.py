"""What the parts of this benchmark share: the device, the nets, and how long each of them is timed."""

import os
import signal
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pynvml
import yaml

from benchmarks.overhead import Case, write_run
from ftjob.engine import Engine, Iteration
from ftjob.engine.client import ProcessEngine
from ftjob.engine.nvml import Device, dotted
from ftjob.net import zoo
from ftjob.net.precision import PRECISIONS, Precision, automatic, refusal
from ftjob.net.proto.caffe_pb2 import TEST, TRAIN
from ftjob.net.topology.phases import phase_view
from ftjob.net.topology.shapes import infer_shapes
from ftjob.nodes.profiles import LOCAL
from ftjob.plan.memory import Batches, batches_that_fit, estimate_memory
from ftjob.plan.plan import LARGEST_TEST_BATCH, Plan

Figures = dict[str, object]
CLASSES = 10
"""That the random images of benchmarks/overhead.py have."""
NODE = "here"
"""The profile of the machine that this runs on."""
NODES_FILE = "nodes.yaml"
FILLED = 0.8
"""The share of the GPU's memory that a batch may take by its forecast."""
CASES = (
    Case("googlenet", "googlenet", 3, 256, 224, 256, 100_000),
    Case("vgg16", "vgg16", 3, 256, 224, 128, 100_000),
    Case("resnet50", "resnet50", 3, 256, 224, 128, 100_000),
)
SMOKE_CASES = (Case("googlenet", "googlenet", 3, 256, 224, 2, 100_000),)


@dataclass(frozen=True)
class Setting:
    """What to measure on, and how thoroughly."""

    folder: Path
    """Where data, runs and logs are."""
    device: Device | None
    """None: processors."""
    smoke: bool
    """Whether only to see that everything works: two images at once, a fraction of a second each."""

    @property
    def cases(self) -> tuple[Case, ...]:
        """The nets, with the largest batches that are tried."""
        return SMOKE_CASES if self.smoke else CASES

    @property
    def frozen(self) -> Case:
        """The net whose trunk is frozen, and that every engine trains in every precision."""
        return self.cases[0]

    @property
    def largest(self) -> Case:
        """The net with the most params and blobs."""
        return next((case for case in self.cases if case.name == "vgg16"), self.cases[0])

    @property
    def gpu(self) -> int | None:
        """CUDA's number of the device."""
        return self.device.index if self.device else None

    @property
    def precision(self) -> Precision:
        """What `auto` is here."""
        return automatic(self.device.capability if self.device else None)

    @property
    def precisions(self) -> list[Precision]:
        """All that the device has."""
        capability = self.device.capability if self.device else None
        return [each for each in PRECISIONS if not refusal(each, capability, "it")]

    @property
    def seconds(self) -> float:
        """How long a speed is measured."""
        return 0.2 if self.smoke else 6.0

    @property
    def warming(self) -> int:
        """Updates before that, in which memory is allocated and kernels are chosen."""
        return 1 if self.smoke else 8

    @property
    def resumed(self) -> int:
        """Updates between the snapshot of a run and its end, and those that it makes anew."""
        return 1 if self.smoke else 5

    @property
    def records(self) -> int:
        """Images of the dataset."""
        return 20 if self.smoke else 2048

    def write(self, case: Case, precision: Precision | None = None) -> Plan:
        """Write a run's files in this setting's precision or another, and return its plan."""
        return write_run(
            case,
            self.folder,
            records=self.records,
            precision=precision or self.precision,
            node=NODE if self.device else LOCAL,
        )

    def write_nodes(self) -> Path:
        """Write the profile of this machine's GPU, and return its file; speed and price are made up."""
        path = self.folder / NODES_FILE
        if self.device:
            profile = {
                "gpu": self.device.name,
                "gpu_memory_gib": memory_of(self.device).total / 2**30,
                "compute_capability": dotted(self.device.capability),
                "teraflops": 10,
                "gigabytes_per_second": 100,
                "price": {"on_demand": 0},
            }
            path.write_text(yaml.safe_dump({NODE: profile}), encoding="utf-8")
        else:
            path.write_text("{}\n", encoding="utf-8")
        return path

    def fitted(self, case: Case) -> Case:
        """Return the case with its batch halved until its forecast fits the GPU."""
        if self.device is None:
            return case
        net, image = zoo.build(case.net), (case.channels, case.crop, case.crop)
        batches = Batches(case.batch_size, 1, min(case.batch_size, LARGEST_TEST_BATCH))
        train, test = (
            infer_shapes(phase_view(net, phase), {"data": (size, *image), "label": (size,)})
            for phase, size in ((TRAIN, batches.batch_size), (TEST, batches.test_batch_size))
        )
        memory = estimate_memory(train, test, precision=self.precision)
        found = batches_that_fit(memory, batches, int(FILLED * memory_of(self.device).total))
        if found is None:
            raise SystemExit(f"{case.name}: not even single images fit the {self.device.name}")
        return replace(case, batch_size=found[0].batch_size)

    def free_gib(self) -> float | None:
        """Return the device's free memory in GiB; None on processors."""
        return memory_of(self.device).free / 2**30 if self.device else None


def write_data(setting: Setting) -> Figures:
    """Write the images that all parts read."""
    setting.write(setting.cases[0])
    return {"records": setting.records}


@dataclass(frozen=True)
class DeviceMemory:
    """Bytes, as the driver counts them."""

    total: int
    free: int


def memory_of(device: Device) -> DeviceMemory:
    """Return the memory of a device at this moment."""
    found = pynvml.nvmlDeviceGetMemoryInfo(pynvml.nvmlDeviceGetHandleByIndex(device.index))
    return DeviceMemory(int(found.total), int(found.free))


def steps_for(engine: Engine, seconds: float) -> list[Iteration]:
    """Train for some seconds; return the updates that were made, at least one."""
    begin, done = time.perf_counter(), list[Iteration]()
    for some in engine.steps(1_000_000):
        done += some
        if time.perf_counter() - begin >= seconds:
            engine.halt()
    return done


def kill(engine: Engine) -> None:
    """End an engine's process by SIGKILL, as a spot node's end would."""
    assert isinstance(engine, ProcessEngine)
    os.kill(engine.child.pid, signal.SIGKILL)
