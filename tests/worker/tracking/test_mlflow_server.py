"""Laws of a run in an MLflow server: a real one, on this machine."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ftjob.runfolder.layout import RunFolder
from ftjob.runfolder.records import metrics
from ftjob.runfolder.status import State, Status
from ftjob.worker.tracking.mlflow_run import MlflowRun, MlflowServer, conclude
from ftjob.worker.tracking.scalars import settings_of
from jobspec import JobSpec
from tests.worker.tracking.mlflow_here import serving

pytestmark = [pytest.mark.mlflow, pytest.mark.slow, pytest.mark.timeout(600)]
SPEC = JobSpec.model_validate(
    {
        "name": "faces",
        "base": {"net": "bvlc_googlenet"},
        "data": {"train": "train", "val": "val", "batch_size": 4},
        "solver": {"base_lr": 0.001, "max_iter": 30},
        "output": "runs",
    }
)
RUN_ID = "0123456789"
STATUS = Status("faces", RUN_ID, State.SUCCEEDED, "Completed", "bundle made", usd=1.25, exit_code=0)


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server without runs, which takes half a minute to start on a busy machine."""
    with serving(tmp_path_factory.mktemp("mlflow")) as uri:
        yield uri


@pytest.fixture
def server(uri: str, request: pytest.FixtureRequest) -> MlflowServer:
    """The server, with an experiment of the test's own."""
    return MlflowServer(uri, request.node.name)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A run's folder with 30 iterations and four tests."""
    folder = RunFolder(tmp_path / RUN_ID)
    folder.metrics.mkdir(parents=True)
    folder.train_metrics.write_text("".join(metrics.line_text(trained(at)) for at in range(1, 31)))
    folder.test_metrics.write_text("".join(metrics.line_text(scored(at)) for at in range(0, 31, 10)))
    return folder


def trained(iteration: int, loss: float = 1.0) -> metrics.TrainLine:
    outputs = {"loss1/loss1": 1.5, "../loss:3": 1 / iteration}
    moment = 1.7e9 + iteration
    return metrics.TrainLine(iteration, loss / iteration, 0.001, 0.25, outputs, None, 0.5 * iteration, moment)


def scored(iteration: int) -> metrics.TestLine:
    return metrics.TestLine(
        iteration=iteration, accuracy=iteration / 40, top5=None, loss=0.75, heads={"head": 0.5}, images=8,
        seconds=1.0, time=1.7e9,
    )  # fmt: skip


def run_in(server: MlflowServer) -> Any:
    """The one run of the experiment."""
    client = server.client()
    [run] = client.search_runs([client.get_experiment_by_name(server.experiment).experiment_id])
    return run


def points(server: MlflowServer, name: str) -> list[tuple[int, float]]:
    found = server.client().get_metric_history(run_in(server).info.run_id, name)
    return sorted((each.step, each.value) for each in found)


def test_a_run_has_the_settings_and_metrics_that_its_folder_has(
    server: MlflowServer, folder: RunFolder
) -> None:
    """Each iteration once, at the moment it was recorded; of names only what MLflow forbids is changed."""
    run = MlflowRun(server, SPEC, RUN_ID, RUN_ID)
    run.open()
    run.catch_up(folder)

    lines = list(metrics.read_train(folder.train_metrics))
    assert points(server, "train/loss") == [(each.iteration, each.loss) for each in lines]
    assert points(server, "outputs/loss_3") == [(at, pytest.approx(1 / at)) for at in range(1, 31)]
    assert points(server, "test/accuracy") == [(at, at / 40) for at in range(0, 31, 10)]
    found = run_in(server)
    assert found.data.params == {name: str(value) for name, value in settings_of(SPEC).items()}
    assert (found.info.status, found.info.run_name) == ("RUNNING", f"faces/{RUN_ID}")
    assert found.data.tags["ftjob_dollars"] == "15.0000"


def test_another_attempt_continues_the_run_and_sends_no_iteration_twice(
    server: MlflowServer, folder: RunFolder
) -> None:
    """Wherever the worker before it was killed; what MLflow has it keeps."""
    first = MlflowRun(server, SPEC, RUN_ID, RUN_ID)
    first.open()
    first.add([trained(at) for at in range(1, 21)], [scored(0), scored(10), scored(20)])

    other = SPEC.model_copy(update={"budget": SPEC.budget.model_copy(update={"usd": 7.0})})
    again = MlflowRun(server, other, RUN_ID, RUN_ID)
    again.open()
    again.catch_up(folder)

    assert points(server, "train/loss") == [(at, pytest.approx(1 / at)) for at in range(1, 31)]
    assert [at for at, _ in points(server, "test/accuracy")] == [0, 10, 20, 30]


def test_the_end_brings_what_is_missing_the_state_and_the_files(
    server: MlflowServer, folder: RunFolder
) -> None:
    """Also of a run that the server could not be reached for until then."""
    folder.report.write_text("<p>report</p>")
    evaluation = {
        "iteration": 30, "images": 8, "accuracy": 0.75, "top5": None, "loss": 0.75, "heads": {"prob": 0.75},
        "classes": [
            {"label": label, "name": name, "images": 4, "recall": 0.75, "precision": 0.75}
            for label, name in enumerate(("cat", "dog"))
        ],
        "confusion": [[3, 1], [1, 3]],
    }  # fmt: skip
    folder.evaluation.write_text(json.dumps(evaluation))
    conclude(server, SPEC, folder, STATUS)

    found, client = run_in(server), server.client()
    files = {each.path for each in client.list_artifacts(found.info.run_id)}
    assert len(points(server, "train/loss")) == 30
    assert (found.info.status, found.data.metrics["accuracy"]) == ("FINISHED", 0.75)
    assert found.data.tags["ftjob_dollars"] == "1.2500"
    assert files == {"report.html", "evaluation.json", "confusion.png"}

    conclude(server, SPEC, folder, replace(STATUS, state=State.STOPPED, reason="Cancelled"))
    assert run_in(server).info.status == "KILLED"


def test_a_run_that_did_not_come_to_train_is_not_there(server: MlflowServer, tmp_path: Path) -> None:
    """Its data may be bad: nothing of it can be compared."""
    conclude(server, SPEC, RunFolder(tmp_path / RUN_ID), replace(STATUS, state=State.FAILED))

    assert server.client().get_experiment_by_name(server.experiment) is None
