"""What Events report of what waits: asked once for all that wait in a namespace."""

from typing import Any

from ftjob.cluster.controller import hints
from ftjob.cluster.controller.clock import Clock
from ftjob.cluster.controller.hints import Hints, newest
from ftjob.cluster.resource.objects import Pod

WAITS = Pod("pod-1", "job", 1, scheduled=1.0)


class Asked:
    """An API server that counts how often it is asked."""

    def __init__(self) -> None:
        self.times = 0

    def warnings(self, namespace: str) -> list[dict[str, Any]]:
        self.times += 1
        return [warning("pod-1", "no space", "2026-11-22T10:00:00Z")]


def warning(name: str, message: str, when: str | None, reason: str = "Failed") -> dict[str, Any]:
    about = {"kind": "Pod", "name": name}
    return {"involvedObject": about, "reason": reason, "message": message, "lastTimestamp": when}


def test_many_that_wait_cost_one_request() -> None:
    """A server goes through all Events of a namespace to find those of one pod."""
    asked = Asked()
    made = Hints(asked, Clock())  # type: ignore[arg-type]
    found = [made.get(f"team/{number}", [], [WAITS]) for number in range(100)]

    assert found[99] == {"pod-1": "no space"}
    assert asked.times == 1


def test_what_runs_is_not_asked_about() -> None:
    """Nor what has waited for a moment only."""
    asked, clock = Asked(), Clock()
    made = Hints(asked, clock)  # type: ignore[arg-type]
    young = Pod("young", "job", 1, created=clock.now() - hints.PATIENCE_SECONDS / 2, scheduled=clock.now())

    assert made.get("team/a", [], [Pod("runs", "job", 1, scheduled=1.0, running=True)]) == {}
    assert made.get("team/a", [], [young]) == {}
    assert asked.times == 0


def test_the_newest_warning_of_an_object_counts() -> None:
    """One without a time is older than any."""
    events = [
        warning("pod-1", "new", "2026-11-22T10:00:02Z"),
        warning("pod-1", "old", "2026-11-22T10:00:01Z"),
        warning("pod-1", "ancient", None),
    ]

    assert newest(events) == {("Pod", "pod-1"): "new"}


def test_an_echo_hides_no_cause() -> None:
    """The kubelet repeats the container's own reason after the cause; the scheduler's warnings are over once
    there is a node."""
    events = [
        warning("pod-1", "0/3 nodes are available", "2026-11-22T10:00:01Z", "FailedScheduling"),
        warning("pod-2", 'Failed to pull image "x": not found', "2026-11-22T10:00:01Z"),
        warning("pod-2", "Error: ErrImagePull", "2026-11-22T10:00:02Z"),
        warning("pod-2", "Error: ImagePullBackOff", "2026-11-22T10:00:03Z"),
    ]

    assert newest(events) == {("Pod", "pod-2"): 'Failed to pull image "x": not found'}
