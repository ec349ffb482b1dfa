"""What a GPU makes of each engine: its code, images/s, memory beside the plan's forecast, a run that resumes.

For the first machine that has one: it prints device, driver, a table, and the figures as JSON. For each
engine that can compute there, in each precision that it and the device have, whole updates of GoogLeNet and
VGG16 are timed after the first few, in which memory is allocated and kernels are chosen. Memory is what the
device has less while the engine is open. Resuming compares an engine that took some updates with one that
took the same from a snapshot after the first was killed.

$DEVICE=cpu computes on processors instead, small batches of the demo's net, to try this program where there
is no GPU. $STEPS is the number of updates timed.
"""

import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import pynvml

from benchmarks.overhead import Case, write_run
from ftjob.engine import Engine
from ftjob.engine.client import ProcessEngine
from ftjob.engine.inventory import Inventory, take_inventory
from ftjob.engine.nvml import Device
from ftjob.engine.open import AVAILABLE, open_engine
from ftjob.errors import FtjobError
from ftjob.net.precision import PRECISIONS, Precision, refusal
from ftjob.net.proto.caffe_pb2 import NetParameter
from ftjob.runfolder.layout import RunFolder

STEPS = int(os.environ.get("STEPS", "20"))
ON_PROCESSORS = os.environ.get("DEVICE") == "cpu"
WARMING, RESUMED = 3, 5
GPU_CASES = (
    Case("googlenet", "googlenet", 3, 256, 224, 32, 1000),
    Case("vgg16", "vgg16", 3, 256, 224, 16, 1000),
)
VGG16_GIB_PER_IMAGE = 0.14
"""In training; the plan's forecast."""
CPU_CASES = (Case("demo net", "net.prototxt", 1, 32, 28, 8, 1000),)


@dataclass(frozen=True)
class Row:
    """What was measured of an engine and a net."""

    engine: str
    code: str
    precision: Precision
    net: str
    batch_size: int
    images_per_second: float
    gib: float | None
    """None on processors."""
    planned_gib: float
    resumed: float
    """The largest difference of a weight after resuming, as a share of the largest weight; 0: equal bits."""


def main() -> None:
    """Measure all engines on the first GPU; print what was found."""
    found = take_inventory()
    device = found.driver.devices[0] if found.driver and found.driver.devices else None
    if device is None and not ON_PROCESSORS:
        sys.exit("no GPU: no NVIDIA driver answers, or it shows no device (DEVICE=cpu tries this program)")
    if found.driver and device:
        print(f"{device.title}, driver {found.driver.title}")
    what = f"{'engine':<8}{'code':<18}{'in':<5}{'net':<11}{'batch':>6}"
    print(f"{what}{'img/s':>9}{'GiB':>7}{'planned':>9}  resumed")
    rows, cases = [], CPU_CASES if device is None else GPU_CASES
    for engine in AVAILABLE:
        code, problem = code_of(found, engine, device)
        if problem:
            print(f"{engine:<8}{problem}")
            continue
        for case, precision in product(cases, precisions(engine, device)):
            rows.append(measure(engine, code, precision, case, device))
            show(rows[-1])
        if device:
            print(f"{engine:<8}a batch too large for its memory ends as {ends_when_full(engine, device)}")
    print(json.dumps([asdict(row) for row in rows]))


def code_of(found: Inventory, engine: str, device: Device | None) -> tuple[str, str]:
    """Return what an engine computes with, or why it cannot."""
    if engine == "torch":
        return (f"torch {found.torch}", "") if found.torch else ("", "not installed")
    if device is None:
        return "processors", ""
    code, problem = found.caffe_on(device)
    return code, problem or ("" if code else "the installed Caffe computes on processors only")


def precisions(engine: str, device: Device | None) -> list[Precision]:
    """Return the precisions that both the engine and the device have."""
    if engine == "caffe":
        return ["fp32"]
    return [each for each in PRECISIONS if not refusal(each, device.capability if device else None, "it")]


def measure(engine: str, code: str, precision: Precision, case: Case, device: Device | None) -> Row:
    """Time an engine on a net, and resume it."""
    with tempfile.TemporaryDirectory() as text, ExitStack() as stack:
        folder = Path(text)
        plan = write_run(case, folder, precision=precision)
        run = RunFolder(folder / plan.run_id)

        def opened() -> Engine:
            return stack.enter_context(
                open_engine(
                    engine,
                    solver=run.solver,
                    weights=None,
                    log=folder / "log",
                    cwd=run.root,
                    gpu=device.index if device else None,
                    precision=precision,
                )
            )

        free = free_gib(device)
        first = opened()
        first.step(WARMING)
        begin = time.perf_counter()
        first.step(STEPS)
        speed = round(case.batch_size * STEPS / (time.perf_counter() - begin), 1)
        used = None if free is None else round(free - (free_gib(device) or 0.0), 2)
        planned = round(plan.forecast.memory.total / 2**30, 2)
        resumed = resume(first, opened, folder)
        return Row(engine, code, precision, case.name, case.batch_size, speed, used, planned, resumed)


def resume(first: Engine, opened: Callable[[], Engine], folder: Path) -> float:
    """Return how far a resumed engine is from one that was not interrupted, RESUMED updates later.

    The first one's process is killed in between, as a spot node's end would.
    """
    begun = first.snapshot(folder)
    first.step(RESUMED)
    whole = weights(first.snapshot(folder).caffemodel)
    kill(first)
    second = opened()
    second.restore(begun.solverstate, begun.caffemodel)
    second.step(RESUMED)
    again = weights(second.snapshot(folder).caffemodel)
    return float(np.abs(whole - again).max() / np.abs(whole).max())


def ends_when_full(engine: str, device: Device) -> str:
    """Return the error of a batch that the device has no memory for: a run halves it on a GpuMemoryError."""
    case = replace(GPU_CASES[1], batch_size=int(1.5 * (free_gib(device) or 0.0) / VGG16_GIB_PER_IMAGE))
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        run = RunFolder(folder / write_run(case, folder).run_id)
        try:
            with open_engine(
                engine, solver=run.solver, weights=None, log=folder / "log", cwd=run.root, gpu=device.index
            ) as opened:
                opened.step(1)
        except FtjobError as error:
            return f"{type(error).__name__}: {error}"
    return "no error"


def kill(engine: Engine) -> None:
    """End an engine's process by SIGKILL."""
    assert isinstance(engine, ProcessEngine)
    os.kill(engine.child.pid, signal.SIGKILL)


def weights(path: Path) -> "np.ndarray[tuple[int], np.dtype[np.float32]]":
    """Return all numbers of a caffemodel in a row."""
    net = NetParameter.FromString(path.read_bytes())
    return np.concatenate([np.asarray(blob.data, np.float32) for layer in net.layer for blob in layer.blobs])


def free_gib(device: Device | None) -> float | None:
    """Return the device's free memory in GiB; None on processors."""
    if device is None:
        return None
    handle = pynvml.nvmlDeviceGetHandleByIndex(device.index)
    return float(pynvml.nvmlDeviceGetMemoryInfo(handle).free / 2**30)


def show(row: Row) -> None:
    """Print one line of the table."""
    gib = "–" if row.gib is None else f"{row.gib:.2f}"
    resumed = "bit-equal" if row.resumed == 0 else f"off by {row.resumed:.1e}"
    print(
        f"{row.engine:<8}{row.code:<18}{row.precision:<5}{row.net:<11}{row.batch_size:>6}"
        f"{row.images_per_second:>9.1f}{gib:>7}{row.planned_gib:>9.2f}  {resumed}",
        flush=True,
    )


if __name__ == "__main__":
    main()
