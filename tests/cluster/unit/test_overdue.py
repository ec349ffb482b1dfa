"""Pods that failed at their deadline while their container still runs, as Kubernetes 1.20 leaves them."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from ftjob.cluster.policy.actions import CreateJob, DeleteJob, RequeueAfter, WriteStatus
from ftjob.cluster.policy.attempt import STOPPING_SECONDS
from ftjob.cluster.policy.decide import decide
from ftjob.cluster.policy.ends import LATE_SECONDS
from ftjob.cluster.policy.job_context import Observed
from ftjob.cluster.resource.status import FineTuneStatus
from ftjob.cluster.resource.times import render_time
from ftjob.runfolder.progress import Progress
from tests.cluster.unit.builders import NOW, begun, fine_tune, job_object, life, pod_object, report, seen

HOUR, GRACE = 3600.0, 60
END = report(reason="BudgetReached", message="bundle made", exit_code=9, accuracy=0.75)


@pytest.fixture
def overdue() -> Callable[[FineTuneStatus | None, Progress | None], Observed]:
    """What is seen of a run whose budget is used up, given its status (None: the first) and its report."""

    def observed(before: FineTuneStatus | None, answer: Progress | None) -> Observed:
        status = before.to_json() if before else begun(grantedSeconds=HOUR)
        ready = {"type": "Ready", "status": "False", "lastTransitionTime": render_time(NOW)}
        pod = pod_object(phase="Failed", reason="DeadlineExceeded", scheduled=NOW - HOUR, conditions=[ready])
        pod["spec"]["terminationGracePeriodSeconds"] = GRACE
        job = fine_tune(status=status, budget={"usd": 0.9})
        return seen(job, [job_object(end="Failed", finished=NOW)], [pod], report=answer)

    return observed


def written(observed: Observed, now: float) -> FineTuneStatus:
    [write] = [action for action in decide(observed, now) if isinstance(action, WriteStatus)]
    return write.status


def test_its_worker_ends_in_the_grace_period_and_is_heard(overdue) -> None:
    """It is looked at again and again, and nothing is deleted; then the end is the worker's own."""
    observed = overdue(None, report())
    stopping = written(observed, NOW + 1)
    actions = decide(observed, NOW + 1)

    assert (stopping.state, stopping.reason) == ("Stopping", "DeadlineExceeded")
    assert RequeueAfter(STOPPING_SECONDS) in actions
    assert not any(isinstance(action, CreateJob | DeleteJob) for action in actions)
    ended = written(overdue(stopping, END), NOW + 3)
    assert (ended.state, ended.reason, ended.message) == ("Stopped", "BudgetReached", "bundle made")
    assert ended.accuracy == 0.75
    [entry] = ended.attempts
    assert (entry.reason, entry.exit_code, entry.seconds) == ("BudgetReached", 9, HOUR + 3)
    assert decide(overdue(ended, END), NOW + 60) == []


@pytest.mark.parametrize("answer", [None, report(), END.model_copy(update={"attempt": 2})])
@pytest.mark.parametrize("later", [-HOUR, GRACE + LATE_SECONDS, 30 * HOUR])
def test_a_silent_worker_is_over_after_its_grace_period(overdue, answer: Progress | None, later: float):
    """Also where the controller's clock is set meanwhile; at most the grace period is charged."""
    stopping = written(overdue(None, answer), NOW)
    assert stopping.state == "Stopping"
    if later > 0:
        assert not any(isinstance(each, WriteStatus) for each in decide(overdue(stopping, answer), NOW + 20))
    ended = written(overdue(stopping, answer), NOW + later)

    assert (ended.state, ended.reason) == ("Stopped", "BudgetReached")
    assert "does not pay for another attempt" in ended.message
    assert ended.attempts[0].reason == "DeadlineExceeded"
    assert HOUR <= ended.seconds <= HOUR + GRACE


def test_a_worker_that_listens_no_more_has_ended(overdue) -> None:
    """What its pod still took is charged to the moment in which that was noticed."""
    stopping = written(overdue(None, report()), NOW)
    observed = overdue(stopping, report())
    gone = replace(observed, pods=tuple(replace(each, running=False) for each in observed.pods))
    ended = written(gone, NOW + 4)

    assert (ended.state, ended.reason, ended.seconds) == ("Stopped", "BudgetReached", HOUR + 4)
    assert ended.attempts[0].reason == "DeadlineExceeded"


def test_one_of_a_run_that_ended_changes_nothing(overdue) -> None:
    """An earlier version of the controller may have closed the books on it."""
    closed = begun(
        state="Stopped",
        reason="BudgetReached",
        grantedSeconds=HOUR,
        attempts=[life(1, HOUR, reason="DeadlineExceeded", at=NOW)],
        seconds=HOUR,
        usd=0.9,
        completionTime=render_time(NOW),
    )
    after = written(overdue(FineTuneStatus.from_json(closed), report()), NOW + HOUR)

    assert (after.state, after.seconds, len(after.attempts)) == ("Stopped", HOUR, 1)
