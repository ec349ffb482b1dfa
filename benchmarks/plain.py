"""The torch engine beside plain PyTorch on this machine's processors: updates of all layers, batch 10.

The engine trains from an LMDB, with everything that ftjob records of an update. Plain PyTorch trains the same
net (benchmarks/gpu/plainnets.py) on images that lie in memory, by its best means: channels-last, SGD in one
pass, once eager and once compiled by torch.compile, whose first update is timed by itself. All take turns in
each round, with as many threads each; those whose turn it is not compute nothing. A ratio is the median of
those within a round, a speed the median of all rounds.

$OMP_NUM_THREADS sets the threads, $ROUNDS the rounds. Names on the command line choose nets.
"""

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch  # noqa: TID253

from benchmarks.engines import CASES, STEPS, show
from benchmarks.gpu.plaintraining import updating
from benchmarks.overhead import Case, write_run
from ftjob.concurrency import processors
from ftjob.engine.open import open_engine
from ftjob.runfolder.layout import RunFolder

ROUNDS = int(os.environ.get("ROUNDS", "6"))
CLASSES = 10
"""Of the random images of benchmarks/overhead.py."""
Found = dict[str, object]


def main() -> None:
    """Time all three in turn, on one net after the other; print tables and the figures."""
    threads = int(os.environ.get("OMP_NUM_THREADS", processors.share()))
    torch.set_num_threads(threads)
    torch.compiler.config.force_disable_caches = True  # what is compiled here is not from an earlier run
    found: Found = {"threads": threads, "rounds": ROUNDS}
    for case in CASES:
        if case.name in sys.argv[1:] or not sys.argv[1:]:
            found |= measure(case)
    print(json.dumps(found))


def measure(case: Case) -> Found:
    """Return speeds, ratios and what compiling took; print a table."""
    with tempfile.TemporaryDirectory() as folder, engine_updating(case, Path(folder)) as engine:
        updates = {
            "engine": engine,
            **{
                name: updating(case, CLASSES, torch.device("cpu"), None, compiled=name == "compiled")
                for name in ("eager", "compiled")
            },
        }
        first = {name: seconds(update) for name, update in updates.items()}
        speeds: dict[str, list[float]] = {name: [] for name in updates}
        print(f"{case.name + ' img/s':<16}" + "".join(f"{name:>14}" for name in updates), flush=True)
        for number in range(ROUNDS):
            for name in updates if number % 2 else reversed(updates):
                updates[name]()  # the threads of another were just at work
                spent = sum(seconds(updates[name]) for _ in range(STEPS[case.name]))
                speeds[name].append(case.batch_size * STEPS[case.name] / spent)
            show(str(number + 1), [speeds[name][-1] for name in updates])
    show("median", [statistics.median(each) for each in speeds.values()])
    return figures(case, speeds) | {f"compile_seconds_{case.name}": round(first["compiled"], 1)}


def figures(case: Case, speeds: dict[str, list[float]]) -> Found:
    """Return images/s, and how the engine and the compiled net compare with the eager one."""
    found: Found = {
        f"images_per_second_{case.name}": {
            name: round(statistics.median(each), 2) for name, each in speeds.items()
        }
    }
    for key, (over, under) in {
        "plain": ("engine", "eager"),
        "plain_compiled": ("engine", "compiled"),
        "compiled_eager": ("compiled", "eager"),
    }.items():
        ratios = [above / below for above, below in zip(speeds[over], speeds[under], strict=True)]
        found[f"ratio_{key}_{case.name}"] = round(statistics.median(ratios), 4)
        found[f"spread_{key}_{case.name}"] = [round(min(ratios), 3), round(max(ratios), 3)]
    return found


@contextmanager
def engine_updating(case: Case, folder: Path) -> Iterator[Callable[[], object]]:
    """Open the engine on a run; what it yields makes one update."""
    plan = write_run(case, folder)
    run = RunFolder(folder / plan.run_id)
    with open_engine(
        "torch", solver=run.solver, weights=None, log=folder / "torch.log", cwd=run.root
    ) as engine:
        yield lambda: list(engine.step(1))


def seconds(update: Callable[[], object]) -> float:
    """Return how long an update takes."""
    begin = time.perf_counter()
    update()
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
