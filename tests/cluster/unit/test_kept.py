"""What is kept of an object: enough for whoever asks later."""

from typing import Any

from ftjob.cluster.controller.kept import APPLIED, Kept
from ftjob.cluster.objects import read_fine_tune
from tests.cluster.unit.builders import NOW, begun, life, spec


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
    read = read_fine_tune(Kept.of(item).item())
    del item["metadata"]["annotations"][APPLIED]

    assert read == read_fine_tune(item)
    assert read.status.attempts[1].usd == 0.9


def test_what_is_asked_of_all_is_known_without_reading_any() -> None:
    """Where each stands, for metrics and for the order of looks."""
    new, ended = Kept.of(an_item()), Kept.of(an_item(**begun(usd=1.5, completionTime="2026-11-22T02:00:00Z")))

    assert (new.begun, new.ended, new.usd) == (False, False, 0.0)
    assert (ended.begun, ended.ended, ended.state, ended.usd) == (True, True, "Running", 1.5)


def test_a_thousand_that_ended_are_small() -> None:
    """Three thousand bytes of text each, where the values of one take ten times as much."""
    item = an_item(**begun(state="Succeeded", attempts=[life()]))

    assert len(Kept.of(item).text) < 3000
