"""The training loop around a fake engine: a run of four records and three classes that takes milliseconds."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ftjob.bundle.evaluate import Evaluation
from ftjob.engine import Writing
from ftjob.money.limits import BudgetLimits
from ftjob.plan.plan import Plan
from ftjob.runfolder.layout import RunFolder
from ftjob.runfolder.status import Status
from ftjob.worker.meter import Account
from ftjob.worker.recorder import Recorder
from ftjob.worker.train import Outcome, Training
from ftjob.worker.watch.gpu_watch import Watch
from ftjob.worker.watch.signals import StopRequest
from tests.engine.fake_engine import FakeEngine

LABELS = (0, 1, 2, 0, 1, 2, 0, 1)


@dataclass(frozen=True)
class Kept:
    """A snapshot that is complete."""

    iteration: int
    accuracy: float | None


@dataclass
class Store:
    """Keeps the snapshots of a run, as the loop sees its saver and its home."""

    folder: RunFolder
    found: list[Kept] = field(default_factory=list)
    """When the attempt began."""
    complete: list[Kept] = field(default_factory=list)
    is_copy: bool = False
    seconds: float = 0.0

    @property
    def saver(self) -> "Store":
        return self

    @property
    def run(self) -> "Store":
        return self

    def check(self) -> None:
        """Nothing goes wrong."""

    def snapshots_folder(self) -> Path:
        self.folder.snapshots.mkdir(parents=True, exist_ok=True)
        return self.folder.snapshots

    def take(self, writing: Writing, images_seen: int, test: Evaluation | None) -> None:
        iteration = writing.wait().iteration
        accuracy = test.accuracy if test and test.iteration == iteration else None
        others = [each for each in self.complete if each.iteration != iteration]
        self.complete = [*others, Kept(iteration, accuracy)]


@dataclass(frozen=True)
class Purse(Account):
    """An account whose budget lasts as long as a test wants."""

    lasts: Callable[[], bool] = lambda: True

    def left(self, budget: BudgetLimits) -> float:
        return float("inf") if self.lasts() else 0.0


class QuickRecorder(Recorder):
    """A recorder that writes the status once a second at most: a disk's time is not what is looked at."""

    def update(self, *, now: bool = True, **changes: Any) -> None:
        super().update(now=False, **changes)


@dataclass
class Loop:
    """A run over several attempts, and what happened in it."""

    folder: Path
    plan: Plan
    store: Store = field(init=False)
    engine: FakeEngine = field(init=False)
    """The last attempt's."""
    events: list[tuple[str, int]] = field(default_factory=list)
    """Of all attempts: what the engine was asked for, and at which iteration."""
    tested: list[int] = field(default_factory=list)
    """The iterations of the tests on record after the last attempt."""

    def __post_init__(self) -> None:
        self.store = Store(RunFolder(self.folder))

    def attempt(
        self,
        happens: Callable[[Training, str, int], None] = lambda *_: None,
        lasts: Callable[[], bool] = lambda: True,
        **engine: Any,
    ) -> Outcome:
        """Go on from the newest snapshot until an end. `happens` is called before every event of the engine,
        `lasts` says whether the budget does; the keywords are FakeEngine's attributes."""
        self.engine = FakeEngine(self.plan.solver, LABELS, head=self.plan.main_head.score, at_once=4)
        for name, value in engine.items():
            setattr(self.engine, name, value)
        self.store.found = list(self.store.complete)
        newest = max((each.iteration for each in self.store.found), default=-1)
        training = self._training(lasts, newest)
        with closing(training.recorder):
            if newest >= 0:
                stem = self.store.folder.snapshots / f"iter_{newest}"
                self.engine.restore(stem.with_suffix(".solverstate"), stem.with_suffix(".caffemodel"))
            self.engine.heed = lambda event, iteration: happens(training, event, iteration)
            try:
                return training.run()
            finally:
                self.events += self.engine.events
                self.tested = [score.iteration for score in training.recorder.scores()]

    def _training(self, lasts: Callable[[], bool], newest: int) -> Training:
        """The one place that knows how the worker puts a training together."""
        purse, solver = Purse(0.0, 0.0, 1.0, 0.0, 0.0, lasts=lasts), self.plan.solver
        status = Status("loop", "0123456789", max_iter=solver.max_iter)
        recorder = QuickRecorder(self.store.folder, status, self.plan.images_per_iteration, purse, "local")
        recorder.forget_after(newest)
        return Training(self.plan, self.store, self.engine, recorder, StopRequest(), Watch(None, []))


def with_solver(plan: Plan, max_iter: int, test_interval: int, snapshot: int, **guards: Any) -> Plan:
    """Return the plan with these intervals, one rate, and no guard but those given."""
    solver = type(plan.solver)()
    solver.CopyFrom(plan.solver)
    solver.lr_policy = "fixed"
    solver.max_iter, solver.test_interval, solver.snapshot = max_iter, test_interval, snapshot
    off = {"not_learning": False, "patience": False, "idle_minutes": False}
    chosen = plan.spec.guards.model_copy(update={**off, **guards})
    spec = plan.spec.model_copy(update={"guards": chosen})
    return replace(plan, solver=solver, inputs=replace(plan.inputs, spec=spec))
