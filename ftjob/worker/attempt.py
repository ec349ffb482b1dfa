"""The story of one attempt of a run, from its first signal handler to its exit code."""

from contextlib import closing
from pathlib import Path

from ftjob.errors import FtjobError
from ftjob.errors.outcomes import Reason
from ftjob.runfolder.address import names_of
from ftjob.runfolder.lease import LeaseLostError
from ftjob.runfolder.status import State
from ftjob.storage import open_store
from ftjob.worker.accept.result import concluded
from ftjob.worker.admission import Arrival, arrival_of, read_spec, standing_of
from ftjob.worker.finish import End, done_before, finish
from ftjob.worker.log import log, log_traceback
from ftjob.worker.planning import planned
from ftjob.worker.pod.context import PodContext
from ftjob.worker.pod.reporting import AttemptReport, reporting
from ftjob.worker.recorder import Recorder, open_recorder
from ftjob.worker.staged.perform import perform
from ftjob.worker.storage import Home, claim_run
from ftjob.worker.tracking.tracked import conclude_tracking
from ftjob.worker.watch.signals import StopRequest
from ftjob.worker.watch.spot_notice import notices
from jobspec import JobSpec


def run(location: str, attempt: int, *, spec: Path | None = None, owner: Path | None = None) -> int:
    """Run one attempt of the run at a path or URI, and return its exit code; status.json has the end.

    In a pod, `spec` and `owner` are files: the spec, and the FineTuneJob that it works for. An error the user
    can fix ends as Failed with its message. Raises an unexpected error after recording it.
    """
    stop, pod = StopRequest().listen(), PodContext.from_env()
    with reporting(attempt, pod, stop, log, in_pod=owner is not None) as report:
        try:
            return run_attempt(location, arrival_of(attempt, spec, owner, pod), pod, report, stop)
        except FtjobError as error:
            log(str(error))
            return report.failed(error)


def run_attempt(
    location: str, arrival: Arrival, pod: PodContext, report: AttemptReport, stop: StopRequest
) -> int:
    """Be a run's only worker unless it is done or another's; return the exit code. Raises FtjobError."""
    store, run_id = open_store(location), names_of(location)[1]
    standing = standing_of(store, arrival)  # before anything is written there, a lock or a lease
    report.owned_by(standing.owner)
    if done := standing.done(run_id):
        return done_before(done, report)
    with claim_run(location, store, arrival, log) as claimed:
        report.owned_by(claimed.standing.owner)
        if done := claimed.standing.done(run_id):  # by the worker that held the run until now
            with closing(claimed.publisher):
                return done_before(done, report)
        spec = read_spec(claimed.folder.spec)
        recorder = open_recorder(claimed, spec, pod)
        report.follow(lambda: recorder.status)
        home = Home(claimed, recorder.saved)
        with closing(home), closing(recorder), notices(spec, pod.metadata, stop, log):
            code = work_and_finish(spec, home, recorder, stop, pod)
        conclude_tracking(spec, home.folder, recorder.status, pod)
        return code


def work_and_finish(spec: JobSpec, home: Home, recorder: Recorder, stop: StopRequest, pod: PodContext) -> int:
    """Train and bundle, write the end into the status, and return the exit code."""
    try:
        end = work(spec, home, recorder, stop, pod)
        home.settle()
    except LeaseLostError:  # the status is another worker's to write
        raise
    except FtjobError as error:
        end = End.failed(error)
    except Exception as error:
        log_traceback()
        finish(recorder, End.unforeseen(error), log)
        raise
    return finish(recorder, end, log)


def work(spec: JobSpec, home: Home, recorder: Recorder, stop: StopRequest, pod: PodContext) -> End:
    """Train, bundle and judge the result unless the run was stopped from outside, and return the end."""
    log(f"{spec.name}: attempt {recorder.status.attempt} begins")
    recorder.update(state=State.RUNNING, reason=Reason.STARTED, stage="fetch")
    plan = planned(home.run, spec, recorder)
    recorder.update(max_iter=plan.solver.max_iter)
    done = perform(plan, home, recorder, stop, pod)
    return done if isinstance(done, End) else concluded(*done, home, recorder, stop, pod)
