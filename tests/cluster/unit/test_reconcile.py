"""Laws of what the controller takes for news of a run."""

from typing import Any

import pytest

from ftjob.cluster.actions import CreateJob
from ftjob.cluster.config import Config
from ftjob.cluster.controller.clock import Clock
from ftjob.cluster.controller.queue import WorkQueue
from ftjob.cluster.controller.reconcile import Reconciler, unaccounted_ends
from ftjob.cluster.controller.view import View
from ftjob.cluster.decide import decide
from ftjob.cluster.objects import FineTune, Object, Pod, read_fine_tune
from ftjob.cluster.times import render_time
from tests.cluster.unit.builders import NOW, begun, fine_tune, job_object, seen

OVER = Pod("over", "job", 1, phase="Failed")
RUNS = Pod("runs", "job", 2, phase="Running", running=True)


@pytest.mark.parametrize(
    ("attempts", "pods", "wanted"),
    [
        ([], [OVER, RUNS], {"over"}),
        ([{"attempt": 1, "pod": "over", "ended": "2026-11-22T01:00:00Z"}], [OVER, RUNS], set()),
        ([{"attempt": 2, "pod": "deleted"}], [RUNS], {"deleted"}),
        ([{"attempt": 2, "pod": "runs"}], [RUNS], set()),
    ],
)
def test_a_pod_ends_once_and_so_does_one_that_was_deleted(
    attempts: list[dict[str, object]], pods: list[Pod], wanted: set[str]
) -> None:
    """The run's folder is heard again for each end that the accounts do not have, seen or not."""
    job = read_fine_tune({"metadata": {"name": "faces"}, "status": {"attempts": attempts}})

    assert unaccounted_ends(job, pods) == wanted


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
    """Before the first none can be under way: the status tells of it, and was written before."""
    server, job = Server(), fine_tune(status=status)
    parts: Any = {"api": server, "view": View(lambda _: None, Clock()), "queue": WorkQueue()}
    others: Any = dict.fromkeys(("runs", "planner", "hints", "events", "clock", "profiles", "ledger"))
    made = Reconciler(**parts, **others, config=Config())
    terms = next(each for each in decide(seen(fine_tune()), NOW) if isinstance(each, CreateJob))
    made.act("team/emotions", {}, seen(job), terms)

    assert server.asked == asked
