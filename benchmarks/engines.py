"""How fast the engines are beside each other: images/s of GoogLeNet, batch 10, whole updates.

Both train the same prototxt from the same weights on the same LMDB with the same threads, in a process each,
which take turns: what else the machine does is then borne by both. What is timed is `engine.step`: reading
the data, forward, backward, the update, and telling of it. The first updates, in which memory is allocated
and kernels are chosen, are left out.

Each round is timed twice: alone, and beside one busy process, as on a machine that is not a run's own. Alone
the ratio is that of each one's fastest round, since whatever else the machine does only ever slows a round
down, with the median of the ratios within a round beside it; beside a busy process it is that median, since
there a fast round is one in which the other happened to sleep. The losses must be the same, or nothing is
told.

$OPENBLAS_NUM_THREADS and $OMP_NUM_THREADS set the threads (all of this process's share where they are not
set), $ROUNDS the rounds, $STEPS the updates of one.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.overhead import Case, write_run
from ftjob import processors
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
    """Time both engines in turn, alone and beside a busy process; print a table and the figures."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        engines = opened(Path(folder), stack)
        losses = {name: [step.loss for step in engine.step(2)] for name, engine in engines.items()}
        seconds = {beside: {name: list[float]() for name in AVAILABLE} for beside in (0, 1)}
        print(f"{'round':>6}" + "".join(f"{name + ' img/s':>16}" for name in AVAILABLE), flush=True)
        for number in range(ROUNDS):
            for beside, found in seconds.items():
                for name in AVAILABLE if number % 2 else reversed(AVAILABLE):
                    with busy(beside):
                        begin = time.perf_counter()
                        losses[name] += [step.loss for step in engines[name].step(STEPS)]
                        found[name].append((time.perf_counter() - begin) / STEPS)
                show(f"{number + 1}{'*' * beside}", {name: each[-1] for name, each in found.items()})
    for caffe, torch in zip(losses["caffe"], losses["torch"], strict=True):
        assert abs(caffe - torch) <= SAME_LOSS * caffe, (losses["caffe"], losses["torch"])
    best = {name: min(found) for name, found in seconds[0].items()}
    middle = {name: statistics.median(found) for name, found in seconds[1].items()}
    show("best", best)
    show("busy*", middle)
    figures = {
        "threads": os.environ.get("OMP_NUM_THREADS", str(processors.share())),
        "rounds": ROUNDS,
        "images_per_second": per_second(best),
        "images_per_second_busy": per_second(middle),
        "median_ratio": round(median_ratio(seconds[0]), 4),
        "ratio_torch_caffe": round(best["caffe"] / best["torch"], 4),
        "ratio_torch_caffe_busy": round(median_ratio(seconds[1]), 4),
    }
    print(json.dumps(figures))


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """Have that many other processes compute without a pause."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def per_second(seconds: dict[str, float]) -> dict[str, float]:
    """Return images/s by engine of seconds per update."""
    return {name: round(CASE.batch_size / each, 2) for name, each in seconds.items()}


def median_ratio(seconds: dict[str, list[float]]) -> float:
    """Return how many times as fast torch is, as the median of the rounds."""
    pairs = zip(seconds["caffe"], seconds["torch"], strict=True)
    return statistics.median(caffe / torch for caffe, torch in pairs)


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
