"""Records a run as it proceeds: status.json at most once a second, one line of metrics per event."""

import math
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

from ftjob.engine import Iteration
from ftjob.engine.nvml import DeviceUse
from ftjob.fs import documents, files
from ftjob.nodes.profiles import get_node
from ftjob.runfolder import snapshots
from ftjob.runfolder.layout import RunFolder
from ftjob.runfolder.records.evaluation import Evaluation
from ftjob.runfolder.records.metrics import MetricLine, TestLine, TrainLine, line_text, read_tests
from ftjob.runfolder.records.stage_record import StageRecord
from ftjob.runfolder.snapshots import Snapshot
from ftjob.runfolder.status import Attempt, GpuUse, StageResult, State, Status, render
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
        self._of_metrics = folder
        self.status = status
        self.account = account
        self._images = images_per_iteration
        self._lock = threading.Lock()
        self._written = 0.0
        self._speeds: deque[tuple[int, float]] = deque(maxlen=SPEED_WINDOW)
        self._earlier = status.attempts
        begun = Attempt(status.attempt, node, account.usd_per_hour, account.begun)
        self._attempt = replace(begun, spot=account.spot, ftjob=version("ftjob"), image=image)
        self.stages = {"start": account.elapsed}
        """Seconds of this attempt by stage."""
        self._stage, self._since = "start", account.elapsed
        self._later_seconds = 0.0
        self._number: int | None = None
        self._begun, self._paid = 0.0, (0.0, 0.0)
        self._open()

    def _open(self) -> None:
        folder = self._of_metrics
        with files.explained(folder.metrics):
            folder.metrics.mkdir(parents=True, exist_ok=True)
            self._train: IO[str] = folder.train_metrics.open("a", encoding="utf-8")
            self._test: IO[str] = folder.test_metrics.open("a", encoding="utf-8")

    def plan_stages(self, coming: Iterable[StageResult]) -> None:
        """Record the stages of the run, each as far as earlier attempts came with it."""
        before = {each.run_id: each for each in self.status.stage_results}
        known = (
            replace(before.get(each.run_id, each), name=each.name, max_iter=each.max_iter) for each in coming
        )
        self.update(stage_results=tuple(known))

    def enter_stage(
        self, number: int, folder: RunFolder, images: int, found: list[Snapshot], later_seconds: float
    ) -> None:
        """Record from now on the stage of that number, from 0, whose metrics are in `folder`.

        `images` are those of an iteration, `found` its snapshots so far; `later_seconds` is what the stages
        after it will take.
        """
        self.close()
        self._of_metrics, self._images, self._later_seconds = folder, images, later_seconds
        self._speeds.clear()
        self._open()
        with self._lock:
            # the first stage of an attempt is charged with what it took to begin the attempt
            self._begun = self._since if self._number is not None else 0.0
            self._number = number
            results = list(self.status.stage_results)
            entered = results[number] = replace(results[number], state=State.RUNNING)
            self._paid = entered.seconds, entered.usd
        newest, best = (found[-1] if found else None), snapshots.best(found)
        tested = best if best is not None and best.accuracy is not None else None
        self.update(
            iteration=newest.iteration if newest else 0,
            max_iter=entered.max_iter,
            snapshot=newest.iteration if newest else None,
            accuracy=None,
            best_accuracy=tested.accuracy if tested else None,
            best_iteration=tested.iteration if tested else None,
            loss=None,
            learning_rate=None,
            images_per_second=None,
            resumed=None,
            stage_results=tuple(results),
        )

    @property
    def stage_result(self) -> StageResult:
        """What the stage under way came to so far."""
        assert self._number is not None
        return self.status.stage_results[self._number]

    def end_stage(self, number: int, record: StageRecord) -> None:
        """Record that a stage is complete."""
        results = list(self.status.stage_results)
        results[number] = replace(
            results[number],
            state=State.SUCCEEDED,
            iteration=record.iteration,
            accuracy=record.accuracy,
            reused_from=record.reused_from,
        )
        self.update(stage_results=tuple(results))

    def forget_after(self, iteration: int) -> float:
        """Cut from the metrics what an earlier attempt did after the snapshot that this one resumes from.

        Returns the seconds of training that are lost.
        """
        self.close()
        lost = drop_later_than(self._of_metrics.train_metrics, iteration)
        drop_later_than(self._of_metrics.test_metrics, iteration)
        self._open()
        return lost

    def saved(self, snapshot: Snapshot, best: Snapshot | None) -> None:
        """Record a complete snapshot and the best one so far; called from the saver's thread."""
        fields: dict[str, Any] = {}
        if best is not None and best.accuracy is not None:
            fields = {"best_accuracy": best.accuracy, "best_iteration": best.iteration}
        self.update(snapshot=snapshot.iteration, **fields)

    def flush(self) -> None:
        """Bring all metrics to disk. Raises StorageError where it is full."""
        with self._lock, files.explained(self._of_metrics.train_metrics):
            self._train.flush()

    def close(self) -> None:
        """Close the metrics files."""
        self._train.close()
        self._test.close()

    def scores(self) -> list[Score]:
        """Return the scores of all tests of this run, earlier attempts' included."""
        path = self._of_metrics.test_metrics
        with documents.explained(path):
            return [Score.of(line) for line in read_tests(path)]

    def lost(self, seconds: float) -> None:
        """Charge the last attempt with training that has to be done again."""
        if self._earlier:
            *before, last = self._earlier
            self._earlier = (*before, replace(last, lost_seconds=round(seconds, 3)))

    def saved_by(self, reason: str, seconds: float) -> None:
        """Record time that did not have to be paid for."""
        saved = self._attempt.saved_seconds
        saved = {**saved, reason: round(saved.get(reason, 0.0) + seconds, 3)}
        self._attempt = replace(self._attempt, saved_seconds=saved)

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
        self.status = replace(
            self.status,
            **changes,
            seconds=round(account.seconds_before + self._since, 3),
            usd=round(account.usd_before + account.cost(self._since), 6),
            updated=time.time(),
        )
        if self._number is not None:
            self._charge_stage(self._number)

    def _charge_stage(self, number: int) -> None:
        """Bring the stage under way up to date, unless it is complete."""
        results, status = list(self.status.stage_results), self.status
        best = [each for each in (status.best_accuracy, status.accuracy) if each is not None]
        took = self._since - self._begun
        stands = results[number]
        if stands.state is not State.SUCCEEDED:
            stands = replace(
                stands,
                state=status.state,
                iteration=status.iteration,
                accuracy=max(best, default=None),
            )
        results[number] = replace(
            stands,
            seconds=round(self._paid[0] + took, 3),
            usd=round(self._paid[1] + self.account.cost(took), 6),
        )
        self.status = replace(self.status, stage_results=tuple(results))

    def _write(self) -> None:
        self._written = time.monotonic()
        self._complete()
        files.write_text(self.folder.status, render(self.status))

    def _complete(self) -> None:
        """Add this attempt to the status, and bring the metrics to disk."""
        self.status = replace(self.status, attempts=(*self._earlier, self._present()))
        with files.explained(self._of_metrics.train_metrics):
            self._train.flush()

    def _accrue(self, stage: str) -> None:
        """Charge the time since the last call to the stage that the worker was in."""
        elapsed = self.account.elapsed
        self.stages[self._stage] = self.stages.get(self._stage, 0.0) + elapsed - self._since
        self._stage, self._since = stage or self._stage, elapsed

    def _present(self) -> Attempt:
        """Return this attempt as it stands: its stages add up to its seconds."""
        return replace(
            self._attempt,
            seconds=round(self._since, 3),
            usd=round(self.account.cost(self._since), 6),
            reason=self.status.reason if self.status.ended else "",
            stages={stage: round(seconds, 3) for stage, seconds in self.stages.items()},
        )

    def trained(self, steps: list[Iteration], eta_seconds: float) -> None:
        """Record some iterations in a row. Raises StorageError where the disk is full."""
        usd, now = round(self.account.usd, 6), round(time.time(), 3)
        with files.explained(self._of_metrics.train_metrics):
            for step in steps:
                self._train.write(line_text(_train_line(step, usd, now)))
        if waits := [step.waited for step in steps if step.waited is not None]:
            waited = (self._attempt.waited_seconds or 0.0) + sum(waits)
            self._attempt = replace(self._attempt, waited_seconds=round(waited, 3))
        eta_seconds += self._later_seconds
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

    def computes(self, uses: Sequence[DeviceUse | None]) -> None:
        """Record how much the GPUs do; from any thread."""
        gpus = (GpuUse(each.utilization, each.memory, each.memory_total) for each in uses if each)
        self.update(now=False, gpus=tuple(gpus))

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
            usd=round(self.account.usd, 6),
        )
        with files.explained(self._of_metrics.test_metrics):
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
        stage_results=last.stage_results,
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


def _train_line(step: Iteration, usd: float, now: float) -> TrainLine:
    return TrainLine(
        iteration=step.iteration,
        loss=_finite(step.loss),
        learning_rate=step.learning_rate,
        seconds=round(step.seconds, 6),
        outputs={name: _finite(value) for name, value in step.outputs.items()},
        waited=None if step.waited is None else round(step.waited, 6),
        usd=usd,
        time=now,
    )


def _finite(value: float | None) -> float | None:
    """Return None for what JSON has no number for."""
    return value if value is not None and math.isfinite(value) else None
