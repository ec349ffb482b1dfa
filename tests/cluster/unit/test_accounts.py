"""The accounts: whatever the controller saw or missed, and whatever its clock says."""

from dataclasses import replace
from typing import Any

import pytest

from ftjob.cluster.actions import CreateJob, DeleteJob, WriteStatus
from ftjob.cluster.case import Observed
from ftjob.cluster.decide import decide
from ftjob.cluster.status import FineTuneStatus, Life
from ftjob.status import Attempt, Status
from ftjob.status import State as RunState
from tests.cluster.unit.builders import (
    NOW,
    RUN_ID,
    begun,
    ended_pod,
    fine_tune,
    job_object,
    life,
    pod_object,
    seen,
)

HOUR = 3600.0


def written(observed: Observed, now: float = NOW) -> FineTuneStatus:
    [write] = [action for action in decide(observed, now) if isinstance(action, WriteStatus)]
    return write.status


def only_life(observed: Observed, now: float = NOW) -> Life:
    [entry] = written(observed, now).attempts
    return entry


def running(seconds: float) -> dict[str, Any]:
    """A pod that was scheduled an hour ago, and of which so many seconds were accounted when last written."""
    made = {**life(1, HOUR, at=NOW), "seconds": seconds}
    return {key: value for key, value in made.items() if key != "ended"}


def word(**changes: Any) -> Status:
    """What the worker of the first attempt said last."""
    return replace(Status("emotions", RUN_ID, RunState.RUNNING, attempt=1, snapshot=300), **changes)


@pytest.mark.parametrize(
    ("run", "counted", "seconds"),
    [
        (word(updated=NOW - 600), 1200.0, HOUR - 570),
        (word(updated=NOW - 600), HOUR - 300, HOUR - 270),
        (word(updated=NOW - 10), HOUR - 20, HOUR),
        (word(ended=NOW - 600, exit_code=10), HOUR - 300, HOUR - 600),
        (word(attempt=0), 1200.0, HOUR),
        (None, 1200.0, HOUR),
    ],
)
def test_a_pod_that_nobody_saw_end_is_counted_to_its_last_sign(
    run: Status | None, counted: float, seconds: float
) -> None:
    """Its worker's last word or what is in the accounts, and half a minute; where it was silent, to now."""
    entry = only_life(seen(fine_tune(status=begun(attempts=[running(counted)])), run=run))

    assert entry.seconds == pytest.approx(seconds)
    assert entry.reason in ("PodGone", "Preempted")


def test_a_clock_that_was_set_back_does_not_make_a_lost_pod_free() -> None:
    """What was accounted stays so."""
    status = begun(attempts=[running(1200.0)])

    assert only_life(seen(fine_tune(status=status)), NOW - 2 * HOUR).seconds == 1200.0


@pytest.mark.parametrize("jump", [-HOUR, HOUR])
def test_a_clock_that_jumps_ends_nobody(jump: float) -> None:
    """The pod's own deadline, on its node, is what ends it; and its end is told by the node."""
    job = fine_tune(status=begun(grantedSeconds=4000.0), budget={"usd": 1.0})
    at_work = seen(job, [job_object()], [pod_object(scheduled=NOW - 600)])
    over = seen(job, [job_object()], [ended_pod(10, scheduled=NOW - 600, at=NOW)])

    assert not any(isinstance(action, DeleteJob) for action in decide(at_work, NOW + jump))
    assert only_life(over, NOW + jump).seconds == 600


def test_a_lowered_budget_is_kept_by_a_clock_that_was_set_back() -> None:
    """What the worker said lately tells that it is later than our clock has it."""
    job = fine_tune(status=begun(grantedSeconds=4000.0), budget={"usd": 0.5})
    pod = pod_object(scheduled=NOW - 2100)
    told = seen(job, [job_object()], [pod], run=word(updated=NOW - 5))

    assert any(isinstance(action, DeleteJob) for action in decide(told, NOW - HOUR))


def test_an_attempt_whose_pod_came_and_went_unseen_is_accounted() -> None:
    """The controller was away: the Job has the price, and the worker said from when to when."""
    attempt = Attempt(1, "p2.xlarge", 0.9, begun=NOW - 500)
    run = word(attempts=(attempt,), ended=NOW - 100, exit_code=10)
    job = job_object(end="Failed", created=NOW - 600, price=0.9)
    entry = only_life(seen(fine_tune(status=begun()), [job], run=run))

    assert (entry.seconds, entry.usd, entry.reason) == (400, pytest.approx(0.1), "Preempted")


def test_an_attempt_of_which_only_its_worker_tells_is_accounted() -> None:
    """Its Job was deleted by hand as well; the next attempt has the next number."""
    attempt = Attempt(1, "p2.xlarge", 0.9, begun=NOW - 500)
    run = word(attempts=(attempt,), ended=NOW - 100, exit_code=10)
    doing = decide(seen(fine_tune(status=begun()), run=run), NOW)
    [created] = [action for action in doing if isinstance(action, CreateJob)]

    assert (created.terms.attempt, created.terms.usd_before) == (2, pytest.approx(0.1))


def test_a_pod_that_was_never_scheduled_costs_nothing() -> None:
    """However long it waited, and whether or not its Job was deleted by hand meanwhile."""
    waiting = seen(fine_tune(status=begun()), [job_object()], [pod_object(scheduled=None)])

    assert (written(waiting, NOW + 600).usd, written(waiting, NOW + 600).attempts) == (0.0, ())
    assert written(seen(fine_tune(status=begun()))).usd == 0.0


def test_pods_of_an_earlier_object_are_not_counted_twice() -> None:
    """Its run's own totals have them; the pods may be seen for a while yet."""
    run = word(state=RunState.STOPPED, seconds=3600.0, usd=0.9, ended=NOW - 5, updated=NOW - 5)
    first = seen(fine_tune(), [], [ended_pod(10, scheduled=NOW - HOUR)], run=run)
    then = replace(first, job=fine_tune(status=written(first).to_json()))

    assert written(first).usd == pytest.approx(0.9)
    assert [each.terms.usd_before for each in decide(then, NOW) if isinstance(each, CreateJob)] == [0.9]


@pytest.mark.parametrize(
    ("reason", "code", "expected"),
    [
        ("Suspended", 10, "Suspended"),
        ("Cancelled", 10, "Cancelled"),
        ("Suspended", 0, "Completed"),
        ("TakenAway", 10, "Preempted"),
    ],
)
def test_an_end_that_the_user_wanted_is_called_so(reason: str, code: int, expected: str) -> None:
    """It is no loss to the cluster; an end of the worker's own stays what it is."""
    job = fine_tune(status=begun(state="Stopping", reason=reason), suspend=True)

    assert only_life(seen(job, [job_object()], [ended_pod(code)])).reason == expected


def test_a_pod_that_got_its_node_when_it_was_given_up_is_accounted() -> None:
    """It was written off as pending too long in the same moment; it runs until it has heard of that."""
    written_off = {"attempt": 1, "pod": "pod-1", "ended": "2027-01-15T07:59:00Z", "reason": "PendingTooLong"}
    job = fine_tune(status=begun(state="Failed", reason="PendingTooLong", attempts=[written_off]))
    entry = only_life(seen(job, [job_object(deleted=True)], [ended_pod(10, at=NOW, scheduled=NOW - 60)]))

    assert (entry.seconds, entry.reason) == (60, "PendingTooLong")


def test_a_workers_word_replaces_what_was_guessed_of_it() -> None:
    """Its pod was written off by a controller that had heard nothing for long, and is gone as well."""
    written_off = {"attempt": 1, "pod": "pod-1", "ended": "2027-01-15T07:59:00Z", "reason": "PendingTooLong"}
    job = fine_tune(status=begun(state="Failed", reason="PendingTooLong", attempts=[written_off]))
    run = word(attempts=(Attempt(1, "p2.xlarge", 0.9, begun=NOW - 500),), ended=NOW - 100, exit_code=10)
    entry = only_life(seen(job, run=run))

    assert (entry.seconds, entry.reason) == (400, "PendingTooLong")
