"""What ftjob makes of a net: fed from an LMDB, with a frozen trunk, and with snapshots."""

import time
from dataclasses import replace

from benchmarks.engines import without_chance
from benchmarks.frozen import LAST
from benchmarks.gpu.setting import Figures, Setting, steps_for
from benchmarks.overhead import Case
from benchmarks.stall import EVERY_SECONDS
from ftjob.engine import Engine, Features
from ftjob.engine.open import open_engine
from ftjob.net.proto.caffe_pb2 import TEST
from ftjob.net.prototxt import to_text
from ftjob.net.surgery.freeze import freeze, frozen_layers
from ftjob.plan.plan import Plan
from ftjob.runfolder.layout import RunFolder
from jobspec.spec import FreezeUpTo

FROZEN_BATCH = 64
SNAPSHOTS = 2


def train_fed(setting: Setting, case: Case) -> Figures:
    """Time whole updates from an LMDB: images/s, operations/s, the share of waiting, memory.

    Memory is the plan's, and what the device has less after training and a test: PyTorch keeps what it was
    once given.
    """
    case = setting.fitted(case)
    plan, free = setting.write(case), setting.free_gib()
    with opened(setting, plan) as engine:
        engine.step(setting.warming)
        engine.test(plan.inputs.val.records, [plan.main_head.score])
        begin = time.perf_counter()
        steps = steps_for(engine, setting.seconds)
        speed = case.batch_size * len(steps) / (time.perf_counter() - begin)
        left = setting.free_gib()
    flops, name = plan.forecast.flops, case.name
    figures: Figures = {
        f"batch_size_{name}": case.batch_size,
        f"images_per_second_{name}": round(speed, 2),
        f"teraflops_{name}": round(speed * (flops.forward + flops.backward) / 1e12, 4),
        f"wait_share_{name}": round(
            sum(step.waited or 0.0 for step in steps) / sum(step.seconds for step in steps), 4
        ),
        f"planned_gib_{name}": round(plan.forecast.memory.total / 2**30, 3),
    }
    if free is not None and left is not None:
        figures[f"gib_{name}"] = round(free - left, 3)
    return figures


def train_frozen(setting: Setting, case: Case) -> Figures:
    """Time the epoch that computes a frozen trunk, and the later ones that read its features."""
    case = setting.fitted(replace(case, batch_size=min(case.batch_size, FROZEN_BATCH)))
    plan = setting.write(case)
    run, net = RunFolder(setting.folder / plan.run_id), without_chance(plan.train_val)
    freeze(net, frozen_layers(net, FreezeUpTo(up_to=LAST)))
    sources = [layer.data_param.source for layer in net.layer if layer.type == "Data"]
    for layer in net.layer:
        if layer.type == "Data":
            layer.phase = TEST
    run.train_val.write_text(to_text(net))
    folder = setting.folder / "features"
    folder.mkdir()
    kept = Features(folder, 10**10, dict.fromkeys(sources, "of this benchmark"))
    epoch = plan.inputs.train.records // case.batch_size
    warming = min(setting.warming, epoch - 1)
    with opened(setting, plan, kept) as engine:
        engine.step(warming)
        begin = time.perf_counter()
        engine.step(epoch - warming)
        first = case.batch_size * (epoch - warming) / (time.perf_counter() - begin)
        engine.step(setting.warming)
        begin = time.perf_counter()
        steps = steps_for(engine, setting.seconds)
        cached = case.batch_size * len(steps) / (time.perf_counter() - begin)
    return {
        "images_per_second_frozen_first_epoch": round(first, 2),
        "images_per_second_frozen_cached": round(cached, 2),
    }


def take_snapshots(setting: Setting, case: Case) -> Figures:
    """Time how long training stands still for a snapshot; the share is that of one every 30 s."""
    plan = setting.write(setting.fitted(case))
    run, standing = RunFolder(setting.folder / plan.run_id), []
    run.snapshots.mkdir(exist_ok=True)
    with opened(setting, plan) as engine:
        engine.step(setting.warming)
        for _ in range(SNAPSHOTS):
            begin = time.perf_counter()
            writing = engine.begin_snapshot(run.snapshots)
            standing.append(time.perf_counter() - begin)
            steps_for(engine, setting.seconds / SNAPSHOTS)
            files = writing.wait()
    size = sum(file.stat().st_size for file in (files.caffemodel, files.solverstate))
    return {
        "snapshot_megabytes": round(size / 1e6, 1),
        "stall_seconds": round(max(standing), 4),
        "stall_share": round(max(standing) / EVERY_SECONDS, 5),
    }


def opened(setting: Setting, plan: Plan, features: Features | None = None) -> Engine:
    """Open the torch engine on a plan's files."""
    run = RunFolder(setting.folder / plan.run_id)
    return open_engine(
        "torch",
        solver=run.solver,
        weights=None,
        log=setting.folder / "engine.log",
        cwd=run.root,
        gpu=setting.gpu,
        precision=plan.engine.precision,
        features=features,
    )
