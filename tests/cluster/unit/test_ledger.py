"""A namespace's budget in the controller: many looks at once, and none too many begins."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ftjob.cluster.controller.apiserver import ConflictError
from ftjob.cluster.controller.cache.cached_job import CachedJob
from ftjob.cluster.controller.cache.indexed import Cache
from ftjob.cluster.controller.cache.informers import NamespaceBudget
from ftjob.cluster.controller.cache.ledger import Ledger
from ftjob.cluster.controller.cache.profiles import Profiles
from ftjob.cluster.controller.clock import Clock
from ftjob.cluster.controller.events import Events
from ftjob.cluster.controller.hints import Hints
from ftjob.cluster.controller.reconcile import Reconciler
from ftjob.cluster.controller.worker_reports import Reports
from ftjob.cluster.controller.workqueue.queue import WorkQueue
from ftjob.cluster.policy.allowance import DailyAllowance
from ftjob.cluster.resource.config import Config
from ftjob.cluster.resource.figures import annotation_of
from ftjob.cluster.resource.names import ANNOTATION_PLAN, API_VERSION, KIND
from ftjob.cluster.resource.objects import FineTune, read_fine_tune
from ftjob.cluster.resource.request import identity_of
from ftjob.cluster.resource.status import FineTuneStatus
from ftjob.cluster.resource.times import render_time
from jobspec import JobSpec
from tests.cluster.unit.builders import FIGURES, spec

JOBS, EACH = 24, 4.0


class Server:
    """As much of the API server as a beginning needs: versions, conflicts, and some time for each write."""

    def __init__(self, cache: Cache) -> None:
        self.cache, self.version = cache, 100
        self.created: set[str] = set()
        self._lock = threading.Lock()

    def write_status(self, item: Any, status: FineTuneStatus) -> dict[str, Any]:
        time.sleep(0.002)
        with self._lock:
            if self.cache.item(f"team/{item['metadata']['name']}") != item:
                raise ConflictError("finetunejobs")
            self.version += 1
            metadata = {**item["metadata"], "resourceVersion": str(self.version)}
            return {**item, "metadata": metadata, "status": status.to_json()}

    def jobs_and_pods(self, _: Any) -> tuple[list[Any], list[Any]]:
        return [], []

    def create_job(self, _: str, manifest: dict[str, Any]) -> dict[str, Any]:
        self.created.add(manifest["metadata"]["name"])
        return {
            **manifest,
            "metadata": {**manifest["metadata"], "creationTimestamp": render_time(time.time())},
        }

    def record_event(self, *_: Any) -> None:
        pass


def an_item(number: int) -> dict[str, Any]:
    """A FineTuneJob that may cost $4, and is planned at nothing."""
    planned = FIGURES.model_copy(update={"seconds": 0.0})
    name, wanted = f"job-{number}", spec(budget={"usd": EACH})
    identity = identity_of(JobSpec(name=name, **wanted))
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {
            "name": name,
            "namespace": "team",
            "uid": f"u-{number}",
            "generation": 1,
            "resourceVersion": "1",
            "creationTimestamp": "2026-11-22T01:00:00Z",
            "annotations": {ANNOTATION_PLAN: annotation_of(planned, identity)},
        },
        "spec": wanted,
    }


def a_budget(text: str, namespace: str = "team") -> NamespaceBudget:
    return NamespaceBudget(namespace, {"usd-per-day": text})


def heard(reconciler: Reconciler) -> list[FineTune]:
    """Every FineTuneJob as the controller has it."""
    items = [reconciler.cache.item(f"team/job-{number}") for number in range(JOBS)]
    return [read_fine_tune(item) for item in items if item]


@pytest.fixture
def reconciler() -> Iterator[Reconciler]:
    """A reconciler that has heard of many jobs and of a budget for two of them."""
    queue, clock = WorkQueue(), Clock()
    cache = Cache(queue.add, clock)
    for number in range(JOBS):
        cache._changed(CachedJob.of(an_item(number)))
    cache._budget_changed(a_budget("10"))
    api: Any = Server(cache)
    no_sweeps: Any = None
    yield Reconciler(
        api=api,
        cache=cache,
        queue=queue,
        reports=Reports(queue.add, clock),
        hints=Hints(api, clock),
        events=Events(api, clock),
        clock=clock,
        config=Config(),
        profiles=Profiles(),
        ledger=Ledger(cache),
        sweeps=no_sweeps,
    )
    queue.close()


def look_at_all(reconciler: Reconciler) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(reconciler.reconcile, [f"team/job-{number}" for number in range(JOBS)]))


def test_looks_at_the_same_moment_do_not_begin_on_the_same_dollars(reconciler: Reconciler) -> None:
    """$10 a day pay for two runs of $4, however many threads look; the others say that they wait."""
    look_at_all(reconciler)
    reasons = [job.status.reason for job in heard(reconciler)]

    assert (reasons.count("Creating"), reasons.count("NamespaceBudget")) == (2, JOBS - 2)
    assert len(reconciler.api.created) == 2


def test_who_waits_is_looked_at_when_more_may_be_spent(reconciler: Reconciler) -> None:
    """Whether the amount was raised, the budget was taken away, or another namespace's was."""
    look_at_all(reconciler)
    reconciler.cache._budget_changed(a_budget("100", "another"))
    assert len(reconciler.queue) == JOBS  # as they were heard of first
    while len(reconciler.queue):
        taken = reconciler.queue.get()
        assert taken
        reconciler.queue.done(taken[0])
    reconciler.cache._budget_changed(a_budget("14"))
    assert len(reconciler.queue) == JOBS - 2
    look_at_all(reconciler)
    assert len(reconciler.api.created) == 3
    reconciler.cache._budget_gone(a_budget("14"))
    look_at_all(reconciler)

    assert len(reconciler.api.created) == JOBS


def test_what_a_deleted_object_cost_today_stays_spent(reconciler: Reconciler) -> None:
    """Else a namespace would be given its money back by deleting what it was spent on."""
    ended = {"attempt": 1, "pod": "p", "usdPerHour": 36000.0, "reason": "Diverged"}
    times = {"scheduled": "2026-11-22T01:00:00Z", "ended": "2026-11-22T01:00:01Z"}
    at = 1795309201.0 + 3600  # later on that day
    item = {**an_item(0), "status": {"state": "Failed", "attempt": 1, "attempts": [{**ended, **times}]}}
    item["metadata"]["resourceVersion"] = "2"
    reconciler.cache._changed(CachedJob.of(item))
    [other] = [job for job in heard(reconciler) if job.name == "job-1"]
    before = reconciler.ledger.allowance(other, at)
    reconciler.cache._deleted(CachedJob.of(item))
    after = reconciler.ledger.allowance(other, at)

    assert before == after
    assert isinstance(after, DailyAllowance)
    assert after.spent == pytest.approx(10.0)
