"""The end of an attempt: the bundle if there is one to make, pictures, report and last status."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ftjob.bundle.write import write_bundle
from ftjob.errors import ExitCode, FtjobError, StorageError, thread_limit
from ftjob.errors.outcomes import Reason
from ftjob.fs import files
from ftjob.plan.plan import Plan
from ftjob.report.compare.thumbnails import pictures_at
from ftjob.report.curves import curves_png
from ftjob.report.facts import read_facts
from ftjob.report.lessons.worst import with_pictures, worst
from ftjob.report.page import render_page
from ftjob.runfolder.charges import charges, of_status
from ftjob.runfolder.layout import RunFolder
from ftjob.runfolder.records.acceptance import Acceptance
from ftjob.runfolder.records.evaluation import Evaluation
from ftjob.runfolder.records.mistakes import mistakes_json
from ftjob.runfolder.records.predictions import read_evaluated
from ftjob.runfolder.status import State, Status
from ftjob.worker.accept.keep import keep_evaluation
from ftjob.worker.log import log
from ftjob.worker.pod.reporting import AttemptReport
from ftjob.worker.recorder import Recorder
from ftjob.worker.storage import Home
from ftjob.worker.tracking.event_files import last_events
from ftjob.worker.train import Outcome
from ftjob.worker.watch.signals import StopRequest
from jobspec.text import plain_lines

LogLine = Callable[[str], None]
WELL = (ExitCode.DONE, ExitCode.BUDGET_REACHED)
"""Exit codes of runs with a bundle: for these a missing report is a failure."""


@dataclass(frozen=True)
class End:
    """How an attempt ended, as its status reports it."""

    state: State
    reason: Reason
    message: str
    code: int

    @classmethod
    def after(
        cls, outcome: Outcome, accuracy: float, acceptance: Acceptance, iteration: int, plan: Plan
    ) -> Self:
        """Return the end of a run that has its bundle; one that is not accepted failed."""
        spec, max_iter = plan.spec, plan.solver.max_iter
        if outcome is Outcome.BUDGET_REACHED:
            message = f"the budget ended the run at iteration {iteration} of {max_iter}; bundle made"
            return cls(State.STOPPED, Reason.BUDGET_REACHED, message, ExitCode.BUDGET_REACHED)
        if not acceptance.is_met:
            return cls(State.FAILED, Reason.NOT_ACCEPTED, acceptance.failures, ExitCode.NOT_ACCEPTED)
        message = f"accuracy {accuracy:.4f}; bundle made"
        if outcome is Outcome.PLATEAU:
            message += f"; ended at iteration {iteration} of {max_iter}, since {spec.guards.patience} tests "
            message += "in a row were no better (guards.patience)"
        return cls(State.SUCCEEDED, outcome.value, message, ExitCode.DONE)

    @classmethod
    def stopped(cls, stop: StopRequest, iteration: int) -> Self:
        """Return the end of a run that was stopped from outside."""
        why = f"{stop.notice}; " if stop.notice else ""
        message = f"{why}stopped at iteration {iteration} after a snapshot: submit the same spec to resume"
        return cls(State.STOPPED, stop.reason, message, ExitCode.PREEMPTED)

    @classmethod
    def failed(cls, error: FtjobError) -> Self:
        """Return the end of a run with that error, whose text is the message."""
        return cls(State.FAILED, error.reason, str(error), error.exit_code)

    @classmethod
    def unforeseen(cls, error: Exception) -> Self:
        """Return the end of a run with an unexpected error, or one that only a limit explains."""
        if refused := thread_limit.meant_by(error):
            return cls.failed(refused)
        message = f"an unexpected error ({type(error).__name__}: {error}): please report it with the log"
        return cls(State.FAILED, Reason.INTERNAL_ERROR, message, 1)


def bundle(plan: Plan, home: Home, recorder: Recorder) -> Evaluation:
    """Make the bundle of the best snapshot, and beside it its evaluation, predictions, mistakes and curves.

    Return how it was evaluated.
    """
    folder = home.folder
    recorder.update(stage="bundle")
    winner = home.best()
    evaluation = winner.evaluation
    log(f"bundling iteration {winner.iteration}, accuracy {evaluation.accuracy:.4f}")
    keep_evaluation(folder.evaluation, folder.predictions, evaluation, plan.inputs.val)
    draw(folder.mistakes, lambda: _mistakes(folder, plan), log)
    log(str(write_bundle(plan, folder, winner.iteration, folder.log(recorder.status.attempt))))
    draw(folder.curves, lambda: curves_png(folder), log)
    last = folder.event_file(recorder.status.attempt, None)
    draw(last, lambda: last_events(evaluation), log)
    return evaluation


def done_before(status: Status, report: AttemptReport) -> int:
    """Report a run that had already succeeded, and return the exit code; its folder stays unchanged."""
    report.follow(lambda: status)
    message = f"run {status.run_id} is already done: {status.message}"
    log(message)
    return report.end(Reason.ALREADY_DONE, message, ExitCode.DONE)


def finish(recorder: Recorder, end: End, log_line: LogLine) -> int:
    """Write report.html, then the last status, which has the same figures; return the exit code.

    Raises StorageError where the status cannot be written.
    """
    log_line(f"{end.state}: {end.message}")
    status = _settled(recorder, end)
    try:
        draw(recorder.folder.report, lambda: _page(recorder.folder, status), log_line)
    except StorageError as error:
        log_line(str(error))
        if end.code in WELL:
            end = End.failed(error)
            _settled(recorder, end)
    recorder.write()
    return end.code


def draw(path: Path, make: Callable[[], bytes], log_line: LogLine) -> None:
    """Make a picture or page and write it.

    An error in making it is logged and ends no run. Raises StorageError where it cannot be written.
    """
    try:
        made = make()
    except Exception as error:  # noqa: BLE001 - no picture is worth a run
        why = f"{type(error).__name__}: {error}"
        log_line(f"{path.name} could not be drawn ({why}): the run is whole without it; please report it")
        return
    with files.whole(path) as temporary:
        temporary.write_bytes(made)


def _settled(recorder: Recorder, end: End) -> Status:
    return recorder.settle(
        state=end.state,
        reason=end.reason,
        message=plain_lines(end.message),
        exit_code=int(end.code),
        stage="",
        eta_seconds=None,
        gpus=(),
        ended=time.time(),
    )


def _mistakes(folder: RunFolder, plan: Plan) -> bytes:
    found = read_evaluated(folder.evaluation, folder.predictions)
    wrong = worst(found.predictions.values()) if found and found.predictions else []
    pictures = pictures_at(plan.inputs.val.path, [each.key for each in wrong])
    return mistakes_json(with_pictures(wrong, pictures))


def _page(folder: RunFolder, status: Status) -> bytes:
    return render_page(read_facts(folder, status, charges(status, of_status(status)))).encode()
