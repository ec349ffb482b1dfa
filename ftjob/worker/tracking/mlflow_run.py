"""A run in an MLflow server: settings, metrics by iteration, and at the end its state and files.

The run is found by a tag, so that another attempt, on any machine, continues it. MLflow takes no point back:
of an iteration that is trained again it keeps the values of the first time.
"""

import posixpath
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from ftjob.report.matrix_plot import matrix_png
from ftjob.runfolder.layout import RunFolder
from ftjob.runfolder.records.evaluation import read_evaluation
from ftjob.runfolder.records.metrics import TestLine, TrainLine
from ftjob.runfolder.status import State, Status
from ftjob.worker.pod.context import set_defaults
from ftjob.worker.tracking.added_lines import AddedLines
from ftjob.worker.tracking.scalars import settings_of, test_scalars, train_scalars
from jobspec import JobSpec

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Run

ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
"""Where these are not set: failures are ours to repeat, and usage is nobody's to know."""
MOST_METRICS, MOST_PARAMS, LONGEST_VALUE, LONGEST_NAME = 1000, 100, 5000, 250
"""That the server takes in a request, and letters of a param and of a name."""
RUN_ID, PART_OF, NODE, DOLLARS = "ftjob_run_id", "ftjob_part_of", "ftjob_node", "ftjob_dollars"
"""Tags: the id of the run or stage, and that of the whole run."""
ITERATION, TESTED = "ftjob_iteration", "ftjob_tested"
"""The last iteration and the last test that the server has."""
RUNNING, ENDED = "RUNNING", {State.SUCCEEDED: "FINISHED", State.FAILED: "FAILED"}
MOST_LINES = 1000


@dataclass(frozen=True)
class MlflowServer:
    """Where runs are tracked."""

    uri: str
    """As MLflow's clients have it; may hold a password."""
    experiment: str = ""
    """Empty: of the run's name."""

    def client(self) -> "MlflowClient":
        """Return a client. Raises ImportError without the package."""
        set_defaults(ENVIRONMENT)
        from mlflow import MlflowClient  # here, because it is slow to import

        return MlflowClient(tracking_uri=self.uri)

    def explain(self, error: Exception) -> str:
        """Return an error as one line without the password."""
        place = urlsplit(self.uri)
        shown = urlunsplit(place._replace(netloc=place.netloc.rpartition("@")[2]))
        text = " ".join(str(error).replace(self.uri.rstrip("/"), shown.rstrip("/")).split())
        return f"{shown} does not take this run ({type(error).__name__}: {text[:300]})"


@dataclass
class MlflowRun:
    """The sink that sends the metrics of a run, or of one of its stages."""

    server: MlflowServer
    spec: JobSpec
    run_id: str
    part_of: str
    """The id of the whole run."""
    title: str = "MLflow"
    _client: "MlflowClient | None" = field(default=None, init=False)
    there: str = field(default="", init=False)
    """The id that the server gave the run."""
    _known: dict[str, int] = field(default_factory=dict, init=False)
    """The last iteration and the last test that the server has."""

    def open(self) -> None:
        """Find the run in the server, or create it. Raises what MLflow's client does."""
        from mlflow.entities import Param

        spec, node = self.spec, self.spec.resources.node
        client = self._client = self.server.client()
        experiment = experiment_of(client, self.server.experiment or spec.name, create=True)
        found = runs_of(client, experiment, RUN_ID, self.run_id)
        if found:
            run = found[0]
            client.update_run(run.info.run_id, status=RUNNING)
            client.set_tag(run.info.run_id, NODE, node)
        else:
            tags = {RUN_ID: self.run_id, PART_OF: self.part_of, NODE: node}
            run = client.create_run(experiment, tags=tags, run_name=f"{spec.name}/{self.run_id}")
        self.there = run.info.run_id
        self._known = {tag: int(run.data.tags.get(tag, -1)) for tag in (ITERATION, TESTED)}
        # where the sections that may change have changed: MLflow takes no param back
        news = {name: value for name, value in settings_of(spec).items() if name not in run.data.params}
        params = [Param(name, str(value)[:LONGEST_VALUE]) for name, value in news.items()]
        for begin in range(0, len(params), MOST_PARAMS):
            client.log_batch(self.there, params=params[begin : begin + MOST_PARAMS])

    def add(self, train: Sequence[TrainLine], tests: Sequence[TestLine]) -> None:
        """Send these lines, but for those that the server has. Raises what MLflow's client does."""
        new = [line for line in train if line.iteration > self._known[ITERATION]]
        self._send(ITERATION, ((line, train_scalars(line, self.spec.images_per_iteration)) for line in new))
        newer = [test for test in tests if test.iteration > self._known[TESTED]]
        self._send(TESTED, ((test, test_scalars(test)) for test in newer))

    def close(self) -> None:
        """Leave the run as it is: `conclude` ends it."""

    def explain(self, error: Exception) -> str:
        """Return as one line why the server takes nothing."""
        return self.server.explain(error)

    def catch_up(self, folder: RunFolder) -> None:
        """Send all lines that the server lacks."""
        train = AddedLines(TrainLine, folder.train_metrics)
        tests = AddedLines(TestLine, folder.test_metrics)
        while any(lines := (train.take(MOST_LINES), tests.take(MOST_LINES))):
            self.add(*lines)

    def send_result(self, folder: RunFolder, status: Status) -> None:
        """Send what a run came to, and the files that show it."""
        client = self._client
        assert client is not None
        tags = {DOLLARS: f"{status.usd:.4f}", "ftjob_state": status.state, "ftjob_reason": status.reason}
        for tag, value in {**tags, "ftjob_message": status.message[:LONGEST_VALUE]}.items():
            client.set_tag(self.there, tag, value)
        if folder.evaluation.exists():
            evaluation = read_evaluation(folder.evaluation)
            client.log_metric(self.there, "accuracy", evaluation.accuracy, step=evaluation.iteration)
            with tempfile.TemporaryDirectory() as made:
                picture = Path(made) / "confusion.png"
                picture.write_bytes(matrix_png(evaluation))
                client.log_artifact(self.there, str(picture))
        for path in (folder.evaluation, folder.acceptance, folder.curves, folder.report):
            if path.exists():
                client.log_artifact(self.there, str(path))

    def end(self, state: State) -> None:
        """End the run in the server, until another attempt continues it."""
        assert self._client is not None
        self._client.set_terminated(self.there, status=ENDED.get(state, "KILLED"))

    def _send(self, tag: str, lines: "Iterable[tuple[TrainLine | TestLine, dict[str, float]]]") -> None:
        """Send lines in as few requests as they fit into, each whole, with the last iteration as a tag."""
        from mlflow.entities import RunTag

        assert self._client is not None
        for metrics, last in _batches(lines):
            tags = [RunTag(tag, str(last.iteration))]
            if last.usd is not None:
                tags.append(RunTag(DOLLARS, f"{last.usd:.4f}"))
            self._client.log_batch(self.there, metrics=metrics, tags=tags)
            self._known[tag] = last.iteration


def conclude(server: MlflowServer, spec: JobSpec, folder: RunFolder, status: Status) -> None:
    """Send what the server lacks of a run whose attempt has ended: metrics, states, dollars and files. One
    that did not come to train is left out. Raises what MLflow's client does, UnreadableError and OSError."""
    stages = status.stage_results
    parts = [(each.run_id, each.state) for each in stages[:-1]]
    for stage, (run_id, state) in zip(
        spec.stage_specs(), [*parts, (status.run_id, status.state)], strict=False
    ):
        is_whole = run_id == status.run_id
        there = folder if is_whole else folder.stage(run_id)
        if not there.train_metrics.exists() or not there.train_metrics.stat().st_size:
            continue
        run = MlflowRun(server, stage, run_id, status.run_id)
        run.open()
        run.catch_up(there)
        if is_whole:
            run.send_result(folder, status)
        run.end(state)


def experiment_of(client: "MlflowClient", name: str, *, create: bool = False) -> str:
    """Return the id of an experiment; empty where it is not there and not to be created."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None and create:
        try:
            return str(client.create_experiment(name))
        except MlflowException:  # another run was first
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    return str(found.experiment_id) if found else ""


def runs_of(client: "MlflowClient", experiment: str, tag: str, run_id: str) -> "list[Run]":
    """Return the runs in an experiment whose tag is that id."""
    return list(client.search_runs([experiment], f"tags.`{tag}` = '{run_id}'"))


def metric_name(name: str) -> str:
    """Return a name as MLflow takes it: other letters are underscores, and it leads out of no folder."""
    parts = [re.sub(r"[^\w\-. ]", "_", part, flags=re.ASCII) for part in name.split("/")]
    return posixpath.join(*(part for part in parts if part.strip(". ")))[:LONGEST_NAME].rstrip("/ ")


def _batches(
    lines: "Iterable[tuple[TrainLine | TestLine, dict[str, float]]]",
) -> "Iterator[tuple[list[Metric], TrainLine | TestLine]]":
    """Yield the metrics of some lines at a time, and the last of these lines."""
    from mlflow.entities import Metric

    metrics: list[Metric] = []
    last: TrainLine | TestLine | None = None
    for line, values in lines:
        if last is not None and len(metrics) + len(values) > MOST_METRICS:
            yield metrics, last
            metrics = []
        moment = int((line.time or 0) * 1000)
        metrics += [Metric(metric_name(key), value, moment, line.iteration) for key, value in values.items()]
        last = line
    if last is not None:
        yield metrics, last
