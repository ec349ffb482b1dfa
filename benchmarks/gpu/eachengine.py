"""What each engine makes of a net in a precision: speed, memory, a killed run that resumes, full memory."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.gpu.setting import Figures, Setting, kill, steps_for
from benchmarks.overhead import Case
from ftjob.engine import Engine
from ftjob.engine.open import open_engine
from ftjob.errors import FtjobError
from ftjob.net.precision import Precision
from ftjob.net.proto.caffe_pb2 import NetParameter
from ftjob.runfolder.layout import RunFolder

BATCH = 32
"""Of every engine and precision, so that their speeds compare."""
VGG16_GIB_PER_IMAGE = 0.14
"""In training; the plan's forecast in fp32."""


def measure_engine(setting: Setting, case: Case, engine: str, precision: Precision) -> Figures:
    """Time an engine on a net, and resume it; `resumed_off_by` is the largest difference of a weight after
    that, as a share of the largest weight (0: equal bits)."""
    case = replace(case, batch_size=min(case.batch_size, BATCH))
    plan, free = setting.write(case, precision), setting.free_gib()
    run = RunFolder(setting.folder / plan.run_id)
    snapshots = setting.folder / f"{engine}-{precision}"
    snapshots.mkdir()
    with ExitStack() as stack:

        def opened() -> Engine:
            return stack.enter_context(
                open_engine(
                    engine,
                    solver=run.solver,
                    weights=None,
                    log=setting.folder / "engine.log",
                    cwd=run.root,
                    gpu=setting.gpu,
                    precision=precision,
                )
            )

        first = opened()
        first.step(setting.warming)
        begin = time.perf_counter()
        steps = steps_for(first, setting.seconds / 2)
        speed = case.batch_size * len(steps) / (time.perf_counter() - begin)
        left = setting.free_gib()
        row: Figures = {
            "batch_size": case.batch_size,
            "images_per_second": round(speed, 2),
            "planned_gib": round(plan.forecast.memory.total / 2**30, 2),
            "gib": round(free - left, 2) if free is not None and left is not None else None,
            "resumed_off_by": resume(first, opened, snapshots, setting.resumed),
        }
    return {f"engine_{engine}_{precision}": row}


def resume(first: Engine, opened: Callable[[], Engine], folder: Path, updates: int) -> float:
    """Return how far a resumed engine is from one that was not interrupted, so many updates later.

    The first one's process is killed in between.
    """
    begun = first.snapshot(folder)
    first.step(updates)
    whole = weights(first.snapshot(folder).caffemodel)
    kill(first)
    second = opened()
    second.restore(begun.solverstate, begun.caffemodel)
    second.step(updates)
    again = weights(second.snapshot(folder).caffemodel)
    return float(np.abs(whole - again).max() / np.abs(whole).max())


def fill_memory(setting: Setting, case: Case, engine: str) -> Figures:
    """Return the error of a batch that the device has no memory for: a run halves it on a GpuMemoryError."""
    size = int(1.5 * (setting.free_gib() or 0.0) / VGG16_GIB_PER_IMAGE)
    plan = setting.write(replace(case, batch_size=size), "fp32")
    run, outcome = RunFolder(setting.folder / plan.run_id), "no error"
    try:
        with open_engine(
            engine,
            solver=run.solver,
            weights=None,
            log=setting.folder / "engine.log",
            cwd=run.root,
            gpu=setting.gpu,
        ) as opened:
            opened.step(1)
    except FtjobError as error:
        outcome = f"{type(error).__name__}: {error}"
    return {f"full_memory_{engine}": outcome}


def weights(path: Path) -> "np.ndarray[tuple[int], np.dtype[np.float32]]":
    """Return all numbers of a caffemodel in a row."""
    net = NetParameter.FromString(path.read_bytes())
    return np.concatenate([np.asarray(blob.data, np.float32) for layer in net.layer for blob in layer.blobs])
