"""Every name inside a run's folder, from one class (docs/run-folder.md shows it as a tree)."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar


@dataclass(frozen=True)
class RunFolder:
    """`<output>/<name>/<run id>/`: the whole truth about a run, readable with plain tools."""

    root: Path
    """On local disk: the run's folder itself, or where a worker keeps its copy of one in a store."""

    writers: ClassVar[str] = "writers"
    """Key of the folder of leases, in a store only (ftjob.runfolder.lease)."""

    def key(self, path: Path) -> str:
        """Return the key that a file of this folder has in a store."""
        return path.relative_to(self.root).as_posix()

    def path(self, key: str) -> Path:
        """Return the file of a key."""
        return self.root / key

    @staticmethod
    def part(key: str, number: int) -> str:
        """Return the key of a growing file's part: the first has its name, later ones a number behind it."""
        return f"{key}.{number:05}" if number else key

    @property
    def spec(self) -> Path:
        return self.root / "spec.yaml"

    @property
    def owner(self) -> Path:
        """The owner of the run (ftjob.worker.owner)."""
        return self.root / "owner.json"

    @property
    def sweep(self) -> Path:
        """The record of a sweep's members (ftjob.sweep.record); a sweep's folder alone has it."""
        return self.root / "sweep.json"

    @property
    def plan(self) -> Path:
        return self.root / "plan.json"

    @property
    def train_val(self) -> Path:
        return self.root / "net" / "train_val.prototxt"

    @property
    def deploy(self) -> Path:
        return self.root / "net" / "deploy.prototxt"

    @property
    def solver(self) -> Path:
        return self.root / "net" / "solver.prototxt"

    @property
    def snapshots(self) -> Path:
        return self.root / "snapshots"

    def caffemodel(self, iteration: int) -> Path:
        return self.snapshots / f"iter_{iteration}.caffemodel"

    def solverstate(self, iteration: int) -> Path:
        return self.snapshots / f"iter_{iteration}.solverstate"

    def snapshot_record(self, iteration: int) -> Path:
        """Digests and data position; written last: a snapshot exists when this does."""
        return self.snapshots / f"iter_{iteration}.json"

    @property
    def metrics(self) -> Path:
        return self.root / "metrics"

    @property
    def train_metrics(self) -> Path:
        return self.metrics / "train.jsonl"

    @property
    def test_metrics(self) -> Path:
        return self.metrics / "test.jsonl"

    @property
    def events(self) -> Path:
        """The metrics as TensorBoard reads them."""
        return self.root / "events"

    def event_file(self, attempt: int, number: int | None) -> Path:
        """Return a part of an attempt's events, by its number, or None for the part written at the end.

        The names sort in the order in which TensorBoard reads them.
        """
        part = "end" if number is None else f"{number:05}"
        return self.events / f"events.out.tfevents.{attempt:05}.{part}"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    def log(self, attempt: int) -> Path:
        return self.logs / f"attempt-{attempt}.log"

    @staticmethod
    def attempt_of(name: str) -> int | None:
        """Return which attempt's log a file of that name is; None where it is none."""
        found = re.fullmatch(r"attempt-([1-9][0-9]{0,8})\.log", name, re.ASCII)
        return int(found[1]) if found else None

    @property
    def status(self) -> Path:
        return self.root / "status.json"

    @property
    def evaluation(self) -> Path:
        return self.root / "evaluation.json"

    @property
    def predictions(self) -> Path:
        """The answer to every validation image; there only beside the evaluation that it belongs to."""
        return self.root / "predictions.jsonl"

    @property
    def on_evaluation(self) -> Path:
        """As `evaluation`, of the dataset `accept.on`."""
        return self.root / "on" / "evaluation.json"

    @property
    def on_predictions(self) -> Path:
        """As `predictions`, of the dataset `accept.on`."""
        return self.root / "on" / "predictions.jsonl"

    @property
    def mistakes(self) -> Path:
        """The surest wrong answers, with pictures."""
        return self.root / "mistakes.json"

    @property
    def acceptance(self) -> Path:
        """What `accept` requires, and what was reached."""
        return self.root / "acceptance.json"

    @property
    def curves(self) -> Path:
        return self.root / "curves.png"

    @property
    def report(self) -> Path:
        return self.root / "report.html"

    @property
    def bundle(self) -> Path:
        return self.root / "bundle"

    def stage(self, run_id: str) -> "RunFolder":
        """Return the folder of an earlier stage, which is laid out as a run's."""
        return RunFolder(self.root / "stages" / run_id)

    @property
    def stage_record(self) -> Path:
        """What an earlier stage came to; written last: such a stage is complete when this is there."""
        return self.root / "stage.json"

    @property
    def coming_features(self) -> Path:
        """Features on their way to or from a store; only where a worker works, and only meanwhile."""
        return self.root / "features"

    @property
    def lock(self) -> Path:
        """Held by the worker while it lives; on one machine only."""
        return self.root / "worker.lock"


_OF_RUN = re.compile(r"(?:^|/)(?P<key>(?:snapshots/iter_\d+|bundle/weights)\.caffemodel)$")


def is_of_run(location: str) -> bool:
    """Return whether a path or URI is a caffemodel in a run's folder: a snapshot's or its bundle's."""
    return bool(_OF_RUN.search(location))


def run_and_key(location: str) -> tuple[str, str] | None:
    """Return the run's folder that the caffemodel at a path or URI is in, and its key there; None where it is
    in none."""
    found = _OF_RUN.search(location)
    return (location[: found.start()], found["key"]) if found else None


@dataclass(frozen=True)
class BundleFolder:
    """What is served: complete when its manifest is there."""

    root: Path

    @property
    def deploy(self) -> Path:
        return self.root / "deploy.prototxt"

    @property
    def weights(self) -> Path:
        return self.root / "weights.caffemodel"

    @property
    def labels(self) -> Path:
        return self.root / "labels.txt"

    @property
    def mean(self) -> Path:
        return self.root / "mean.binaryproto"

    @property
    def preprocess(self) -> Path:
        return self.root / "preprocess.json"

    @property
    def evaluation(self) -> Path:
        return self.root / "evaluation.json"

    @property
    def golden(self) -> Path:
        return self.root / "golden"

    @property
    def golden_scores(self) -> Path:
        return self.golden / "scores.json"

    @property
    def manifest(self) -> Path:
        """Digests of every other file; written last."""
        return self.root / "manifest.json"
