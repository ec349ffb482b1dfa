"""The loop: Solver::Step's order of events, driven from outside so that every one of them can be seen."""

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from ftjob.caffelog.progress import SATURATED_LOSS
from ftjob.engine import Engine, Iteration
from ftjob.errors import DivergedError
from ftjob.plan.plan import Plan
from ftjob.worker.evaluate import Evaluation, evaluate
from ftjob.worker.home import Home
from ftjob.worker.recorder import Recorder
from ftjob.worker.signals import StopRequest

END_SECONDS = 10.0
"""What an end takes beyond what can be measured before: golden images, curves, digests."""


class Outcome(Enum):
    """How the loop ended, when it was not by an error."""

    FINISHED = "Completed"
    STOPPED = "Stopped"
    BUDGET_REACHED = "BudgetReached"


@dataclass
class Training:
    """One attempt at training a plan: the engine, and what is known so far."""

    plan: Plan
    home: Home
    engine: Engine
    recorder: Recorder
    stop: StopRequest
    deadline_seconds: float = math.inf
    """Seconds over all attempts after which the run must have ended: the budget."""
    last_test: Evaluation | None = None
    last_snapshot: int = -1
    test_seconds: float = 0.0
    snapshot_seconds: float = 0.0
    start_seconds: float = 0.0
    """From the attempt's begin to its first step: to open the net, which the bundle has to do again."""

    def run(self) -> Outcome:
        """Train to the end, or until a stop or the budget; a snapshot of the last iteration is there then.

        Raises DivergedError, and whatever the engine and the run folder raise.
        """
        solver = self.plan.solver
        self.start_seconds = self.recorder.attempt_seconds
        if self.engine.iteration == 0:
            self.test()
        else:
            self.last_snapshot = self.engine.iteration
        while self.engine.iteration < solver.max_iter:
            if self.must_end():
                return self.end_early()
            due = next_event(self.engine.iteration, (solver.test_interval, solver.snapshot), solver.max_iter)
            for steps in self.engine.steps(due - self.engine.iteration):
                self.recorder.trained(steps, self.eta_seconds())
                refuse_divergence(steps, self.plan.spec.solver.base_lr)
                if self.must_end():
                    self.engine.halt()
            self.test_and_snapshot_when_due()
        if self.stop:
            return self.end_early()
        if not self.final_is_judged():
            self.test()
            self.snapshot()
        return Outcome.FINISHED

    def test_and_snapshot_when_due(self) -> None:
        """Test before the snapshot, so that its record has the accuracy. The last iteration is apart."""
        iteration, solver = self.engine.iteration, self.plan.solver
        if iteration == solver.max_iter or self.stop:
            return
        if iteration % solver.test_interval == 0:
            self.test()
        if iteration % solver.snapshot == 0:
            self.snapshot()

    def final_is_judged(self) -> bool:
        """Return whether an earlier attempt left the last iteration's snapshot with its accuracy."""
        last = self.plan.solver.max_iter
        return any(found.iteration == last and found.accuracy is not None for found in self.home.found)

    def end_early(self) -> Outcome:
        """Keep what was learned: with the budget reached, an accuracy too, since the result will be used."""
        outcome = Outcome.STOPPED if self.stop else Outcome.BUDGET_REACHED
        if outcome is Outcome.BUDGET_REACHED and self.untested():
            self.test()
        if self.last_snapshot != self.engine.iteration:
            self.snapshot()
        return outcome

    def untested(self) -> bool:
        """Return whether the last test was of another iteration than the present one."""
        return self.last_test is None or self.last_test.iteration != self.engine.iteration

    def test(self) -> None:
        """Score the whole validation set with every head, once per record."""
        self.recorder.update(stage="test")
        begin = time.monotonic()
        heads, main = self.plan.heads, self.plan.main_head
        blobs = self.engine.test(self.plan.inputs.val.records, [*(head.score for head in heads), main.label])
        scores = {head.layer: blobs[head.score] for head in heads}
        labels = blobs[main.label]
        self.last_test = evaluate(self.engine.iteration, scores, labels, main.layer, self.plan.labels)
        self.test_seconds = time.monotonic() - begin
        self.recorder.tested(self.last_test, self.test_seconds)

    def snapshot(self) -> None:
        """Write a snapshot; what makes it count goes on beside the training. Raises StorageError."""
        self.recorder.update(stage="snapshot")
        begin = time.monotonic()
        writing = self.engine.begin_snapshot(self.home.snapshots_folder())
        images_seen = self.engine.iteration * self.plan.images_per_iteration
        self.home.saver.take(writing, images_seen, self.last_test)
        self.last_snapshot = self.engine.iteration
        self.snapshot_seconds = time.monotonic() - begin

    def must_end(self) -> bool:
        """Return whether somebody or the budget asks for an end. Raises what cannot be written any more."""
        self.home.check()
        return bool(self.stop) or self.budget_is_near()

    def budget_is_near(self) -> bool:
        """Return whether only a graceful end (test, snapshot, bundle) still fits, doubled to be safe."""
        save = self.snapshot_seconds + self.home.saver.seconds
        reserve = END_SECONDS + 2 * (self.test_seconds + save + self.start_seconds)
        return self.recorder.seconds + reserve >= self.deadline_seconds

    def eta_seconds(self) -> float:
        """Return the seconds until the last iteration and its test, from the speeds of late."""
        solver, iteration = self.plan.solver, self.engine.iteration
        speed = self.recorder.images_per_second
        if not speed:
            return math.inf
        training = (solver.max_iter - iteration) * self.plan.images_per_iteration / speed
        tests = math.ceil((solver.max_iter - iteration) / solver.test_interval)
        saves = math.ceil((solver.max_iter - iteration) / solver.snapshot)
        return training + tests * self.test_seconds + saves * self.snapshot_seconds


def next_event(iteration: int, intervals: Iterable[int], max_iter: int) -> int:
    """Return the next iteration at which something is due: a multiple of an interval, or the end."""
    return min([max_iter, *((iteration // interval + 1) * interval for interval in intervals)])


def refuse_divergence(steps: list[Iteration], base_lr: float) -> None:
    """Raise DivergedError at the first loss that is not a number, infinite or saturated."""
    for step in steps:
        saturated = any(abs(value - SATURATED_LOSS) < 0.001 for value in step.outputs.values())
        finite = all(math.isfinite(value) for value in (step.loss, *step.outputs.values()))
        if finite and not saturated:
            continue
        shown = f"{SATURATED_LOSS} (the right class has probability 0)" if saturated else "NaN or infinite"
        raise DivergedError(
            f"solver.base_lr: at iteration {step.iteration} the loss is {shown}: {base_lr:g} is too high "
            f"for this net and data: try {base_lr / 10:g}"
        )
