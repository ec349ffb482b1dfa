"""Who follows a run: TensorBoard's event files always, an MLflow server where the environment names one."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from ftjob.errors import ExitCode
from ftjob.plan.plan import Plan
from ftjob.runfolder.layout import RunFolder
from ftjob.runfolder.status import Status
from ftjob.worker.log import log
from ftjob.worker.pod.context import PodContext
from ftjob.worker.recorder import Recorder
from ftjob.worker.tracking.event_files import EventFiles
from ftjob.worker.tracking.follower import Follower, within
from ftjob.worker.tracking.mlflow_run import MlflowRun, MlflowServer, conclude
from jobspec import JobSpec

EVENTS_SECONDS, SERVER_SECONDS, HURRIED_SECONDS = 60.0, 20.0, 5.0
"""How long a worker that is done waits for its disk; for a server; and for one where its machine goes away or
its budget is spent."""
HURRIED = (ExitCode.PREEMPTED, ExitCode.BUDGET_REACHED)


@contextmanager
def tracked(plan: Plan, folder: RunFolder, recorder: Recorder, pod: PodContext) -> Iterator[None]:
    """Have the metrics of a training followed during the block; nothing that goes wrong ends it."""
    if problem := pod.mlflow_problem:
        log(problem)
    attempt, run_id = recorder.status.attempt, recorder.status.run_id
    followers = [(Follower(EventFiles(folder, attempt, plan.spec), folder, log), EVENTS_SECONDS)]
    if server := server_of(pod):
        run = MlflowRun(server, plan.spec, plan.run_id, run_id)
        followers.append((Follower(run, folder, log), HURRIED_SECONDS))  # `conclude_tracking` catches up
    for each, _ in followers:
        each.start()
    try:
        yield
    finally:
        try:
            recorder.flush()
        finally:
            for each, seconds in followers:
                each.close(seconds)


def conclude_tracking(spec: JobSpec, folder: RunFolder, status: Status, pod: PodContext) -> None:
    """Send the end of an attempt to the MLflow server, within some seconds."""
    server = server_of(pod)
    if server is None:
        return
    seconds = HURRIED_SECONDS if status.exit_code in HURRIED else SERVER_SECONDS
    if not within(seconds, partial(_conclude, server, spec, folder, status), "MLflow"):
        log(f"MLflow did not take the end of this run in {seconds:g} s")


def server_of(pod: PodContext) -> MlflowServer | None:
    """Return the server that the environment names, where it can be spoken to."""
    if not pod.mlflow_uri or pod.mlflow_problem:
        return None
    return MlflowServer(pod.mlflow_uri, pod.mlflow_experiment)


def _conclude(server: MlflowServer, spec: JobSpec, folder: RunFolder, status: Status) -> None:
    try:
        conclude(server, spec, folder, status)
    except Exception as error:  # noqa: BLE001 - the run is whole without it
        log(f"MLflow: {server.explain(error)}")
