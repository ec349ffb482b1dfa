"""Trains a run: its stages one after the other, each once, or copied from the run that trained it."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from ftjob.errors import ExitCode, StorageError
from ftjob.errors.outcomes import Reason
from ftjob.money.limits import BudgetLimits
from ftjob.plan.plan import Plan
from ftjob.prepare.next_stage import naming_stage, with_result
from ftjob.prepare.prepare import write_plan, write_prototxts
from ftjob.runfolder.records.stage_record import StageRecord, write_stage
from ftjob.runfolder.status import StageResult, State
from ftjob.runfolder.store import RunStore
from ftjob.worker.accept.keep import keep_evaluation
from ftjob.worker.finish import End
from ftjob.worker.log import log
from ftjob.worker.pod.context import PodContext
from ftjob.worker.recorder import Recorder
from ftjob.worker.resume import train
from ftjob.worker.staged.reuse import reuse
from ftjob.worker.storage import Home
from ftjob.worker.train import Outcome
from ftjob.worker.watch.signals import StopRequest


def perform(
    plan: Plan, home: Home, recorder: Recorder, stop: StopRequest, pod: PodContext
) -> tuple[Plan, Outcome] | End:
    """Train a run; return the plan that was trained last and how that ended, or the end of an attempt that
    was stopped or does not come to the last stage. Raises FtjobError, with the stage."""
    if plan.earlier:
        reached = Stages(plan, home, recorder, stop, pod).perform_earlier()
        if isinstance(reached, End):
            return reached
        plan = reached
    with naming_stage(len(plan.earlier) or None):
        outcome = train(plan, home, recorder, stop, pod)
    if outcome is Outcome.STOPPED:
        return End.stopped(stop, recorder.status.iteration)
    return plan, outcome


@dataclass(frozen=True)
class Stages:
    """The stages of one attempt at a run."""

    last: Plan
    """The plan of the last stage, which has the others."""
    home: Home
    recorder: Recorder
    stop: StopRequest
    pod: PodContext

    def perform_earlier(self) -> Plan | End:
        """Perform all stages but the last one; return the plan of that one, with the result that it begins
        with, or the end of an attempt that does not come so far. Raises FtjobError, with the stage."""
        names = self.last.submitted.stage_names
        self.recorder.plan_stages(
            StageResult(name, plan.run_id, max_iter=plan.solver.max_iter)
            for name, plan in zip(names, self.last.stages, strict=True)
        )
        result: Path | None = None
        for number, plan in enumerate(self.last.earlier):
            with naming_stage(number):
                done = self._perform(number, with_result(plan, result) if result else plan)
            if isinstance(done, End):
                return done
            result = done
        number = len(self.last.earlier)
        assert result is not None
        self.recorder.enter_stage(
            number, self.home.folder, self.last.images_per_iteration, self.home.found, later_seconds=0.0
        )
        log(f"stage {names[number]}: begins with {result}")
        return self._within_budget(with_result(self.last, result))

    def _perform(self, number: int, plan: Plan) -> Path | End:
        """Perform one stage; return its best caffemodel, on this disk."""
        name, run = self.last.submitted.stage_names[number], self.home.run.stage(plan.run_id)
        record = run.stage_record() or reuse(plan, self.last.submitted, run, self.home.check)
        done = record or self._train(number, plan)
        if isinstance(done, End):
            return done
        record = done
        self.recorder.end_stage(number, record)
        paid = f"from run {record.reused_from}, $0" if record.reused_from else "trained by this run"
        log(f"stage {name}: complete at iteration {record.iteration}, accuracy {record.accuracy:.4f}, {paid}")
        return best_caffemodel(run, record)

    def _train(self, number: int, plan: Plan) -> StageRecord | End:
        name = self.last.submitted.stage_names[number]
        with closing(self.home.stage(plan.run_id)) as home:
            log(f"stage {name}: {'resumes' if home.found else 'begins'} (stages/{plan.run_id})")
            write_prototxts(plan, home.folder)
            write_plan(plan, home.folder)
            later = sum(each.own_seconds for each in self.last.stages[number + 1 :])
            self.recorder.enter_stage(number, home.folder, plan.images_per_iteration, home.found, later)
            plan = self._within_budget(plan)
            outcome = train(plan, home, self.recorder, self.stop, self.pod)
            iteration = self.recorder.status.iteration
            if outcome is Outcome.STOPPED:
                return End.stopped(self.stop, iteration)
            if outcome is Outcome.BUDGET_REACHED and self._is_last_money(plan):
                message = (
                    f"the budget ended the run in stage {name}, at iteration {iteration} of "
                    f"{plan.solver.max_iter}, before there was a bundle: raise it and submit again to resume"
                )
                return End(State.STOPPED, Reason.BUDGET_REACHED, message, ExitCode.BUDGET_REACHED)
            best = home.best()
            keep_evaluation(home.folder.evaluation, home.folder.predictions, best.evaluation, plan.inputs.val)
            home.settle()
        paid = self.recorder.stage_result
        record = StageRecord(
            run_id=plan.run_id,
            snapshot=best.iteration,
            iteration=iteration,
            max_iter=plan.solver.max_iter,
            accuracy=best.evaluation.accuracy,
            reason=outcome.value,
            seconds=paid.seconds,
            usd=paid.usd,
        )
        complete(home.run, record, self.home.check)
        return record

    def _within_budget(self, plan: Plan) -> Plan:
        """Return the plan with the most that the whole run may have spent when its stage ends: what was spent
        outside the stage, and its share, within the run's budget."""
        whole, share = self.last.submitted.budget, plan.spec.budget
        account, own = self.recorder.account, self.recorder.stage_result
        usd = _lower(whole.usd, share.usd, account.usd - own.usd)
        hours = _lower(whole.hours, share.hours, (account.seconds - own.seconds) / 3600)
        budget = plan.spec.budget.model_copy(update={"usd": usd, "hours": hours})
        spec = plan.spec.model_copy(update={"budget": budget})
        return replace(plan, inputs=replace(plan.inputs, spec=spec))

    def _is_last_money(self, plan: Plan) -> bool:
        """Return whether it was the run's budget that ended a stage, not its share of it."""
        whole = BudgetLimits.of(self.last.submitted.budget)
        account = self.recorder.account
        return account.left(whole) <= account.left(BudgetLimits.of(plan.spec.budget))


def _lower(whole: float | None, share: float | None, spent_before: float) -> float | None:
    return None if whole is None or share is None else min(whole, share + max(0.0, spent_before))


def complete(run: RunStore, record: StageRecord, may_write: Callable[[], None]) -> None:
    """Write the record that makes a stage complete, where the run lives. Raises StorageError."""
    folder = run.folder
    write_stage(folder.stage_record, record)
    if run.is_copy:
        may_write()
        run.put(folder.stage_record)
        # the next stage needs the best caffemodel alone, and a node's disk has room for one stage's snapshots
        for path in set(folder.snapshots.iterdir()) - {folder.caffemodel(record.snapshot)}:
            path.unlink()


def best_caffemodel(run: RunStore, record: StageRecord) -> Path:
    """Return the caffemodel that the stage after a complete one begins with, on this disk. Raises
    StorageError."""
    best = next((each for each in run.snapshots() if each.iteration == record.snapshot), None)
    if best is None:
        raise StorageError(
            f"{run.location}: its snapshot of iteration {record.snapshot} is gone: remove the folder to "
            "train the stage again"
        )
    return run.bring_caffemodel(best)
