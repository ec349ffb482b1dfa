"""What is kept of an object: enough for whoever asks later."""

from typing import Any

import pytest

from ftjob.cluster.controller.cache.cached_job import APPLIED, CachedJob
from ftjob.cluster.resource.objects import read_fine_tune
from ftjob.cluster.resource.request import read_request
from ftjob.errors import BadSpecError
from tests.cluster.unit.builders import NODES, NOW, begun, life, spec


def an_item(**status: Any) -> dict[str, Any]:
    """A FineTuneJob as the API server has one that was applied."""
    return {
        "metadata": {
            "name": "emotions",
            "namespace": "team",
            "uid": "u-1",
            "resourceVersion": "7",
            "generation": 3,
            "creationTimestamp": "2026-11-22T01:00:00Z",
            "annotations": {APPLIED: "{...}", "ftjob.dev/retry": "1"},
            "labels": {"kueue.x-k8s.io/queue-name": "gpus"},
            "managedFields": [{"manager": "kubectl"}],
        },
        "spec": spec(),
        **({"status": status} if status else {}),
    }


def test_what_is_kept_reads_as_the_object_does() -> None:
    """Accounts, identity, labels and what its user asks for; only what nobody reads is left out."""
    item = an_item(**begun(state="Failed", attempts=[life(1, reason="Diverged"), life(2, at=NOW)]))
    read = read_fine_tune(CachedJob.of(item).item())
    del item["metadata"]["annotations"][APPLIED]

    assert read == read_fine_tune(item)
    assert read.status.attempts[1].usd == 0.9


def test_what_is_asked_of_all_is_known_without_reading_any() -> None:
    """Where each stands, for metrics and for the order of looks."""
    new, ended = (
        CachedJob.of(an_item()),
        CachedJob.of(an_item(**begun(usd=1.5, completionTime="2026-11-22T02:00:00Z"))),
    )

    assert (new.begun, new.ended, new.usd) == (False, False, 0.0)
    assert (ended.begun, ended.ended, ended.state, ended.usd) == (True, True, "Running", 1.5)


def test_a_thousand_that_ended_are_small() -> None:
    """Three thousand bytes of text each, where the values of one take ten times as much."""
    item = an_item(**begun(state="Succeeded", attempts=[life()]))

    assert len(CachedJob.of(item).text) < 3000


def nested(levels: int) -> Any:
    """Arrays in each other."""
    value: Any = "x"
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "status",
    [[], None, "x", [1], nested(150), {"state": [], "usd": "much", "attempt": None}, {"usd": float("nan")}],
)
def test_whatever_its_status_is_something_is_kept(status: Any) -> None:
    """It is known by name, and counts for nothing where it states nothing."""
    kept = CachedJob.of(an_item() | {"status": status})

    assert (kept.key, kept.usd, kept.begun, kept.state) == ("team/emotions", 0.0, False, "")


@pytest.mark.parametrize("levels", [3, 70, 180])
def test_a_deep_spec_is_refused_by_the_look_at_it(levels: int) -> None:
    """As any other that cannot be run: with a sentence on its field, or on its depth."""
    item = an_item() | {"spec": spec(surgery={"heads": nested(levels)})}
    job = read_fine_tune(CachedJob.of(item).item())

    with pytest.raises(BadSpecError, match=r"surgery\.heads|50 levels"):
        read_request(job, NODES)
