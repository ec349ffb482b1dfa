"""Attempts at runs with stages in this process, around an engine without a net."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lmdb
import pytest

from ftjob import api
from ftjob.client.local_run import Run, enlist, planned_at
from ftjob.errors.outcomes import ExitCode, Reason
from ftjob.net.proto.caffe_pb2 import Datum
from ftjob.net.prototxt import parse_net, parse_solver
from ftjob.plan.plan import Plan
from ftjob.plan.plan_json import document_of
from ftjob.runfolder.progress import Progress
from ftjob.runfolder.status import State
from ftjob.runfolder.store import stored
from ftjob.worker import attempt as story
from ftjob.worker import meter, planning, resume
from ftjob.worker.admission import arrival_of
from ftjob.worker.finish import End
from ftjob.worker.pod.context import PodContext
from ftjob.worker.pod.reporting import AttemptReport
from ftjob.worker.watch.signals import StopRequest
from jobspec import JobSpec
from tests.dataset.images import dataset, photo, raw
from tests.engine.fake_engine import FakeEngine

FEW, MANY = (0, 1, 2) * 2, (0, 1, 2, 3, 4) * 2
Event = tuple[str, str, int]
"""The stage's folder, what its engine was asked for, and at which iteration."""


class KilledError(BaseException):
    """The process ends on the spot."""


@dataclass
class Worker:
    """Attempts at runs with stages in this process, with engines that have no net."""

    folder: Path
    output: str
    events: list[Event] = field(default_factory=list)
    """Of all attempts."""
    begun_from: list[tuple[str, str]] = field(default_factory=list)
    """The weights that each engine was opened with, by the name of their file's run or stage."""
    happens: Callable[[Event], None] = lambda _: None
    """Called before every event."""
    seen: list[Progress] = field(default_factory=list)
    """What the cluster would have seen at every event."""
    now: float = 0.0
    """The worker's clock: an update takes a second."""
    stop: StopRequest = field(default_factory=StopRequest)

    def plan(self, *stages: dict[str, Any], **sections: Any) -> Plan:
        """Plan LeNet with two stages, of three and of five classes."""
        spec = {
            "name": "digits",
            "base": {"net": "lenet"},
            "data": {"train": str(self.folder / "few"), "val": str(self.folder / "few-val"), "batch_size": 2},
            "solver": {"max_iter": 8, "test_interval": 4, "snapshot": 2},
            "guards": {"not_learning": False, "idle_minutes": False},
            "output": self.output,
            "stages": list(stages or (FIRST, self.second())),
            **sections,
        }
        return api.plan(JobSpec.model_validate(spec))

    def second(self, **solver: Any) -> dict[str, Any]:
        """A stage with more classes."""
        data = {"train": str(self.folder / "many"), "val": str(self.folder / "many-val")}
        return {"name": "all", "data": data, "solver": {"max_iter": 6, **solver}}

    def submit(self, plan: Plan) -> Run:
        """Write what a submitter does, without a worker."""
        run = Run(planned_at(plan))
        enlist(run, plan.submitted, document_of(plan, ""), run.last_status())
        return run

    def attempt(self, run: Run) -> int:
        """Perform one attempt; return its exit code."""
        pod, number = PodContext.from_env(), run.next_attempt()
        report = AttemptReport(number)
        self.stop = StopRequest()
        self.report = report
        return story.run_attempt(run.location, arrival_of(number, None, None, pod), pod, report, self.stop)

    def train(self, plan: Plan) -> Run:
        """Submit and perform one attempt."""
        run = self.submit(plan)
        self.attempt(run)
        return run

    def open(self, _name: str, *, solver: Path, weights: Path | None, cwd: Path, **_: Any) -> FakeEngine:
        """Open an engine on a stage's prototxts."""
        net = parse_net((cwd / "net" / "train_val.prototxt").read_text(), "train_val.prototxt")
        source = next(layer for layer in net.layer if layer.type == "Data" and layer.include[0].phase == 1)
        accuracy = next(layer for layer in net.layer if layer.type == "Accuracy")
        with lmdb.open(str(cwd / source.data_param.source), readonly=True) as env, env.begin() as txn:
            labels = [Datum.FromString(value).label for _, value in txn.cursor()]
        head = accuracy.bottom[0]
        classes = next(each.inner_product_param.num_output for each in net.layer if head in each.top)
        parameters = parse_solver(solver.read_text(), "solver.prototxt")
        parameters.lr_policy, parameters.base_lr = "fixed", 0.1
        engine = FakeEngine(parameters, labels, classes=classes, batch=2, head=head, at_once=1, overrun=0)
        engine.heed = lambda event, iteration: self._heed(cwd.name, event, iteration)
        self.begun_from.append((cwd.name, weights.parents[1].name if weights else ""))
        return engine

    def _heed(self, stage: str, event: str, iteration: int) -> None:
        self.now += event == "update"
        self.seen.append(self.report.progress())
        self.happens((stage, event, iteration))
        self.events.append((stage, event, iteration))

    def updates(self, stage: str) -> list[int]:
        """The iterations from which a stage was trained on, over all attempts."""
        return [iteration for name, event, iteration in self.events if (name, event) == (stage, "update")]


FIRST: dict[str, Any] = {"name": "few"}


@pytest.fixture
def make(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Worker]:
    """Make a worker, with two datasets; a run that is trained to its end has no bundle."""
    data = tmp_path_factory.mktemp("data")
    for name, labels in (("few", FEW), ("many", MANY)):
        for split in ("", "-val"):
            pictures = [raw(label, photo(at + 10 * len(split), 40, 40)) for at, label in enumerate(labels)]
            dataset(data / f"{name}{split}", pictures)
    monkeypatch.setenv("FTJOB_CACHE", str(tmp_path_factory.mktemp("cache")))
    done = End(State.SUCCEEDED, Reason.COMPLETED, "done", ExitCode.DONE)
    monkeypatch.setattr(story, "concluded", lambda *_: done)
    monkeypatch.setattr(planning, "with_engine_here", lambda plan: plan)

    def made(output: str = "") -> Worker:
        worker = Worker(data, output or str(tmp_path_factory.mktemp("runs")))
        monkeypatch.setattr(resume, "open_engine", worker.open)
        clock = SimpleNamespace(time=lambda: worker.now, monotonic=lambda: worker.now)
        monkeypatch.setattr(meter, "time", clock)
        return worker

    return made


def weights(run: Run, plan: Plan) -> list[bytes]:
    """The first stage's result, and the last snapshot of the run."""
    there = stored(run.location)
    first = there.stage(plan.stages[0].run_id)
    record = first.stage_record()
    assert record is not None
    return [
        first.store.read(f"snapshots/iter_{record.snapshot}.caffemodel"),
        there.store.read(f"snapshots/iter_{plan.solver.max_iter}.caffemodel"),
    ]


@pytest.fixture
def undisturbed(make: Callable[..., Worker]) -> list[bytes]:
    """The weights of a run that nothing interrupts."""
    worker = make()
    plan = worker.plan()
    return weights(worker.train(plan), plan)
