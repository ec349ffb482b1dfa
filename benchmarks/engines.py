"""How fast the engines are beside each other: images/s of GoogLeNet, batch 10, whole updates.

Both train the same prototxt from the same weights on the same LMDB with the same threads, in a process each,
which take turns: what else the machine does is then borne by both. What is timed is `engine.step`: reading
the data, forward, backward, the update, and telling of it. The first updates, in which memory is allocated
and kernels are chosen, are left out.

The ratio is that of each one's fastest round, since whatever else the machine does only ever slows a round
down; the median of the ratios within a round stands beside it. The losses must be the same, or nothing is
told.

$OPENBLAS_NUM_THREADS and $OMP_NUM_THREADS set the threads (all cores where they are not set), $ROUNDS the
rounds, $STEPS the updates of one.
"""

import json
import os
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from benchmarks.overhead import Case, write_run
from ftjob.engine import Engine
from ftjob.engine.open import AVAILABLE, open_engine
from ftjob.layout import RunFolder
from ftjob.net.proto.caffe_pb2 import NetParameter
from ftjob.net.prototxt import to_text

ROUNDS = int(os.environ.get("ROUNDS", "6"))
STEPS = int(os.environ.get("STEPS", "3"))
CASE = Case("googlenet", "googlenet", 3, 256, 224, 10, 1000)
SAME_LOSS = 1e-2
"""As a share, after all rounds: float32 sums in another order drift apart."""


def main() -> None:
    """Time both engines in turn; print a table and the figures."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        engines = opened(Path(folder), stack)
        losses = {name: [step.loss for step in engine.step(2)] for name, engine in engines.items()}
        seconds: dict[str, list[float]] = {name: [] for name in AVAILABLE}
        print(f"{'round':>6}" + "".join(f"{name + ' img/s':>16}" for name in AVAILABLE), flush=True)
        for number in range(ROUNDS):
            for name in AVAILABLE if number % 2 else reversed(AVAILABLE):
                begin = time.perf_counter()
                losses[name] += [step.loss for step in engines[name].step(STEPS)]
                seconds[name].append((time.perf_counter() - begin) / STEPS)
            show(str(number + 1), {name: found[-1] for name, found in seconds.items()})
    for caffe, torch in zip(losses["caffe"], losses["torch"], strict=True):
        assert abs(caffe - torch) <= SAME_LOSS * caffe, (losses["caffe"], losses["torch"])
    best = {name: min(found) for name, found in seconds.items()}
    show("best", best)
    within = [caffe / torch for caffe, torch in zip(seconds["caffe"], seconds["torch"], strict=True)]
    figures = {
        "threads": os.environ.get("OMP_NUM_THREADS", "all"),
        "rounds": ROUNDS,
        "seconds_per_update": {name: round(each, 4) for name, each in best.items()},
        "images_per_second": {name: round(CASE.batch_size / each, 2) for name, each in best.items()},
        "median_ratio": round(statistics.median(within), 4),
        "ratio_torch_caffe": round(best["caffe"] / best["torch"], 4),
    }
    print(json.dumps(figures))


def opened(folder: Path, stack: ExitStack) -> dict[str, Engine]:
    """Open both on one run's files and on the weights that torch begins with."""
    plan = write_run(CASE, folder)
    run = RunFolder(folder / plan.run_id)
    run.train_val.write_text(to_text(without_chance(plan.train_val)))

    def open_it(name: str, weights: Path | None) -> Engine:
        return stack.enter_context(
            open_engine(name, solver=run.solver, weights=weights, log=folder / f"{name}.log", cwd=run.root)
        )

    torch = open_it("torch", None)
    return {"caffe": open_it("caffe", torch.snapshot(folder).caffemodel), "torch": torch}


def without_chance(net: NetParameter) -> NetParameter:
    """Have nothing depend on random numbers, which are other ones in each: no mirror, dropout of nothing."""
    for layer in net.layer:
        layer.transform_param.ClearField("mirror")
        if layer.type == "Dropout":
            layer.dropout_param.dropout_ratio = 0
    return net


def show(number: str, seconds: dict[str, float]) -> None:
    """Print one line of the table."""
    print(
        f"{number:>6}" + "".join(f"{CASE.batch_size / seconds[name]:>16.2f}" for name in AVAILABLE),
        flush=True,
    )


if __name__ == "__main__":
    main()
