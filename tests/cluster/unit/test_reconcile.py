"""Laws of what the controller takes for news of a run."""

from typing import Any

import pytest

from ftjob.cluster.controller.cache.indexed import Cache
from ftjob.cluster.controller.clock import Clock
from ftjob.cluster.controller.reconcile import Reconciler
from ftjob.cluster.controller.workqueue.queue import WorkQueue
from ftjob.cluster.policy.actions import CreateJob
from ftjob.cluster.policy.decide import decide
from ftjob.cluster.resource.config import Config
from ftjob.cluster.resource.objects import FineTune, Object
from ftjob.cluster.resource.times import render_time
from tests.cluster.unit.builders import NOW, begun, fine_tune, job_object, seen


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
