"""The Python API: what the command line is a thin layer over, for notebooks and pipelines."""

import dataclasses
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftjob import files, local, runs
from ftjob.errors import BadSpecError, ExitCode, StorageError
from ftjob.layout import RunFolder
from ftjob.status import State, Status, render

if TYPE_CHECKING:
    from ftjob.bundle.verify import Verification
    from ftjob.data.build import Progress
    from ftjob.data.check import CheckOptions, CheckReport
    from ftjob.nodes import Node
    from ftjob.plan.explain import Explanation
    from ftjob.plan.plan import Plan
    from jobspec.spec import JobSpec

POLL_SECONDS = 0.25
START_SECONDS = 30.0
"""How long a worker may take to say its first word."""


@dataclass(frozen=True)
class Run:
    """A submitted run. Reading it costs nothing and never disturbs its worker."""

    folder: RunFolder

    @property
    def name(self) -> str:
        return self.folder.root.parent.name

    @property
    def run_id(self) -> str:
        return self.folder.root.name

    def status(self) -> Status:
        """Return where it stands. Raises StorageError where the folder cannot be read."""
        try:
            return local.read_status(self.folder)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StorageError(
                f"{self.folder.status}: cannot be read ({error}): is it a run's folder?"
            ) from error

    def metrics(self) -> list[dict[str, Any]]:
        """Return one dict per iteration (iteration, loss, learning_rate, seconds, outputs)."""
        return files.json_lines(self.folder.train_metrics)

    def tests(self) -> list[dict[str, Any]]:
        """Return one dict per test (iteration, accuracy, top5, loss, heads, images, seconds)."""
        return files.json_lines(self.folder.test_metrics)

    def evaluation(self) -> dict[str, Any]:
        """Return how the bundled snapshot was judged: accuracy, classes, confusion. Raises StorageError."""
        try:
            return dict(json.loads(self.folder.evaluation.read_text(encoding="utf-8")))
        except OSError as error:
            raise StorageError(f"{self.folder.evaluation}: not there yet: the run has no bundle") from error

    def logs(self) -> str:
        """Return the logs of all attempts."""
        return "".join(self.log_lines())

    def log_lines(self, *, follow: bool = False) -> Iterator[str]:
        """Yield the logs of all attempts as text; `follow` goes on with what is added until the run ends."""
        shown: dict[Path, int] = {}
        while True:
            ended = not follow or self.status().state.ended
            for path in local.log_paths(self.folder):
                with path.open("rb") as file:
                    file.seek(shown.get(path, 0))
                    text = file.read()
                    shown[path] = file.tell()
                if text:
                    yield text.decode("utf-8", "replace")
            if ended:
                return
            time.sleep(POLL_SECONDS)

    def follow(self) -> Iterator[Status]:
        """Yield the status whenever it changed, the last one when the run has ended."""
        seen: Status | None = None
        begin = time.monotonic()
        while True:
            status = self.status()
            if status.state is State.PENDING and local.worker_pid(self.folder) is None:
                waited = time.monotonic() - begin
                if waited > START_SECONDS:
                    raise StorageError(f"{self.folder.root}: no worker is at this run: submit its spec again")
            elif status != seen:
                yield status
            seen = status
            if status.state.ended:
                return
            time.sleep(POLL_SECONDS)

    def wait(self, timeout: float | None = None) -> Status:
        """Return the last status once the run has ended. Raises TimeoutError after `timeout` seconds."""
        begin = time.monotonic()
        status = self.status()
        for status in self.follow():
            if timeout is not None and time.monotonic() - begin > timeout:
                raise TimeoutError(f"{self.name}/{self.run_id} is still {status.state} after {timeout:g} s")
        return status

    def cancel(self, *, now: bool = False) -> bool:
        """Ask for a snapshot and an end (`now`: kill); return whether a worker was there to be asked."""
        return local.ask_to_stop(self.folder, now=now)

    def get(self, destination: Path) -> Path:
        """Copy the bundle to a folder that is not there yet. Raises StorageError."""
        if not self.folder.bundle.is_dir():
            raise StorageError(f"{self.folder.bundle}: not there yet: the run is {self.status().state}")
        if destination.exists():
            raise StorageError(f"{destination}: is there already: give a new folder")
        partial = destination.with_name(f".{destination.name}.partial")
        with files.explained(destination):
            shutil.rmtree(partial, ignore_errors=True)
            shutil.copytree(self.folder.bundle, partial)
            partial.replace(destination)
        return destination


def plan(
    spec: "JobSpec | Path | str",
    progress: "Callable[[Progress], None] | None" = None,
    *,
    measure_mean: bool = True,
) -> "Plan":
    """Plan a run without starting anything.

    `measure_mean=False` leaves `data.mean: auto` unmeasured where no manifest has it, which saves looking at
    every pixel: it is the same run, but its prototxts lack the values. Raises FtjobError.
    """
    from ftjob.prepare import Context, absolute, prepare

    loaded, folder = _load(spec)
    context = Context(folder, _best_weights, _accuracy_of, progress or (lambda _: None), measure_mean)
    return prepare(absolute(loaded, context), context)


def init(
    net: str,
    data: Path | str,
    weights: Path | str | None = None,
    out: Path | None = None,
    *,
    force: bool = False,
) -> Path:
    """Write a commented spec for a net and a folder of data (paths or URIs), and return its path.

    Raises BadSpecError where the file is there already, BadNetError, BadDataError or StorageError where net,
    weights or data will not do.
    """
    from ftjob.init import write_spec

    return write_spec(net, data, weights, out, force=force)


def nodes() -> "list[Node]":
    """Return the node profiles, the user's own among them. Raises BadSpecError for a wrong one."""
    from ftjob.nodes import load_nodes

    return list(load_nodes().values())


def draw(planned: "Plan", path: Path) -> None:
    """Draw a plan's net into an SVG file. Raises StorageError where it cannot be written."""
    from ftjob.report.drawing import draw as drawn

    files.write_text(path, drawn(planned))


def write_prototxts(planned: "Plan", folder: Path) -> None:
    """Write train_val, deploy and solver under `net/` of a folder, laid out as a run's: there,
    `caffe train -solver net/solver.prototxt` trains what the worker would. Raises StorageError."""
    from ftjob.prepare import write_prototxts as write

    root = RunFolder(folder)
    write(planned, root)
    with files.explained(root.snapshots):
        root.snapshots.mkdir(exist_ok=True)


def submit(spec: "JobSpec | Path | str", *, planned: "Plan | None" = None) -> tuple[Run, bool]:
    """Start a run on this machine, or go on with it; return it, and whether a worker was started.

    The same net, weights, data and settings are the same run: one that is done stays as it is and costs
    nothing, one that runs is joined, any other goes on from its last complete snapshot. Raises FtjobError
    before anything is written.
    """
    from jobspec import dump_spec

    decided = planned or plan(spec)
    folder = runs.run_folder(decided.spec.output, decided.spec.name, decided.run_id)
    run = Run(folder)
    if folder.status.exists():
        alive = local.worker_pid(folder) is not None
        if alive or run.status().state is State.SUCCEEDED:
            runs.remember(folder)
            return run, False
    files.write_text(folder.spec, dump_spec(decided.spec))
    first = Status(decided.spec.name, decided.run_id, submitted=time.time())
    before = run.status() if folder.status.exists() else first
    pending = dataclasses.replace(
        before, state=State.PENDING, reason="Submitted", message="", exit_code=None, ended=None
    )
    files.write_text(folder.status, render(pending))
    runs.remember(folder)
    local.start_worker(folder, local.next_attempt(folder))
    return run, True


def explain(reference: str) -> "Explanation":
    """Return why a run, or a `caffe train` whose log is named, failed, from what it left behind.

    Raises BadSpecError for what is neither a log nor a run, StorageError for what cannot be read.
    """
    from ftjob.failure import evidence_of_log, evidence_of_run
    from ftjob.plan.explain import explain as explained

    path = Path(reference).expanduser()
    if path.is_file():
        return explained(evidence_of_log(path))
    try:
        run = find(reference)
    except BadSpecError as error:
        raise BadSpecError(f"{error}, or the path of a log") from None
    return explained(evidence_of_run(run.folder))


def verify(bundle: Path, engine: str = "caffe") -> "Verification":
    """Prove that a bundle answers here as it did where it was made. Raises BadNetError or EngineError."""
    from ftjob.bundle.verify import verify as verify_bundle

    with tempfile.TemporaryDirectory(prefix="ftjob-") as scratch:
        return verify_bundle(bundle, engine, log=Path(scratch) / "engine.log")


def check_data(
    location: Path | str,
    val: Path | str | None = None,
    options: "CheckOptions | None" = None,
    progress: "Callable[[Progress], None] | None" = None,
) -> "CheckReport":
    """Look at every record of an LMDB, of a built dataset (paths or URIs), or of the data a spec names.

    A spec's own crop, mean and num_output go before those of `options`. Raises BadSpecError for a spec and
    BadDataError or StorageError for data that cannot be read at all; what is wrong with the rest stands in
    the report.
    """
    from ftjob.data.check import CheckOptions, check
    from ftjob.data.dataset import both_lmdbs
    from ftjob.data.objects import Objects, filled_place
    from ftjob.prepare import Context, absolute, dataset_of, use_of

    asked, told = options or CheckOptions(), progress or (lambda _: None)
    place = filled_place(location)
    if isinstance(place, Objects) or not place.is_file():
        train, beside = both_lmdbs(place, filled_place(val) if val else None, told)
        return check(train, beside, asked, told)
    loaded, folder = _load(place)
    context = Context(folder, _best_weights, _accuracy_of, told)
    spec = absolute(loaded, context)
    dataset = dataset_of(spec, context)
    return check(dataset.train.lmdb, dataset.val.lmdb, use_of(spec, asked), told)


def find(reference: str) -> Run:
    """Return the run that NAME, NAME/ID, an ID or a folder means. Raises BadSpecError."""
    return Run(runs.find_run(reference))


def list_runs(name: str = "*") -> list[Run]:
    """Return the runs submitted on this machine, oldest first."""
    return [Run(folder) for folder in runs.known_runs(name)]


def exit_code(status: Status) -> int:
    """Return the exit code that tells how a run stands: its worker's, or preempted where that was killed."""
    return status.exit_code if status.exit_code is not None else ExitCode.PREEMPTED


def _load(spec: "JobSpec | Path | str") -> "tuple[JobSpec, Path]":
    from jobspec import JobSpec, SpecError, load_spec

    if isinstance(spec, JobSpec):
        return spec, Path.cwd()
    path = Path(spec)
    try:
        return load_spec(path), path.absolute().parent
    except SpecError as error:
        raise BadSpecError(str(error)) from error


def _best_weights(reference: str) -> Path:
    """Return the caffemodel that NAME (its bundle's) or NAME@ITERATION means. Raises BadSpecError."""
    name, _, iteration = reference.partition("@")
    folder = runs.find_run(name)
    path = folder.caffemodel(int(iteration)) if iteration else folder.bundle / "weights.caffemodel"
    if not path.is_file():
        raise BadSpecError(
            f"base.weights: run:{reference} has no {path.name} (yet): see `ftjob status {name}`"
        )
    return path


def _accuracy_of(reference: str) -> float:
    """Return the accuracy of a run's bundle. Raises StorageError."""
    return float(find(reference).evaluation()["accuracy"])
