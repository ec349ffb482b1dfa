"""A run in an MLflow server, named by the environment: trained to its end wherever the server is."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from ftjob.client import processes as local
from ftjob.runfolder.records.metrics import read_train
from ftjob.worker.tracking.mlflow_run import MlflowServer
from tests.e2e.jobs import Job
from tests.e2e.test_submit import start, wait_for_iteration
from tests.events import metrics_of, scalars_of
from tests.worker.tracking.mlflow_here import serving

pytestmark = pytest.mark.caffe


def test_a_server_that_is_away_stops_nothing(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line in the log, without the password."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")
    job.submit()

    log = job.run().log(1).read_text()
    assert job.status()["state"] == "Succeeded"
    assert log.count("MLflow: http://127.0.0.1:9 does not take this run") in (1, 2)  # training, and the end
    assert "secret" not in log
    assert scalars_of(job.run().events) == metrics_of(job.run(), 8)


@pytest.mark.mlflow
@pytest.mark.timeout(900)
def test_a_killed_run_is_one_run_in_mlflow(
    new_job: Callable[[str], Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGKILL, another attempt, and each iteration once."""
    job = new_job("killed")
    job.write(solver={"max_iter": 600, "test_interval": 300, "snapshot": 100})
    with serving(tmp_path) as uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        submitting = start(job)
        wait_for_iteration(job, 150)
        pid = local.worker_pid(job.run())
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        assert submitting.wait(timeout=60) == 10
        job.submit()

        client = MlflowServer(uri).client()
        [run] = client.search_runs([client.get_experiment_by_name("digits").experiment_id])
        losses = client.get_metric_history(run.info.run_id, "train/loss")
        files = {each.path for each in client.list_artifacts(run.info.run_id)}
    lines = read_train(job.run().train_metrics)
    assert job.status()["attempt"] == 2
    assert run.info.status == "FINISHED"
    found = sorted((each.step, each.value) for each in losses)
    assert found == [(each.iteration, pytest.approx(each.loss)) for each in lines]
    assert {"report.html", "evaluation.json", "confusion.png", "curves.png"} <= files
