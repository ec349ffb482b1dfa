"""How long training stalls for its snapshots, one every 30 s: the demo's net, and one of VGG16's size.

What is timed is the training thread between asking for a snapshot and the next iteration, while the run lives
in a store (a directory here, so that no network is measured). The files are written by a copy of the engine,
their digests are taken and they are uploaded by a thread meanwhile. That shares the processors and the disk
with the training: `slower` is how much less is done in the 10 s after a snapshot was begun than in the
others. A ratio is 1 % divided by the share of time stood still; $SNAPSHOTS (3) are taken per net.
"""

import json
import os
import statistics
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.overhead import Case, write_run
from examples.digits import net as digits
from ftjob.engine import Engine
from ftjob.engine.open import open_engine
from ftjob.net.proto.caffe_pb2 import NetParameter
from ftjob.net.zoo.builder import NetBuilder, constant, gaussian
from ftjob.runfolder.layout import RunFolder
from ftjob.runfolder.lease import claim, take
from ftjob.runfolder.store import CopiedRunStore
from ftjob.storage import open_store
from ftjob.worker.transfer.snapshot_upload import SnapshotSaver

SNAPSHOTS = int(os.environ.get("SNAPSHOTS", "3"))
EVERY_SECONDS = 30.0
AFTER_SECONDS = 10.0
ALLOWED = 0.01


@dataclass
class Watched:
    """What was seen of a training."""

    seconds: float = 0.0
    bytes: int = 0
    """Of one snapshot."""
    standing: list[float] = field(default_factory=list)
    """Seconds, for each snapshot."""
    after: list[float] = field(default_factory=list)
    other: list[float] = field(default_factory=list)
    """Iterations per second, in the seconds after a snapshot was begun and in the rest."""


def main() -> None:
    """Run both nets; print a table and the figures."""
    figures: dict[str, float] = {"snapshots": SNAPSHOTS, "every_seconds": EVERY_SECONDS}
    for name, net, batch_size in (("demo_net", digits.build(), 32), ("vgg16_size", wide(), 4)):
        with tempfile.TemporaryDirectory() as folder:
            seen = watch(Path(folder), net, batch_size)
        figures |= report_figures(name, seen)
    figures["ratio_stall"] = min(value for key, value in figures.items() if key.startswith("ratio_"))
    print(json.dumps(figures))


def report_figures(name: str, seen: Watched) -> dict[str, float]:
    """Print a line about one net, and return its figures."""
    share, longest = sum(seen.standing) / seen.seconds, max(seen.standing)
    slower = max(0.0, 1 - statistics.mean(seen.after) / statistics.mean(seen.other))
    print(
        f"{name:<11}{seen.bytes / 1e6:8.1f} MB a snapshot, {share:7.3%} of the time stood still, "
        f"{longest * 1000:6.0f} ms the longest, {slower:5.1%} slower for {AFTER_SECONDS:.0f} s",
        flush=True,
    )
    return {
        f"megabytes_{name}": round(seen.bytes / 1e6, 1),
        f"stall_share_{name}": round(share, 6),
        f"longest_stall_ms_{name}": round(longest * 1000, 1),
        f"slower_share_{name}": round(slower, 4),
        f"ratio_{name}": round(ALLOWED / share, 2),
    }


def watch(folder: Path, net: NetParameter, batch_size: int) -> Watched:
    """Train a net on random images, with snapshots."""
    plan = write_run(Case("stall", "net.prototxt", 1, 32, 28, batch_size, 1_000_000), folder, net)
    run = RunFolder(folder / plan.run_id)
    run.snapshots.mkdir()
    store = open_store(str(folder / "store"))
    with (
        take(store, claim(run, 1)) as lease,
        open_engine("caffe", solver=run.solver, weights=None, log=run.log(1), cwd=run.root) as engine,
        closing(SnapshotSaver(CopiedRunStore(store, run), [], check=lease.check)) as saver,
    ):
        return observed(engine, saver, run)


def observed(engine: Engine, saver: SnapshotSaver, run: RunFolder) -> Watched:
    """Train for some intervals, each of which begins with a snapshot."""
    seen = Watched()
    engine.step(2)
    seen.other.append(speed(engine, AFTER_SECONDS))
    begin = time.perf_counter()
    for _ in range(SNAPSHOTS):
        asked = time.perf_counter()
        writing = engine.begin_snapshot(run.snapshots)
        seen.standing.append(time.perf_counter() - asked)
        saver.take(writing, 0, None)
        seen.after.append(speed(engine, AFTER_SECONDS))
        seen.other.append(speed(engine, EVERY_SECONDS - AFTER_SECONDS))
    seen.seconds = time.perf_counter() - begin
    saver.settle()
    seen.bytes = sum(file.bytes for file in saver.complete[-1].files.values())
    return seen


def speed(engine: Engine, seconds: float) -> float:
    """Train for some seconds; return iterations per second."""
    begin, done = time.perf_counter(), 0
    for some in engine.steps(1_000_000):
        done += len(some)
        if time.perf_counter() - begin >= seconds:
            engine.halt()
    return done / (time.perf_counter() - begin)


def wide() -> NetParameter:
    """A net with as many params as VGG16 (138 million), and little to compute for each image."""
    net = NetBuilder("wide")
    blob = net.data((4, 4), 28, scale=1 / 256, mirror=False)
    for layer in net.net.layer:
        layer.transform_param.force_gray = True
    for number in range(9):
        blob = net.fc(f"ip{number}", blob, 4096, weight_filler=gaussian(0.01), bias_filler=constant(0))
    score = net.fc("score", blob, 10, weight_filler=gaussian(0.01), bias_filler=constant(0))
    net.softmax_loss("loss", score, top="loss")
    return net.net


if __name__ == "__main__":
    main()
