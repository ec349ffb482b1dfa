"""What a fine-tune of the heads alone takes: epochs of GoogLeNet, frozen up to its last module.

Caffe with its trunk in every pass, Caffe with kept features and the torch engine with kept features train the
same prototxt from the same weights on the same LMDB with the same threads, in turn. Each is opened anew for
each round, with no features kept before: what is timed begins with opening the engine and ends with the last
update. Nothing is drawn (no mirror, no dropout), so all must end at the same loss, or nothing is printed. A
ratio is the median of those within a round.

The plan's sentence about what kept features save is checked in the same rounds: torch trains one more
epoch without them, which is the measured speed that the plan begins from, and `ratio_plan_saving` is what all
epochs took over what they were planned to take. `processor_plan_saving` is the same in processor time, which
other work on the machine changes less; so are `processor_caffe_plan_saving` and `processor_caffe_cached`,
without the engine's start.

$ROUNDS sets the rounds, $EPOCHS the epochs, $RECORDS the images of an epoch: 100 or more, since batches
that torch reads ahead before their features are kept go through the trunk again.
"""

import json
import math
import os
import statistics
import tempfile
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import psutil

from benchmarks.engines import SAME_LOSS, without_chance
from benchmarks.overhead import Case, write_lmdb, write_run
from ftjob.concurrency import processors
from ftjob.engine import Features
from ftjob.engine.open import AVAILABLE, open_engine
from ftjob.net.prototxt import to_text
from ftjob.plan.forecast import corrected
from ftjob.plan.measured import Measurement
from ftjob.plan.plan import Plan
from ftjob.prepare.prepare import Context, absolute, prepare
from ftjob.runfolder.layout import RunFolder
from jobspec import JobSpec

ROUNDS = int(os.environ.get("ROUNDS", "3"))
RECORDS = int(os.environ.get("RECORDS", "500"))
EPOCHS = int(os.environ.get("EPOCHS", "10"))
BATCH = 10
CASE = Case("googlenet", "googlenet", 3, 256, 224, BATCH, 1000)
LAST = "inception_5b/output"
TRAINED = {"caffe": ("caffe", False), "caffe kept": ("caffe", True), "torch": ("torch", True)}
"""What is timed: an engine, and whether it keeps features."""


@dataclass(frozen=True)
class Trained:
    """What one engine took."""

    epochs: list[float]
    """Seconds of each, without opening the engine."""
    whole: float
    """Seconds of all, opening the engine too."""
    processor: list[float]
    """Seconds of processors that each epoch took."""
    loss: float
    """The last."""


def main() -> None:
    """Time all in turn; print a table and the ratios."""
    found: dict[str, list[Trained]] = {name: [] for name in TRAINED}
    planned: list[float] = []
    in_processor_time: dict[str, list[float]] = {"caffe": [], "torch": []}
    columns = [*(name + what for name in TRAINED for what in (" first", " all")), "torch planned"]
    print(f"{'round':>6}" + "".join(f"{column:>16}" for column in columns))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plans = frozen_plans(folder)
        plan = plans["torch"]
        run = RunFolder(folder / plan.run_id)
        for number in range(ROUNDS):
            for trained in TRAINED if number % 2 else reversed(TRAINED):
                engine, keeps = TRAINED[trained]
                features = folder / f"features{number}" if keeps else None
                found[trained].append(train(engine, plan, run, features))
            caffe, *others = last = [found[trained][-1] for trained in TRAINED]
            assert all(abs(caffe.loss - other.loss) <= SAME_LOSS * caffe.loss for other in others), last
            torch = others[-1]
            once = train("torch", plan, run, None, epochs=1)
            planned.append(planned_seconds(plan, once.epochs[0]))
            for engine, whole, cached in (("caffe", caffe, others[0]), ("torch", once, torch)):
                expected = planned_seconds(plans[engine], whole.processor[0])
                in_processor_time[engine].append(sum(cached.processor) / expected)
            row = [seconds for each in last for seconds in (each.epochs[0], each.whole)]
            print(
                f"{number + 1:>6}" + "".join(f"{each:>14.1f} s" for each in (*row, planned[-1])), flush=True
            )
    pairs = list(zip(found["caffe"], found["torch"], strict=True))
    with_caffe = list(zip(found["caffe"], found["caffe kept"], strict=True))
    ratios = {
        "ratio_head_only_cached": [caffe.whole / torch.whole for caffe, torch in pairs],
        "ratio_caffe_cached": [plain.whole / kept.whole for plain, kept in with_caffe],
        "ratio_frozen_first_epoch": [caffe.epochs[0] / torch.epochs[0] for caffe, torch in pairs],
        "ratio_plan_saving": [
            sum(torch.epochs) / seconds for torch, seconds in zip(found["torch"], planned, strict=True)
        ],
        "processor_caffe_cached": [sum(plain.processor) / sum(kept.processor) for plain, kept in with_caffe],
        "processor_plan_saving": in_processor_time["torch"],
        "processor_caffe_plan_saving": in_processor_time["caffe"],
    }
    figures = {
        "processors": processors.share(),
        "load": round(os.getloadavg()[2], 1),
        "rounds": ROUNDS,
        "records": RECORDS,
        "epochs": EPOCHS,
        "spread": {name: [round(min(each), 2), round(max(each), 2)] for name, each in ratios.items()},
        **{name: round(statistics.median(each), 2) for name, each in ratios.items()},
    }
    print(json.dumps(figures))


def frozen_plans(folder: Path) -> dict[str, Plan]:
    """Write torch's run's files, whose net is frozen up to its last module, and crops from the centre; return
    its plan, and that of the same run with Caffe."""
    (folder / "base").mkdir()
    base = write_run(CASE, folder / "base", records=2 * BATCH)
    weights = initial_weights(RunFolder(folder / "base" / base.run_id), folder)
    write_lmdb(folder / "train", CASE, RECORDS)
    write_lmdb(folder / "val", CASE, BATCH)
    iterations = EPOCHS * RECORDS // BATCH
    spec = JobSpec.model_validate(
        {
            "name": "frozen",
            "base": {"net": CASE.net, "weights": str(weights)},
            "surgery": {"freeze": {"up_to": LAST}},
            "data": {"train": "train", "val": "val", "mean": "none", "crop": CASE.crop, "random_crop": False,
                     "mirror": False, "scale": 1 / 256, "batch_size": BATCH},
            "solver": {"max_iter": iterations, "test_interval": iterations, "snapshot": iterations,
                       "base_lr": 0.0001, "precision": "fp32"},
            "output": "runs",
        }
    )  # fmt: skip
    context = Context(folder)
    plans = {
        engine: prepare(absolute(spec.model_copy(update={"engine": engine}), context), context)
        for engine in AVAILABLE
    }
    plan = plans["torch"]
    run = RunFolder(folder / plan.run_id)
    run.train_val.parent.mkdir(parents=True)
    run.train_val.write_text(to_text(without_chance(plan.train_val)))
    run.solver.write_text(to_text(plan.solver))
    return plans


def train(engine: str, plan: Plan, run: RunFolder, features: Path | None, epochs: int = EPOCHS) -> Trained:
    """Train with an engine; `features` are kept there, None: nowhere."""
    kept = None
    if features:
        features.mkdir(exist_ok=True)
        kept = Features(features, 10**10, plan.kept_features)
    weights, log, steps = plan.inputs.weights, run.root / f"{engine}.log", RECORDS // BATCH
    assert weights is not None
    begin, loss = time.perf_counter(), math.nan
    with open_engine(
        engine, solver=run.solver, weights=weights.path, log=log, cwd=run.root, features=kept
    ) as opened:
        marks, used = [time.perf_counter()], [processor_seconds()]
        for _ in range(epochs):
            loss = opened.step(steps)[-1].loss
            marks.append(time.perf_counter())
            used.append(processor_seconds())
    seconds, processor = ([b - a for a, b in pairwise(each)] for each in (marks, used))
    return Trained(seconds, marks[-1] - begin, processor, loss)


def processor_seconds() -> float:
    """Return what the engine's process has used of processors."""
    times = [child.cpu_times() for child in psutil.Process().children()]
    return sum(each.user + each.system for each in times)


def planned_seconds(plan: Plan, epoch: float) -> float:
    """Return what the plan expects of all epochs, once it is measured that one of the whole net takes so many
    seconds."""
    measured = Measurement(run="frozen/whole", when=time.time(), train_seconds_per_image=epoch / RECORDS)
    return corrected(plan.forecast, plan.inputs, measured).cost.train_seconds


def initial_weights(run: RunFolder, folder: Path) -> Path:
    """Return the weights that torch begins with."""
    log = folder / "torch.log"
    with open_engine("torch", solver=run.solver, weights=None, log=log, cwd=run.root) as torch:
        return torch.snapshot(folder).caffemodel


if __name__ == "__main__":
    main()
