"""The training loop: Solver::Step's order of events, driven from outside so that each can be observed."""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum

from ftjob.bundle.evaluate import evaluate
from ftjob.caffelog.progress import SATURATED_LOSS
from ftjob.engine import Engine, Iteration, Writing
from ftjob.engine.snapshot_write import ForkedWriting
from ftjob.errors import DivergedError, GpuIdleError, NotLearningError
from ftjob.errors.outcomes import Reason
from ftjob.formatting import dollars, duration, percent
from ftjob.money.limits import BudgetLimits
from ftjob.plan.cost import SNAPSHOT_BYTES_PER_SECOND, UPLOAD_BYTES_PER_SECOND, remaining_seconds
from ftjob.plan.plan import Plan
from ftjob.runfolder.records.evaluation import Evaluation
from ftjob.worker.learning import Score, chance, learns, stale_tests
from ftjob.worker.recorder import Recorder
from ftjob.worker.storage import Home
from ftjob.worker.watch.gpu_watch import Watch
from ftjob.worker.watch.signals import StopRequest
from jobspec.fields import iterations

END_SECONDS = 10.0
"""What an end takes beyond what was measured before it: golden images, curves, digests."""
FEWEST_ITERATIONS = 100
"""Updates before which guards.not_learning, given as a share of the run, does not act."""
RISEN = 1.001
"""Times base_lr, a float32: a higher rate is the work of a policy that raises it."""


class Outcome(Enum):
    """How the loop ended, when it was not by an error."""

    FINISHED = Reason.COMPLETED
    STOPPED = Reason.PREEMPTED
    BUDGET_REACHED = Reason.BUDGET_REACHED
    PLATEAU = Reason.PLATEAU


@dataclass
class Training:
    """One attempt at training a plan: the engine, and the state of the loop."""

    plan: Plan
    home: Home
    engine: Engine
    recorder: Recorder
    stop: StopRequest
    watch: Watch
    open_seconds: float = 0.0
    """What it took to open the net, which the bundle has to do again."""
    last_test: Evaluation | None = None
    last_snapshot: int = -1
    test_seconds: float = 0.0
    snapshot_seconds: float = 0.0
    drawn: int = field(default=0, init=False)
    """Records that this engine's TEST net has drawn; after the last one comes the first again."""
    is_replayed: bool = field(default=True, init=False)
    """Whether the data layer is at the resumed snapshot's position; elsewhere training does not continue."""
    scores: list[Score] = field(init=False)
    """Of all tests of the run."""

    def __post_init__(self) -> None:
        """Load what earlier attempts measured."""
        self.scores = self.recorder.scores()
        self.test_seconds = self.scores[-1].seconds if self.scores else 0.0

    def replay(self, iteration: int, on_progress: Callable[[float], None]) -> bool:
        """Restore the snapshot of an iteration; return whether the data layer reached its position.

        What ends the run ends the replay too: nothing is lost by that.
        """

        def should_continue(share: float) -> bool:
            on_progress(share)
            return not self.must_end()

        folder = self.home.folder
        files_of = folder.solverstate(iteration), folder.caffemodel(iteration)
        self.is_replayed = self.engine.restore(*files_of, should_continue=should_continue)
        return self.is_replayed

    def run(self) -> Outcome:
        """Train to the end, or until a stop, the budget or a guard; leave a snapshot of the last iteration.

        Raises DivergedError, NotLearningError, GpuIdleError, and what the engine and the run folder raise.
        """
        solver = self.plan.solver
        # As Solver::Step: a test comes before the update of its iteration, 0 included, so that every run
        # knows what it began from. A resumed run has that test, unless it ended between snapshot and test.
        if self.engine.iteration == 0:
            self.test()
        else:
            self.last_snapshot = self.engine.iteration
            self.make_up_for_test()
        while self.engine.iteration < solver.max_iter:
            # before the first update too: a resumed run may have spent its budget
            if self.must_end():
                return self.end_early()
            due = next_event(self.engine.iteration, (solver.test_interval, solver.snapshot), solver.max_iter)
            self.train_until(due)
            self.test_and_snapshot_when_due()
            # after the snapshot that was due, so that a plateau needs no second one
            if self.plateaued():
                return self.end_early(Outcome.PLATEAU)
        # A stop during the last iterations does not wait for the test: the next attempt makes it. A budget
        # reached here ends nothing early: the test, snapshot and bundle that remain are what it reserved for.
        if self.stop:
            return self.end_early()
        if not self.final_is_evaluated():
            if not self.test():
                return self.end_early()
            self.snapshot()
        return Outcome.FINISHED

    def train_until(self, due: int) -> None:
        """Do the iterations up to that one, fewer where the run must end before."""
        self.recorder.update(stage="train")  # now: the engine reports iterations after they were done
        try:
            for steps in self.engine.steps(due - self.engine.iteration):
                self.recorder.trained(steps, self.eta_seconds())
                if self.plan.spec.guards.diverged:
                    refuse_divergence(steps, self.plan.spec.solver.base_lr)
                if self.must_end():
                    self.engine.halt()
        except DivergedError as error:
            raise DivergedError(f"{error}; {self.saved(DivergedError.reason)}") from error

    def test_and_snapshot_when_due(self) -> None:
        """Test before the snapshot, so that its record has the accuracy; `run` handles the last iteration."""
        iteration, solver = self.engine.iteration, self.plan.solver
        if iteration == solver.max_iter or self.must_stop():
            return
        # The guard raises last, so that the snapshot is kept and its message can name the iteration.
        tested = iteration % solver.test_interval == 0
        if tested and not self.test():
            return
        if iteration % solver.snapshot == 0:
            self.snapshot()
        if tested:
            self.refuse_chance()

    def make_up_for_test(self) -> None:
        """Make the test that was due at the resumed snapshot, where a stop prevented it."""
        iteration, solver = self.engine.iteration, self.plan.solver
        if iteration % solver.test_interval or iteration == solver.max_iter or not self.untested():
            return
        if self.test() and iteration % solver.snapshot == 0:
            self.record_accuracy()

    def refuse_chance(self) -> None:
        """Raise NotLearningError, after a snapshot, when the run should beat chance by now and does not."""
        iteration, limit = self.engine.iteration, self.plan.spec.guards.not_learning
        if limit is False or iteration < self.enough(limit) or not self.last_test:
            return
        by_chance = chance(each.images for each in self.last_test.classes)
        if learns(self.scores, by_chance):
            return
        best = max(score.accuracy for score in self.scores)
        saved = self.keep_and_save(NotLearningError.reason)
        raise NotLearningError(
            f"guards.not_learning: at iteration {iteration} of {self.plan.solver.max_iter} the best accuracy "
            f"is {percent(best)}, and chance reaches {percent(by_chance.accuracy)}: check the labels, "
            "data.mean and solver.base_lr (`ftjob plan --explain`), or set guards.not_learning: false; "
            f"{saved}"
        )

    def enough(self, limit: int | str) -> int:
        """Return the iteration by which a run has learned something if it ever will.

        A share of a short run may be next to nothing: it is at least one epoch and some updates.
        """
        if isinstance(limit, int):
            return limit
        epoch = math.ceil(self.plan.inputs.train.records / self.plan.images_per_iteration)
        return max(iterations(limit, self.plan.solver.max_iter), epoch, FEWEST_ITERATIONS)

    def plateaued(self) -> bool:
        """Return whether recent tests were no better, so that more iterations are not worth it."""
        patience = self.plan.spec.guards.patience
        if patience is False or self.untested() or self.engine.iteration == self.plan.solver.max_iter:
            return False
        return stale_tests(self.scores) >= patience

    def keep_and_save(self, reason: Reason) -> str:
        """Make a snapshot where a guard ends the run, record what that saves, and return both as text."""
        if self.last_snapshot != self.engine.iteration:
            self.snapshot()
        return self.saved(reason)

    def saved(self, reason: Reason) -> str:
        """Record what an end now saves, and return as text what is kept and what is saved."""
        kept = (
            f"iteration {self.last_snapshot} is kept" if self.last_snapshot > 0 else "no snapshot was due yet"
        )
        left = self.eta_seconds()
        if not math.isfinite(left):
            return kept
        self.recorder.saved_by(reason, left)
        usd = self.recorder.account.cost(left)
        money = f" ({dollars(usd)})" if usd else ""
        return f"{kept}; ending here saves about {duration(left)}{money}"

    def final_is_evaluated(self) -> bool:
        """Return whether an earlier attempt left the last iteration's snapshot with its accuracy."""
        last = self.plan.solver.max_iter
        return any(found.iteration == last and found.accuracy is not None for found in self.home.found)

    def end_early(self, why: Outcome | None = None) -> Outcome:
        """Keep what was learned; with the budget reached, test it too, since the result will be used.

        Raises GpuIdleError where an idle GPU is the reason.
        """
        outcome = why or Outcome.BUDGET_REACHED
        must_test = outcome is Outcome.BUDGET_REACHED and not self.must_stop() and self.untested()
        if must_test and self.test() and self.last_snapshot == self.engine.iteration:
            self.record_accuracy()
        if self.stop:
            outcome = Outcome.STOPPED
        elif self.watch.idle:
            minutes = self.plan.spec.guards.idle_minutes
            waiting = self.recorder.waiting
            waits = "" if waiting is None else f" (training waited for them {percent(waiting)} of its time)"
            raise GpuIdleError(
                f"guards.idle_minutes: {self.watch.idle} did nothing for {minutes:g} minutes: see that the "
                f"node's driver works, and that reading images keeps up{waits}; "
                f"{self.keep_and_save(GpuIdleError.reason)}"
            )
        if outcome is Outcome.PLATEAU:
            self.keep_and_save(outcome.value)
        elif self.last_snapshot != self.engine.iteration:
            self.snapshot()
        return outcome

    def untested(self) -> bool:
        """Return whether no attempt has tested the present iteration."""
        return all(score.iteration != self.engine.iteration for score in self.scores)

    def test(self) -> bool:
        """Score the whole validation set with every head of the TEST net, once per record; return False where
        the run must stop before that is done."""
        self.recorder.update(stage="test")
        begin = time.monotonic()
        heads = [head for head in self.plan.heads if head.tested]
        main, records = self.plan.main_head, self.plan.inputs.val.records
        wanted = [*(head.score for head in heads), main.label]
        blobs = self.engine.test(records, wanted, should_continue=lambda _: not self.must_stop())
        scores = {head.layer: blobs[head.score] for head in heads}
        labels = blobs[main.label]
        if len(labels) < records:
            return False
        # Whole batches are drawn: where they are no divisor of the records, the next test begins with a later
        # record than the first.
        first, batch = self.drawn % records, self.plan.forecast.batches.test_batch_size
        self.drawn += math.ceil(records / batch) * batch
        self.last_test = evaluate(
            self.engine.iteration, scores, labels, main.layer, self.plan.labels, first=first
        )
        self.test_seconds = time.monotonic() - begin
        self.scores.append(self.recorder.tested(self.last_test, self.test_seconds))
        return True

    def snapshot(self) -> None:
        """Write a snapshot; it is completed while training continues. Raises StorageError."""
        self.recorder.update(stage="snapshot")
        begin = time.monotonic()
        self.keep(self.engine.begin_snapshot(self.home.snapshots_folder()))
        self.last_snapshot = self.engine.iteration
        self.snapshot_seconds = time.monotonic() - begin

    def keep(self, writing: Writing) -> None:
        """Hand the snapshot of this iteration to the saver, with its accuracy."""
        images_seen = self.engine.iteration * self.plan.images_per_iteration
        self.home.saver.take(writing, images_seen, self.last_test)

    def record_accuracy(self) -> None:
        """Add the accuracy of a later test to the snapshot of this iteration."""
        self.keep(ForkedWriting(self.home.snapshots_folder(), self.engine.iteration, None))

    def must_stop(self) -> bool:
        """Return whether the run must end without even a test: a stop request, or an idle GPU."""
        return bool(self.stop or self.watch.idle)

    def must_end(self) -> bool:
        """Return whether a stop, the budget or a guard ends the run. Raises what `Home.check` does."""
        self.home.check()
        return not self.is_replayed or self.must_stop() or self.budget_is_near()

    def budget_is_near(self) -> bool:
        """Return whether only a graceful end (test, snapshot, bundle) still fits, doubled to be safe."""
        budget = self.plan.spec.budget
        reserve = END_SECONDS + 2 * (self.test_seconds + self.save_seconds() + self.open_seconds)
        reserve += 2 * self.accept_seconds()
        return self.recorder.account.left(BudgetLimits.of(budget)) <= reserve

    def accept_seconds(self) -> float:
        """Return the seconds that the evaluation on `accept.on` takes, which opens the net once more."""
        on, val = self.plan.inputs.on, self.plan.inputs.val
        return self.open_seconds + self.test_seconds * on.records / val.records if on else 0.0

    def save_seconds(self) -> float:
        """Return the seconds until a snapshot is where the run lives: measured, or else planned."""
        if self.snapshot_seconds:
            return self.snapshot_seconds + self.home.saver.seconds
        memory = self.plan.forecast.memory
        size = memory.weights + memory.history
        upload = size / UPLOAD_BYTES_PER_SECOND if self.home.run.is_copy else 0.0
        return size / SNAPSHOT_BYTES_PER_SECOND + upload

    def eta_seconds(self) -> float:
        """Return the seconds until the last iteration and its test, from recent speeds."""
        solver, iteration = self.plan.solver, self.engine.iteration
        speed = self.recorder.images_per_second
        if not speed:
            return math.inf
        coming = self.plan.forecast
        training = remaining_seconds(coming.work, coming.predicted, iteration, speed)
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
        if step.learning_rate > base_lr * RISEN:
            raise DivergedError(
                f"solver.gamma: at iteration {step.iteration} the loss is {shown}: the learning rate had "
                f"risen to {step.learning_rate:.2g}, which is too high for this net and data"
            )
        raise DivergedError(
            f"solver.base_lr: at iteration {step.iteration} the loss is {shown}: {base_lr:g} is too high "
            f"for this net and data: try {base_lr / 10:g}"
        )
