"""Laws of what the controller takes for news of a run, and whom it asks for it."""

from types import SimpleNamespace
from typing import Any

import pytest

from ftjob.cluster.controller.cache.indexed import Cache
from ftjob.cluster.controller.clock import Clock
from ftjob.cluster.controller.reconcile import Reconciler
from ftjob.cluster.controller.worker_reports import Answer
from ftjob.cluster.controller.workqueue.queue import WorkQueue
from ftjob.cluster.policy.actions import CreateJob
from ftjob.cluster.policy.decide import decide
from ftjob.cluster.policy.job_context import Observed
from ftjob.cluster.resource.config import Config
from ftjob.cluster.resource.objects import AttemptJob, FineTune, Object, Pod, read_pod
from ftjob.cluster.resource.times import render_time
from tests.cluster.unit.builders import NODES, NOW, begun, fine_tune, job_object, pod_object, seen


class Server:
    """An API server that knows of a Job under way, and creates what it is given."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def jobs_and_pods(self, job: FineTune) -> tuple[list[Object], list[Object]]:
        self.asked.append("list")
        return [job_object()], []

    def create_job(self, namespace: str, manifest: Object) -> Object:
        self.asked.append("create")
        return {**manifest, "metadata": {**manifest["metadata"], "creationTimestamp": render_time(NOW)}}


@pytest.mark.parametrize(("status", "asked"), [(None, ["create"]), (begun(), ["list"])])
def test_every_attempt_but_the_first_is_looked_for_before_it_is_begun(
    status: dict[str, Any] | None, asked: list[str]
) -> None:
    """Before the first none can be under way: the status records it, and was written before."""
    server, job = Server(), fine_tune(status=status)
    parts: Any = {"api": server, "cache": Cache(lambda _: None, Clock()), "queue": WorkQueue()}
    others: Any = dict.fromkeys(("reports", "hints", "events", "clock", "profiles", "ledger", "sweeps"))
    made = Reconciler(**parts, **others, config=Config())
    terms = next(each for each in decide(seen(fine_tune()), NOW) if isinstance(each, CreateJob))
    made.act("team/emotions", {}, seen(job), terms)

    assert server.asked == asked


class Workers:
    """What workers answer, and whether one was asked."""

    def __init__(self, answer: Answer | None = None) -> None:
        self.answer, self.asked = answer, False

    def get(self, _: str, __: Pod, since: float) -> Answer | None:
        self.asked = since > float("-inf")
        return self.answer


class Cached:
    """A cache with one pod."""

    def __init__(self, pod: Object) -> None:
        self._pods = [read_pod(pod)]

    def pods(self, _: str) -> list[Pod]:
        return self._pods

    def jobs(self, _: str) -> list[AttemptJob]:
        return []


def observed(state: str, pod: Object, workers: Workers) -> Observed:
    """What is seen of a run in a state that has that pod."""
    hints, profiles = SimpleNamespace(get=lambda *_: {}), SimpleNamespace(current=lambda: NODES)
    parts: Any = {"cache": Cached(pod), "reports": workers, "hints": hints, "profiles": profiles}
    others: Any = dict.fromkeys(("api", "queue", "events", "ledger", "sweeps"))
    made = Reconciler(**parts, **others, clock=Clock(), config=Config())
    return made.observe("team/emotions", fine_tune(status=begun(state=state)))


OVERDUE: dict[str, Any] = {"phase": "Failed", "reason": "DeadlineExceeded"}


@pytest.mark.parametrize(
    ("state", "pod", "asked"),
    [("Running", {}, True), ("Stopping", {}, True), ("Stopping", OVERDUE, True)]
    + [(state, OVERDUE, False) for state in ("Running", "Retrying", "Stopped", "Succeeded")],
)
def test_a_pod_that_is_over_is_asked_only_while_its_run_stops(state: str, pod: dict[str, Any], asked: bool):
    """By what an old kubelet writes its container runs for ever, and it would be asked for ever."""
    workers = Workers()
    observed(state, pod_object(**pod), workers)

    assert workers.asked == asked


@pytest.mark.parametrize(("pod", "runs"), [(OVERDUE, False), ({}, True)])
def test_a_port_on_which_nobody_listens_shows_the_end_of_an_overdue_pod(pod: dict[str, Any], runs: bool):
    """Of no other: a worker that begins, or one in trouble, may not listen either."""
    workers = Workers(Answer("pod-1", NOW, gone=True))
    [found] = observed("Stopping", pod_object(**pod), workers).pods

    assert found.running == runs
