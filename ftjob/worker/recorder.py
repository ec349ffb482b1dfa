"""Records a run as it proceeds: status.json at most once a second, one line of metrics per event."""

import dataclasses
import math
import threading
import time
from collections import deque
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

from ftjob.engine import Iteration
from ftjob.fs import documents, files
from ftjob.nodes.profiles import get_node
from ftjob.runfolder.layout import RunFolder
from ftjob.runfolder.records.evaluation import Evaluation
from ftjob.runfolder.records.metrics import MetricLine, TestLine, TrainLine, line_text, read_tests
from ftjob.runfolder.snapshots import Snapshot
from ftjob.runfolder.status import Attempt, Status, render
from ftjob.worker.learning import Score
from ftjob.worker.meter import Account, open_account
from ftjob.worker.pod.context import PodContext
from ftjob.worker.storage import ClaimedRun
from jobspec import JobSpec

STATUS_SECONDS = 1.0
SPEED_WINDOW = 50
"""Chunks of iterations over which images/s is averaged."""


class Recorder:
    """Writes a run's status and metrics; the only writer while the worker lives."""

    def __init__(
        self,
        folder: RunFolder,
        status: Status,
        images_per_iteration: int,
        account: Account,
        node: str,
        image: str = "",
    ) -> None:
        self.folder = folder
        self.status = status
        self.account = account
        self._images = images_per_iteration
        self._lock = threading.Lock()
        self._written = 0.0
        self._speeds: deque[tuple[int, float]] = deque(maxlen=SPEED_WINDOW)
        self._earlier = status.attempts
        begun = Attempt(status.attempt, node, account.usd_per_hour, account.begun)
        self._attempt = dataclasses.replace(begun, spot=account.spot, ftjob=version("ftjob"), image=image)
        self.stages = {"start": account.elapsed}
        """Seconds of this attempt by stage."""
        self._stage, self._since = "start", account.elapsed
        with files.explained(folder.metrics):
            folder.metrics.mkdir(parents=True, exist_ok=True)
            self._open()

    def _open(self) -> None:
        self._train: IO[str] = self.folder.train_metrics.open("a", encoding="utf-8")
        self._test: IO[str] = self.folder.test_metrics.open("a", encoding="utf-8")

    def forget_after(self, iteration: int) -> float:
        """Cut from the metrics what an earlier attempt did after the snapshot that this one resumes from.

        Returns the seconds of training that are lost.
        """
        self.close()
        lost = drop_later_than(self.folder.train_metrics, iteration)
        drop_later_than(self.folder.test_metrics, iteration)
        self._open()
        return lost

    def saved(self, snapshot: Snapshot, best: Snapshot | None) -> None:
        """Record a complete snapshot and the best one so far; called from the saver's thread."""
        fields: dict[str, Any] = {}
        if best is not None and best.accuracy is not None:
            fields = {"best_accuracy": best.accuracy, "best_iteration": best.iteration}
        self.update(snapshot=snapshot.iteration, **fields)

    def close(self) -> None:
        """Close the metrics files."""
        self._train.close()
        self._test.close()

    def scores(self) -> list[Score]:
        """Return the scores of all tests of this run, earlier attempts' included."""
        path = self.folder.test_metrics
        with documents.explained(path):
            return [Score.of(line) for line in read_tests(path)]

    def lost(self, seconds: float) -> None:
        """Charge the last attempt with training that has to be done again."""
        if self._earlier:
            *before, last = self._earlier
            self._earlier = (*before, dataclasses.replace(last, lost_seconds=round(seconds, 3)))

    def saved_by(self, reason: str, seconds: float) -> None:
        """Record time that did not have to be paid for."""
        saved = self._attempt.saved_seconds
        saved = {**saved, reason: round(saved.get(reason, 0.0) + seconds, 3)}
        self._attempt = dataclasses.replace(self._attempt, saved_seconds=saved)

    def update(self, *, now: bool = True, **changes: Any) -> None:
        """Change fields of the status and write it: at once, or when a second has passed."""
        with self._lock:
            self._change(changes)
            if now or time.monotonic() - self._written >= STATUS_SECONDS:
                self._write()

    def settle(self, **changes: Any) -> Status:
        """Change fields of the status and return it, charged up to now and with the metrics on disk. `write`
        writes it unchanged, so that a report made in between has the same figures as status.json."""
        with self._lock:
            self._change(changes)
            self._complete()
            return self.status

    def write(self) -> None:
        """Write the settled status. Raises StorageError."""
        with self._lock:
            files.write_text(self.folder.status, render(self.status))

    def _change(self, changes: dict[str, Any]) -> None:
        self._accrue(changes.get("stage", self._stage))
        account = self.account
        self.status = dataclasses.replace(
            self.status,
            **changes,
            seconds=round(account.seconds_before + self._since, 3),
            usd=round(account.usd_before + account.cost(self._since), 6),
            updated=time.time(),
        )

    def _write(self) -> None:
        self._written = time.monotonic()
        self._complete()
        files.write_text(self.folder.status, render(self.status))

    def _complete(self) -> None:
        """Add this attempt to the status, and bring the metrics to disk."""
        self.status = dataclasses.replace(self.status, attempts=(*self._earlier, self._present()))
        with files.explained(self.folder.train_metrics):
            self._train.flush()

    def _accrue(self, stage: str) -> None:
        """Charge the time since the last call to the stage that the worker was in."""
        elapsed = self.account.elapsed
        self.stages[self._stage] = self.stages.get(self._stage, 0.0) + elapsed - self._since
        self._stage, self._since = stage or self._stage, elapsed

    def _present(self) -> Attempt:
        """Return this attempt as it stands: its stages add up to its seconds."""
        return dataclasses.replace(
            self._attempt,
            seconds=round(self._since, 3),
            usd=round(self.account.cost(self._since), 6),
            reason=self.status.reason if self.status.ended else "",
            stages={stage: round(seconds, 3) for stage, seconds in self.stages.items()},
        )

    def trained(self, steps: list[Iteration], eta_seconds: float) -> None:
        """Record some iterations in a row. Raises StorageError where the disk is full."""
        with files.explained(self.folder.train_metrics):
            for step in steps:
                self._train.write(line_text(_train_line(step)))
        if waits := [step.waited for step in steps if step.waited is not None]:
            waited = (self._attempt.waited_seconds or 0.0) + sum(waits)
            self._attempt = dataclasses.replace(self._attempt, waited_seconds=round(waited, 3))
        self._speeds.append((len(steps) * self._images, sum(step.seconds for step in steps)))
        last = steps[-1]
        self.update(
            now=False,
            iteration=last.iteration,
            loss=_finite(last.loss),
            learning_rate=last.learning_rate,
            images_per_second=self.images_per_second,
            eta_seconds=_finite(eta_seconds),
            usd_estimate=_finite(self.account.usd + self.account.cost(eta_seconds)),
        )

    @property
    def waiting(self) -> float | None:
        """The share of this attempt's training that was spent waiting for images; None where that is not
        known."""
        return self._present().waiting

    @property
    def images_per_second(self) -> float | None:
        """Recent training speed, without the time for tests and snapshots."""
        seconds = sum(seconds for _, seconds in self._speeds)
        return sum(images for images, _ in self._speeds) / seconds if seconds else None

    def tested(self, evaluation: Evaluation, seconds: float) -> Score:
        """Record a test, and return its score. Raises StorageError where the disk is full."""
        line = TestLine(
            iteration=evaluation.iteration,
            accuracy=evaluation.accuracy,
            top5=evaluation.top5,
            loss=evaluation.loss,
            heads=evaluation.heads,
            learning_rate=self.status.learning_rate,
            images=evaluation.images,
            seconds=round(seconds, 4),
            time=round(time.time(), 3),
        )
        with files.explained(self.folder.test_metrics):
            self._test.write(line_text(line))
            self._test.flush()
        self.update(accuracy=evaluation.accuracy, tested=line.iteration)
        return Score.of(line)


def open_recorder(claimed: ClaimedRun, spec: JobSpec, pod: PodContext) -> Recorder:
    """Return the recorder of this attempt, which continues the last status."""
    folder, node, before = claimed.folder, get_node(spec.resources.node), None
    if folder.status.exists():
        with documents.explained(folder.status):
            before = Status.parse(documents.read_bytes(folder.status))
    account = open_account(spec, node, before, claimed.standing.owner, pod)
    last = before or Status(name=spec.name, run_id=folder.root.name, submitted=time.time())
    status = Status(
        name=last.name,
        run_id=last.run_id,
        attempt=claimed.attempt,
        seconds=account.seconds_before,
        usd=account.usd_before,
        submitted=last.submitted,
        best_accuracy=last.best_accuracy,
        best_iteration=last.best_iteration,
        tested=last.tested,
        snapshot=last.snapshot,
        attempts=last.attempts,
    )
    return Recorder(folder, status, spec.images_per_iteration, account, node.name, pod.image)


def drop_later_than(path: Path, iteration: int) -> float:
    """Cut a metrics file after an iteration; return the seconds that the removed lines took.

    A line cut short by a kill is the last. Raises StorageError.
    """
    seconds = 0.0
    with documents.explained(path):
        if not path.exists():
            return seconds
        with documents.opened(path) as before, files.whole(path) as temporary, temporary.open("wb") as kept:
            for text in documents.whole_lines(before):
                try:
                    line = documents.parse_as(MetricLine, text)
                except documents.UnreadableError:
                    break
                if line.iteration > iteration:
                    seconds += line.seconds
                else:
                    kept.write(text)
    return seconds


def _train_line(step: Iteration) -> TrainLine:
    return TrainLine(
        iteration=step.iteration,
        loss=_finite(step.loss),
        learning_rate=step.learning_rate,
        seconds=round(step.seconds, 6),
        outputs={name: _finite(value) for name, value in step.outputs.items()},
    )


def _finite(value: float | None) -> float | None:
    """Return None for what JSON has no number for."""
    return value if value is not None and math.isfinite(value) else None
