"""What a fine-tune of the heads alone takes: ten epochs of GoogLeNet, frozen up to its last module.

Caffe and the torch engine train the same prototxt from the same weights on the same LMDB with the same
threads, in turn. Each is opened anew for each round, with no features kept before: what is timed begins with
opening the engine and ends with the last update. Nothing is drawn (no mirror, no dropout), so both must end
at the same loss, or nothing is printed. A ratio is the median of those within a round.

$ROUNDS sets the rounds, $RECORDS the images of an epoch.
"""

import json
import os
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.engines import SAME_LOSS, without_chance
from benchmarks.overhead import Case, write_run
from ftjob.concurrency import processors
from ftjob.engine import Features
from ftjob.engine.open import AVAILABLE, open_engine
from ftjob.net.proto.caffe_pb2 import TEST
from ftjob.net.prototxt import parse_net, to_text
from ftjob.net.surgery.freeze import freeze, frozen_layers
from ftjob.runfolder.layout import RunFolder
from jobspec.spec import FreezeUpTo

ROUNDS = int(os.environ.get("ROUNDS", "3"))
RECORDS = int(os.environ.get("RECORDS", "500"))
EPOCHS, BATCH = 10, 10
CASE = Case("googlenet", "googlenet", 3, 256, 224, BATCH, 1000)
LAST = "inception_5b/output"


def main() -> None:
    """Time both engines in turn; print a table and the ratios."""
    whole: dict[str, list[float]] = {name: [] for name in AVAILABLE}
    first: dict[str, list[float]] = {name: [] for name in AVAILABLE}
    print(
        f"{'round':>6}" + "".join(f"{name + what:>16}" for name in AVAILABLE for what in (" first", " all"))
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = frozen_run(folder)
        weights = initial_weights(run, folder)
        for number in range(ROUNDS):
            losses = {}
            for engine in AVAILABLE if number % 2 else reversed(AVAILABLE):
                epoch, seconds, losses[engine] = train(engine, run, weights, folder / f"features{number}")
                first[engine].append(epoch)
                whole[engine].append(seconds)
            assert abs(losses["caffe"] - losses["torch"]) <= SAME_LOSS * losses["caffe"], losses
            row = [each[-1] for engine in AVAILABLE for each in (first[engine], whole[engine])]
            print(f"{number + 1:>6}" + "".join(f"{seconds:>14.1f} s" for seconds in row), flush=True)
    ratios = {
        "ratio_head_only_cached": [a / b for a, b in zip(whole["caffe"], whole["torch"], strict=True)],
        "ratio_frozen_first_epoch": [a / b for a, b in zip(first["caffe"], first["torch"], strict=True)],
    }
    figures = {
        "processors": processors.share(),
        "rounds": ROUNDS,
        "records": RECORDS,
        "spread": {name: [round(min(each), 2), round(max(each), 2)] for name, each in ratios.items()},
        **{name: round(statistics.median(each), 2) for name, each in ratios.items()},
    }
    print(json.dumps(figures))


def frozen_run(folder: Path) -> RunFolder:
    """Write a run's files whose net is frozen up to its last module, and crops from the centre."""
    plan = write_run(CASE, folder, records=RECORDS)
    run, net = RunFolder(folder / plan.run_id), without_chance(plan.train_val)
    freeze(net, frozen_layers(net, FreezeUpTo(up_to=LAST)))
    for layer in net.layer:
        if layer.type == "Data":
            layer.phase = TEST
    run.train_val.write_text(to_text(net))
    return run


def train(engine: str, run: RunFolder, weights: Path, features: Path) -> tuple[float, float, float]:
    """Return the seconds of the first epoch without opening the engine, those of all, and the last loss."""
    net = parse_net(run.train_val.read_text(), str(run.train_val))
    source = next(layer.data_param.source for layer in net.layer if layer.type == "Data")
    features.mkdir(exist_ok=True)
    kept = Features(features, 10**10, {source: "of this benchmark"})
    begin = time.perf_counter()
    log = run.root / f"{engine}.log"
    steps = RECORDS // BATCH
    with open_engine(
        engine, solver=run.solver, weights=weights, log=log, cwd=run.root, features=kept
    ) as opened:
        opened_at = time.perf_counter()
        opened.step(steps)
        epoch = time.perf_counter() - opened_at
        last = opened.step(steps * (EPOCHS - 1))[-1]
        return epoch, time.perf_counter() - begin, last.loss


def initial_weights(run: RunFolder, folder: Path) -> Path:
    """Return the weights that torch begins with."""
    log = folder / "torch.log"
    with open_engine("torch", solver=run.solver, weights=None, log=log, cwd=run.root) as torch:
        return torch.snapshot(folder).caffemodel


if __name__ == "__main__":
    main()
