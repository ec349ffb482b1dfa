"""The accounts: whatever the controller saw or missed, and whatever its clock says."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftjob.cluster.policy.actions import DeleteJob, WriteStatus
from ftjob.cluster.policy.decide import decide
from ftjob.cluster.policy.job_context import Observed
from ftjob.cluster.resource.status import FineTuneStatus, PodRecord
from ftjob.cluster.resource.times import render_time
from ftjob.runfolder.progress import Progress
from tests.cluster.unit.builders import (
    NOW,
    begun,
    ended_pod,
    fine_tune,
    job_object,
    life,
    pod_object,
    report,
    seen,
)

HOUR = 3600.0


def written(observed: Observed, now: float = NOW) -> FineTuneStatus:
    [write] = [action for action in decide(observed, now) if isinstance(action, WriteStatus)]
    return write.status


def only_life(observed: Observed, now: float = NOW) -> PodRecord:
    [entry] = written(observed, now).attempts
    return entry


def running(seconds: float) -> dict[str, Any]:
    """A pod that was scheduled an hour ago, and of which so many seconds were accounted when last written."""
    made = {**life(1, HOUR, at=NOW), "seconds": seconds}
    return {key: value for key, value in made.items() if key != "ended"}


@pytest.mark.parametrize(("counted", "seconds"), [(1200.0, HOUR), (HOUR + 60, HOUR + 60)])
def test_a_pod_that_nobody_saw_end_is_counted_to_now(counted: float, seconds: float) -> None:
    """Whatever a worker reports: nothing that it says makes it cheaper."""
    job = fine_tune(status=begun(attempts=[running(counted)]))
    entry = only_life(seen(job, report=report(exit_code=10)))

    assert entry.seconds == pytest.approx(seconds)
    assert entry.reason == "Preempted"
    assert only_life(seen(job)).reason == "PodGone"


def test_a_pod_that_is_gone_is_counted_to_the_end_of_its_job() -> None:
    """Which the API server knows."""
    job = fine_tune(status=begun(attempts=[running(1200.0)]))

    assert only_life(seen(job, [job_object(end="Failed", finished=NOW - 600)])).seconds == HOUR - 600


def test_a_clock_that_was_set_back_does_not_make_a_lost_pod_free() -> None:
    """What was accounted stays so."""
    status = begun(attempts=[running(1200.0)])

    assert only_life(seen(fine_tune(status=status)), NOW - 2 * HOUR).seconds == 1200.0


@pytest.mark.parametrize("jump", [-HOUR, HOUR])
def test_a_clock_that_jumps_ends_nobody(jump: float) -> None:
    """The pod's own deadline, on its node, is what ends it; and the node reports its end."""
    job = fine_tune(status=begun(grantedSeconds=4000.0, deadlineSeconds=4000.0), budget={"usd": 1.0})
    at_work = seen(job, [job_object()], [pod_object(scheduled=NOW - 600)])
    over = seen(job, [job_object()], [ended_pod(10, scheduled=NOW - 600, at=NOW)])

    assert not any(isinstance(action, DeleteJob) for action in decide(at_work, NOW + jump))
    assert only_life(over, NOW + jump).seconds == 600


@pytest.mark.parametrize(("written_at", "seconds"), [(NOW - 900, 500.0), (NOW - 300, 200.0), (NOW - 50, 0.0)])
def test_an_attempt_whose_pod_came_and_went_unseen_is_accounted(written_at: float, seconds: float) -> None:
    """The controller was away: from when it last saw that no pod had a node, to the end of the Job."""
    job = job_object(end="Failed", created=NOW - 600, finished=NOW - 100, counts={"failed": 1})
    status = begun(updated=render_time(written_at))
    entry = only_life(seen(fine_tune(status=status), [job], report=report(exit_code=10)))

    assert (entry.seconds, entry.usd) == (seconds, pytest.approx(seconds / 3600 * 0.9))
    assert entry.reason == "Preempted"


def test_a_job_that_ended_without_a_pod_costs_nothing() -> None:
    """Its attempt is over all the same."""
    entry = only_life(seen(fine_tune(status=begun()), [job_object(end="Failed", created=NOW - 600)]))

    assert (entry.usd, entry.reason) == (0.0, "PodGone")


def test_a_pod_that_was_never_scheduled_costs_nothing() -> None:
    """However long it waited, and whether or not its Job was deleted by hand meanwhile."""
    waiting = seen(fine_tune(status=begun()), [job_object()], [pod_object(scheduled=None)])

    assert (written(waiting, NOW + 600).usd, written(waiting, NOW + 600).attempts) == (0.0, ())
    assert written(seen(fine_tune(status=begun()))).usd == 0.0


def test_the_price_is_the_controllers_own_record() -> None:
    """Nothing that stands on a pod or Job, where users may write, is counted."""
    cheap = ended_pod(10, at=NOW, scheduled=NOW - HOUR)
    cheap["metadata"]["annotations"] = {"ftjob.dev/usd-per-hour": "-1000000"}
    job = fine_tune(status=begun(usdPerHour=0.5))

    assert only_life(seen(job, [job_object()], [cheap])).usd == pytest.approx(0.5)


@given(
    st.builds(
        Progress,
        attempt=st.integers(0, 3),
        iteration=st.integers(500, 10**6),
        snapshot=st.integers(0, 500),
        images_per_second=st.floats(0, 1e9) | st.none(),
        eta_seconds=st.floats(0, 1e9) | st.none(),
        earlier_seconds=st.floats(0, 1e9),
        earlier_usd=st.floats(0, 1e9),
        reason=st.sampled_from(["", "Completed", "AlreadyDone", "TakenAway"]),
        message=st.text(max_size=1000),
        exit_code=st.integers(0, 255) | st.none(),
    )
)
def test_no_report_makes_a_run_cheaper(lie: Progress) -> None:
    """The same run with and without it: dollars and seconds are never less, nor is what is left more."""
    job = fine_tune(status=begun(attempts=[life(1, 1200, reason="Preempted")]), budget={"usd": 4.0})
    honest, lied = written(seen(job)), written(seen(job, report=lie))

    assert (lied.usd, lied.seconds) >= (honest.usd, honest.seconds)
    assert (lied.granted_usd or 0.0) <= (honest.granted_usd or 0.0)


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


def test_a_job_settles_what_was_guessed_of_it() -> None:
    """Its pod was written off by a controller that had heard nothing for long, and is gone as well."""
    written_off = {"attempt": 1, "pod": "pod-1", "ended": "2027-01-15T07:59:00Z", "reason": "PendingTooLong"}
    job = fine_tune(status=begun(state="Failed", reason="PendingTooLong", attempts=[written_off]))
    ended = job_object(end="Failed", created=NOW - 600, finished=NOW - 200, counts={"failed": 1})
    entry = only_life(seen(job, [ended]))

    assert (entry.pod, entry.seconds, entry.reason) == ("pod-1", 400, "PendingTooLong")
