"""Laws of an MLflow server that is not there: one line in the log, without secrets, and nothing else."""

import importlib.util

import pytest

from ftjob.worker.pod.context import PodContext
from ftjob.worker.tracking.mlflow_run import MlflowServer, metric_name
from ftjob.worker.tracking.tracked import server_of

POD = PodContext(mlflow_uri="https://me:secret@mlflow.example:5000/")


def test_no_password_is_in_the_log() -> None:
    """MLflow's own errors quote the whole URI."""
    url = f"{POD.mlflow_uri}api/2.0/mlflow/runs/search"
    error = RuntimeError(f"API request to {url} failed\nwith exception")

    assert MlflowServer(POD.mlflow_uri).explain(error) == (
        "https://mlflow.example:5000/ does not take this run (RuntimeError: API request to "
        "https://mlflow.example:5000/api/2.0/mlflow/runs/search failed with exception)"
    )


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the environment names a server: else nobody misses it."""
    assert POD.mlflow_problem == ""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)

    assert PodContext().mlflow_problem == ""
    assert "the package mlflow is not installed" in POD.mlflow_problem
    assert server_of(POD) is None


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("heads/loss3/classifier", "heads/loss3/classifier"),
        ("outputs/../é:x/", "outputs/__x"),
        ("a" * 300, "a" * 250),
    ],
)
def test_names_lead_out_of_no_folder(name: str, taken: str) -> None:
    """As MLflow demands."""
    assert metric_name(name) == taken


def test_the_environment_names_server_and_experiment() -> None:
    """As it does for MLflow's own clients."""
    env = {"MLFLOW_TRACKING_URI": "http://mlflow:5000", "MLFLOW_EXPERIMENT_NAME": "faces"}
    assert PodContext.from_env(env).mlflow_uri == "http://mlflow:5000"
    assert PodContext.from_env(env).mlflow_experiment == "faces"
    assert PodContext.from_env({}).mlflow_uri == ""
