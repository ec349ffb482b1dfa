"""What training through ftjob costs: images/s of a run's own loop beside those of `caffe train`.

Both train the same prototxt on the same LMDB with the same threads, in turn, several rounds in one go.
Starting up, building the net, tests and snapshots are left out on both sides: what is timed are max_iter
iterations. Of ftjob, from the first `step` to the end of the last, all that the worker does between them
included (metrics, status, looking at signals). Of `caffe train`, from the line of its log that begins the
loop, "Learning Rate Policy", to the one that ends it, "Optimization Done."; once with `display: 0` and once
with Caffe's usual 20. ftjob, which records every iteration, is held against the first.

The ratio is that of each one's fastest round, since whatever else the machine does only ever slows a round
down; the median of the ratios within a round stands beside it, and on a quiet machine they agree.

$OPENBLAS_NUM_THREADS sets the threads (all cores where it is not set), $ROUNDS the rounds.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import lmdb
import numpy as np

from examples.digits import net as digits
from ftjob.dataset.lmdb.datum import encode_datum
from ftjob.engine import Engine, Iteration
from ftjob.engine.caffe.installed import find_caffe
from ftjob.engine.open import open_engine
from ftjob.net.precision import Precision
from ftjob.net.proto.caffe_pb2 import NetParameter
from ftjob.net.prototxt import parse_solver, to_text
from ftjob.nodes.profiles import LOCAL
from ftjob.plan.plan import Plan
from ftjob.prepare.prepare import Context, absolute, prepare
from ftjob.runfolder.layout import RunFolder
from ftjob.runfolder.status import Status
from ftjob.runfolder.store import in_folder
from ftjob.worker.admission import Standing, this_user
from ftjob.worker.meter import open_account
from ftjob.worker.pod.context import PodContext
from ftjob.worker.recorder import Recorder
from ftjob.worker.storage import ClaimedRun, Home
from ftjob.worker.train import Training
from ftjob.worker.watch.gpu_watch import Watch
from ftjob.worker.watch.signals import StopRequest
from jobspec import JobSpec

ROUNDS = int(os.environ.get("ROUNDS", "5"))
KINDS = ("caffe", "ftjob", "caffe display 20")


@dataclass(frozen=True)
class Case:
    """A net, and how much of it is trained."""

    name: str
    net: str
    """A built-in net's name or the path of a prototxt."""
    channels: int
    side: int
    crop: int
    batch_size: int
    max_iter: int
    """No multiple of 20, or Caffe would run one more forward pass after the last."""


CASES = (
    Case("demo net", "net.prototxt", 1, 32, 28, 32, 155),
    Case("googlenet", "googlenet", 3, 256, 224, 10, 7),
)


def main() -> None:
    """Run all cases (or those named on the command line); print a table and the figures."""
    chosen = [case for case in CASES if case.name in sys.argv[1:] or not sys.argv[1:]]
    figures: dict[str, Any] = {"threads": os.environ.get("OPENBLAS_NUM_THREADS", "all"), "rounds": ROUNDS}
    print(f"{'':<12}{'round':>6}" + "".join(f"{kind + ' img/s':>24}" for kind in KINDS) + f"{'ratio':>8}")
    ratios = []
    for case in chosen:
        with tempfile.TemporaryDirectory() as folder:
            ratios.append(measure(case, Path(folder), figures))
    figures["ratio_overhead"] = round(min(ratios), 4)
    print(json.dumps(figures))


def measure(case: Case, folder: Path, figures: dict[str, Any]) -> float:
    """Time a case in alternation; return the ratio of ftjob's speed to that of `caffe train`."""
    plan = write_run(case, folder)
    run = RunFolder(folder / plan.run_id)
    speeds: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for number in range(ROUNDS):
        for kind in KINDS if number % 2 else reversed(KINDS):
            seconds = time_ftjob(plan, run) if kind == "ftjob" else time_caffe(run, kind)
            speeds[kind].append(case.batch_size * case.max_iter / seconds)
        show(case.name, str(number + 1), {kind: found[-1] for kind, found in speeds.items()})
    best = {kind: max(found) for kind, found in speeds.items()}
    show(case.name, "best", best)
    key = case.name.replace(" ", "_")
    figures[f"images_per_second_{key}"] = {kind: round(speed, 2) for kind, speed in best.items()}
    figures[f"ratio_{key}"] = round(best["ftjob"] / best["caffe"], 4)
    within = [a / b for a, b in zip(speeds["ftjob"], speeds["caffe"], strict=True)]
    figures[f"median_ratio_{key}"] = round(statistics.median(within), 4)
    return best["ftjob"] / best["caffe"]


def show(name: str, number: str, speeds: dict[str, float]) -> None:
    """Print one line of the table."""
    ratio = speeds["ftjob"] / speeds["caffe"]
    print(
        f"{name:<12}{number:>6}" + "".join(f"{speeds[kind]:>24.1f}" for kind in KINDS) + f"{ratio:>8.3f}",
        flush=True,
    )


def write_run(
    case: Case,
    folder: Path,
    net: NetParameter | None = None,
    records: int = 500,
    precision: Precision = "fp32",
    node: str = LOCAL,
) -> Plan:
    """Write random images, where the folder has none yet, and a run's files, as the worker does; net.prototxt
    is the demo's unless given."""
    (folder / "net.prototxt").write_text(to_text(net or digits.build()))
    if not (folder / "train").exists():
        write_lmdb(folder / "train", case, records)
        write_lmdb(folder / "val", case, case.batch_size)
    spec = JobSpec.model_validate(
        {
            "name": "overhead",
            "base": {"net": case.net},
            "data": {"train": "train", "val": "val", "mean": "none", "crop": case.crop, "mirror": True,
                     "scale": 1 / 256, "batch_size": case.batch_size},
            "solver": {"max_iter": case.max_iter, "test_interval": case.max_iter, "snapshot": case.max_iter,
                       "base_lr": 0.0001, "precision": precision},
            "resources": {"node": node},
            "output": "runs",
        }
    )  # fmt: skip
    context = Context(folder)
    plan = prepare(absolute(spec, context), context)
    run = RunFolder(folder / plan.run_id)
    run.train_val.parent.mkdir(parents=True, exist_ok=True)
    run.train_val.write_text(to_text(plan.train_val))
    run.solver.write_text(to_text(plan.solver))
    return plan


def write_lmdb(path: Path, case: Case, records: int) -> None:
    """Write random images of ten classes."""
    shape: dict[str, Any] = {"channels": case.channels, "height": case.side, "width": case.side}
    random = np.random.default_rng(0)
    with lmdb.open(str(path), map_size=1 << 30) as env, env.begin(write=True) as txn:
        for i in range(records):
            pixels = random.integers(0, 256, case.channels * case.side**2, dtype=np.uint8).tobytes()
            txn.put(b"%08d" % i, encode_datum(pixels, i % 10, **shape))


def time_ftjob(plan: Plan, run: RunFolder) -> float:
    """Run the worker's loop; return the seconds from its first step to the end of its last."""
    for old in (run.train_metrics, run.test_metrics):
        old.unlink(missing_ok=True)
    with open_engine("caffe", solver=run.solver, weights=None, log=run.log(1), cwd=run.root) as engine:
        account = open_account(plan.spec, plan.inputs.node, None, this_user(), PodContext())
        status = Status("overhead", plan.run_id, attempt=1)
        recorder = Recorder(run, status, plan.images_per_iteration, account, plan.inputs.node.name)
        claimed = ClaimedRun(in_folder(run), [], Standing(this_user(), None), 1)
        timed, idle_seconds = Timed(engine), 60.0 * (plan.spec.guards.idle_minutes or 0)
        with (
            closing(Home(claimed, recorder.saved)) as home,
            Watch(idle_seconds, []) as watch,
        ):
            Training(plan, home, timed, recorder, StopRequest(), watch).run()
        recorder.close()
    assert len(run.train_metrics.read_text().splitlines()) == plan.solver.max_iter
    return timed.end - timed.begin


class Timed:
    """An Engine that remembers when its first step began and its last one ended."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.begin = self.end = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)

    def step(self, iterations: int) -> list[Iteration]:
        return [each for some in self.steps(iterations) for each in some]

    def steps(self, iterations: int) -> Iterator[list[Iteration]]:
        self.begin = self.begin or time.perf_counter()
        for some in self.engine.steps(iterations):
            self.end = time.perf_counter()
            yield some


def time_caffe(run: RunFolder, kind: str) -> float:
    """Run `caffe train` on the run's net; return the seconds of its loop, from its own log."""
    solver = parse_solver(run.solver.read_text(), str(run.solver))
    solver.display = 20 if kind.endswith("20") else 0
    solver.test_interval = solver.max_iter + 1
    solver.test_initialization = solver.snapshot_after_train = False
    solver.snapshot = 0
    (run.root / "caffe_solver.prototxt").write_text(to_text(solver))
    done = subprocess.run(
        [find_caffe().program("caffe"), "train", "-solver=caffe_solver.prototxt"],
        cwd=run.root,
        check=True,
        capture_output=True,
        text=True,
    )
    return stamp(done.stderr, "Optimization Done") - stamp(done.stderr, "Learning Rate Policy")


def stamp(log: str, words: str) -> float:
    """Return the time of day of a line of glog's, in seconds."""
    match = re.search(rf"^I\d{{4}} (\S+) .*{words}", log, re.MULTILINE)
    assert match, f"caffe train did not say {words!r}"
    return datetime.strptime(match[1], "%H:%M:%S.%f").timestamp()


if __name__ == "__main__":
    main()
