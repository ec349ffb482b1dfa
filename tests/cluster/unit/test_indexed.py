"""The controller's picture: what it is told, what it did itself, and whom that concerns."""

from typing import Any

import pytest

from ftjob.cluster.controller.cache import indexed
from ftjob.cluster.controller.cache.cached_job import CachedJob
from ftjob.cluster.controller.cache.indexed import Cache
from ftjob.cluster.controller.clock import Clock
from ftjob.cluster.resource.objects import read_job, read_pod
from tests.cluster.unit.builders import NOW, job_object, pod_object

KEY = "team/emotions"


@pytest.fixture
def concerned() -> list[str]:
    """The objects that are to be looked at."""
    return []


@pytest.fixture
def seen(concerned: list[str]) -> Cache:
    """A picture that has heard of one FineTuneJob."""
    made = Cache(concerned.append, Clock())
    made._changed(CachedJob.of(item(1)))
    concerned.clear()
    return made


def item(version: int, **status: Any) -> dict[str, Any]:
    metadata = {"name": "emotions", "namespace": "team", "uid": "u-1", "resourceVersion": str(version)}
    return {"metadata": metadata, "spec": {}, "status": status}


def test_our_own_write_is_no_news(seen: Cache, concerned: list[str]) -> None:
    """It is seen at once, and its echo concerns nobody; what others write does."""
    seen.assume_status(item(2))
    assert seen.item(KEY) == item(2)
    seen._changed(CachedJob.of(item(2)))
    assert concerned == []
    seen._changed(CachedJob.of(item(3)))

    assert concerned == [KEY]


def test_a_job_that_was_begun_is_there_before_it_is_heard_of(
    seen: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a while: one that was deleted before it was heard of is not waited for longer."""
    seen.assume_job(job_object())
    assert [job.attempt for job in seen.jobs(KEY)] == [1]
    monkeypatch.setattr(indexed, "EXPECTED_SECONDS", -1.0)
    seen.assume_job(job_object())

    assert seen.jobs(KEY) == []


def test_a_job_that_is_gone_is_not_expected_any_more(seen: Cache) -> None:
    """However lately it was begun."""
    seen.assume_job(job_object())
    seen._job_changed(read_job(job_object()))
    seen._job_gone(read_job(job_object()))

    assert seen.jobs(KEY) == []


def test_changes_that_mean_nothing_to_us_concern_nobody(seen: Cache, concerned: list[str]) -> None:
    """A pod has many conditions that the controller does not read."""
    seen._pod_changed(read_pod(pod_object()))
    seen._pod_changed(read_pod(pod_object(conditions=[{"type": "Initialized", "status": "True"}])))
    assert concerned == [KEY]
    seen._pod_changed(read_pod(pod_object(deleted=NOW)))

    assert concerned == [KEY, KEY]


def test_what_goes_on_is_reminded_of_and_what_ended_is_not(seen: Cache, concerned: list[str]) -> None:
    """Should ever a change be missed."""
    seen.resync()
    assert concerned == [KEY]
    seen._changed(CachedJob.of(item(4, completionTime="2026-11-22T10:00:00Z")))
    concerned.clear()
    seen.resync()

    assert concerned == []


def test_a_run_to_begin_is_in_a_hurry_and_one_that_ended_is_not(seen: Cache) -> None:
    """Somebody sits before the first; the last is looked at for good measure."""
    to_begin = seen.patience(KEY)
    seen._changed(CachedJob.of(item(2, attempt=1)))
    under_way = seen.patience(KEY)
    seen._changed(CachedJob.of(item(3, attempt=1, completionTime="2026-11-22T10:00:00Z")))

    assert to_begin < under_way < seen.patience(KEY)


def test_who_waits_for_the_budget_is_known_until_it_begins(seen: Cache) -> None:
    """Or goes."""
    seen._changed(CachedJob.of(item(2, reason="NamespaceBudget")))
    assert seen.waiting("team") == [KEY]
    seen.assume_status(item(3, reason="Creating"))
    assert seen.waiting("team") == []
    seen._changed(CachedJob.of(item(4, reason="NamespaceBudget")))
    seen._deleted(CachedJob.of(item(5, reason="NamespaceBudget")))

    assert seen.waiting("team") == []
