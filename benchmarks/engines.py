"""How fast the engines are beside each other: updates of all layers of GoogLeNet and VGG16, batch 10.

Both train the same prototxt from the same weights on the same LMDB with the same threads, in a process each,
which take turns: what else the machine does is then borne by both. What is timed is `engine.step`: reading
the data, forward, backward, the update, and telling of it. The first updates, in which memory is allocated
and kernels are chosen, are left out. The one whose turn it is not computes nothing, and its threads sleep.

Each round has both alone, and GoogLeNet also beside a process that keeps one processor busy and is pinned to
none. A ratio is the median of those within a round, a speed the median of all rounds. The losses must be the
same, or nothing is printed.

$OMP_NUM_THREADS and $OPENBLAS_NUM_THREADS set the threads (one for each processor where they are not set),
$ROUNDS the rounds. Names on the command line choose nets.
"""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from benchmarks.overhead import Case, write_run
from ftjob.concurrency import processors
from ftjob.engine import Engine
from ftjob.engine.open import AVAILABLE, open_engine
from ftjob.net.proto.caffe_pb2 import NetParameter
from ftjob.net.prototxt import to_text
from ftjob.runfolder.layout import RunFolder

ROUNDS = int(os.environ.get("ROUNDS", "6"))
STEPS = {"googlenet": 3, "vgg16": 1}
"""The updates of a round."""
CASES = tuple(Case(name, name, 3, 256, 224, 10, 1000) for name in STEPS)
SAME_LOSS = 1e-2
"""As a share, after all rounds: float32 sums in another order drift apart."""
BUSY = "import os\nprint(flush=True)\nwhile os.getppid() == {parent}:\n    sum(range(10**6))"
"""What keeps a processor busy, for as long as this process lives."""
SITUATIONS = {"googlenet": ("alone", "busy"), "vgg16": ("alone",)}

Speeds = dict[str, list[float]]
"""Images/s by engine, a number for each round."""


def main() -> None:
    """Time both engines in turn, on one net after the other; print tables and the figures."""
    found: dict[str, object] = {
        "processors": processors.share(),
        "threads": os.environ.get("OMP_NUM_THREADS", "all"),
        "rounds": ROUNDS,
    }
    for case in CASES:
        if case.name in sys.argv[1:] or not sys.argv[1:]:
            found |= figures(case, measure(case))
    print(json.dumps(found))


def measure(case: Case) -> dict[str, Speeds]:
    """Return the speeds of both engines by situation; print a table."""
    speeds: dict[str, Speeds] = {
        situation: {name: [] for name in AVAILABLE} for situation in SITUATIONS[case.name]
    }
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        engines = opened(case, Path(folder), stack)
        losses = {name: [step.loss for step in engine.step(2)] for name, engine in engines.items()}
        columns = [f"{name} {situation}" for situation in speeds for name in AVAILABLE]
        print(f"{case.name + ' img/s':<16}" + "".join(f"{column:>14}" for column in columns), flush=True)
        for number in range(ROUNDS):
            for situation, found in speeds.items():
                with busy_process() if situation == "busy" else contextlib.nullcontext():
                    for name in AVAILABLE if number % 2 else reversed(AVAILABLE):
                        begin = time.perf_counter()
                        losses[name] += [step.loss for step in engines[name].step(STEPS[case.name])]
                        seconds = time.perf_counter() - begin
                        found[name].append(case.batch_size * STEPS[case.name] / seconds)
            show(str(number + 1), [found[name][-1] for found in speeds.values() for name in AVAILABLE])
    for caffe, torch in zip(losses["caffe"], losses["torch"], strict=True):
        assert abs(caffe - torch) <= SAME_LOSS * caffe, (losses["caffe"], losses["torch"])
    show("median", [statistics.median(found[name]) for found in speeds.values() for name in AVAILABLE])
    return speeds


def figures(case: Case, speeds: dict[str, Speeds]) -> dict[str, object]:
    """Return what the rounds come to: the ratios with their spread, and images/s."""
    found: dict[str, object] = {}
    for situation, by_engine in speeds.items():
        key = f"{case.name}_full" if situation == "alone" else f"{case.name}_full_{situation}"
        ratios = [torch / caffe for torch, caffe in zip(by_engine["torch"], by_engine["caffe"], strict=True)]
        found[f"images_per_second_{key}"] = {
            name: round(statistics.median(each), 2) for name, each in by_engine.items()
        }
        found[f"spread_{key}"] = [round(min(ratios), 3), round(max(ratios), 3)]
        found[f"ratio_{key}"] = round(statistics.median(ratios), 4)
    return found


@contextlib.contextmanager
def busy_process() -> Iterator[None]:
    """Keep one processor busy meanwhile, wherever the scheduler puts it."""
    code = BUSY.format(parent=os.getpid())
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()  # it runs
        try:
            yield
        finally:
            process.kill()


def opened(case: Case, folder: Path, stack: ExitStack) -> dict[str, Engine]:
    """Open both on one run's files and on the weights that torch begins with."""
    plan = write_run(case, folder)
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


def show(number: str, speeds: list[float]) -> None:
    """Print one line of the table."""
    print(f"{number:<16}" + "".join(f"{speed:>14.2f}" for speed in speeds), flush=True)


if __name__ == "__main__":
    main()
