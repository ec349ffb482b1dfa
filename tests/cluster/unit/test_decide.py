"""decide(): a table of what is seen and what follows."""

from typing import Any

import pytest

from ftjob.cluster.policy.actions import (
    Action,
    CreateJob,
    DeleteJob,
    KillPod,
    RecordEvent,
    RequeueAfter,
    WriteStatus,
)
from ftjob.cluster.policy.decide import decide, evaluate, new_context
from ftjob.cluster.policy.job_context import Observed
from ftjob.cluster.resource.names import Condition
from ftjob.cluster.resource.status import FineTuneStatus
from ftjob.runfolder.progress import Progress
from ftjob.runfolder.status import State
from tests.cluster.unit.builders import (
    NOW,
    RUN_ID,
    begun,
    ended_pod,
    fine_tune,
    job_object,
    life,
    pod_object,
    report,
    seen,
)

FULL_VOLUME = 'Usage of EmptyDir volume "work" exceeds the limit "8Gi". '
FULL_POD = "Pod ephemeral local storage usage exceeds the total limit of containers 9Gi. "


def kinds(actions: list[Action]) -> list[type[Action]]:
    return [type(action) for action in actions if not isinstance(action, RecordEvent | RequeueAfter)]


def written(actions: list[Action]) -> FineTuneStatus:
    [write] = [action for action in actions if isinstance(action, WriteStatus)]
    return write.status


def standing(observed: Observed) -> tuple[str, str]:
    status = written(decide(observed, NOW))
    return status.state.value, status.reason


def created(actions: list[Action]) -> CreateJob:
    [found] = [action for action in actions if isinstance(action, CreateJob)]
    return found


def ran(code: int, left: Progress | None = None, **changes: Any) -> Observed:
    """A run whose first attempt just ended with an exit code."""
    job = fine_tune(**changes)
    return seen(fine_tune(status=begun(job), **changes), [job_object()], [ended_pod(code)], report=left)


def test_the_status_is_written_before_the_job_is_made() -> None:
    """So that a controller whose write is refused begins nothing; run id, folder and identity are settled."""
    actions = decide(seen(), NOW)
    status = written(actions)

    assert kinds(actions) == [WriteStatus, CreateJob]
    assert (status.run_id, status.folder) == (RUN_ID, f"s3://runs/emotions/{RUN_ID}")
    assert (status.attempt, created(actions).terms.attempt, bool(status.identity)) == (1, 1, True)


def test_the_same_look_twice_writes_once() -> None:
    """A status that is true already is not written again, and no event is recorded again."""
    first = decide(seen(), NOW)
    again = decide(seen(fine_tune(status=written(first).to_json())), NOW)

    assert kinds(again) == [CreateJob]
    assert [action for action in again if isinstance(action, RecordEvent)] == []


def test_a_spec_that_cannot_be_run_is_reported_in_a_condition() -> None:
    """The field is named, and nothing is begun."""
    status = written(decide(seen(fine_tune(data={"train": "faces"})), NOW))
    accepted = status.condition(Condition.ACCEPTED)

    assert (status.state, status.reason) == (State.FAILED, "BadSpec")
    assert accepted
    assert (accepted.status, accepted.message.split(":")[0]) == ("False", "data.train")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"solver": {"base_lr": -1}}, "solver.base_lr"),
        ({"solver": {"base_Ir": 1}}, "solver.base_Ir"),
        ({"resources": {"node": "p2.xlage"}}, "resources.node"),
        ({"name": "faces"}, "name"),
        ({"output": "/tmp/runs"}, "output"),
        ({"base": {"net": "net.prototxt"}}, "base.net"),
    ],
)
def test_every_wrong_field_is_named(changes: dict[str, Any], field: str) -> None:
    """What the server let through: values, names, places a pod cannot read."""
    status = written(decide(seen(fine_tune(**changes)), NOW))

    assert (status.reason, status.message.split(":")[0]) == ("BadSpec", field)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (0, ("Succeeded", "Completed")),
        (2, ("Failed", "BadSpec")),
        (3, ("Failed", "BadNet")),
        (4, ("Failed", "BadData")),
        (5, ("Retrying", "StorageUnreachable")),
        (6, ("Retrying", "EngineCrashed")),
        (7, ("Failed", "Diverged")),
        (8, ("Failed", "NotLearning")),
        (9, ("Stopped", "BudgetReached")),
        (10, ("Pending", "Creating")),
        (11, ("Failed", "NotAccepted")),
        (1, ("Retrying", "InternalError")),
        (137, ("Retrying", "InternalError")),
    ],
)
def test_the_exit_code_decides(code: int, expected: tuple[str, str]) -> None:
    """Every code of the table, and those that are not in it."""
    assert standing(ran(code)) == expected


@pytest.mark.parametrize(
    ("pod", "reason"),
    [
        (ended_pod(137, terminated={"reason": "OOMKilled"}), "OutOfMemory"),
        (ended_pod(137, reason="Evicted"), "TakenAway"),
        (
            ended_pod(137, reason="Evicted", message=FULL_VOLUME),
            "OutOfDisk",
        ),
        (
            pod_object(
                phase="Failed",
                state={},
                reason="Evicted",
                message=FULL_POD,
            ),
            "OutOfDisk",
        ),
        (ended_pod(143, deleted=NOW), "TakenAway"),
        (pod_object(phase="Failed", state={}, reason="Evicted", message="low on memory"), "TakenAway"),
        (pod_object(phase="Failed", state={}, reason="DeadlineExceeded"), "DeadlineExceeded"),
        (pod_object(phase="Failed", state={}, reason="UnexpectedAdmissionError"), "TakenAway"),
        (ended_pod(10, reason="Evicted"), "Preempted"),
        (ended_pod(0, deleted=NOW), "Completed"),
    ],
)
def test_what_the_cluster_did_is_distinguished_from_what_the_worker_did(
    pod: dict[str, Any], reason: str
) -> None:
    """A code that the worker chose counts before the pod's reason; one it did not choose says nothing."""
    status = written(decide(seen(fine_tune(status=begun()), [job_object()], [pod]), NOW))

    assert [each.reason for each in status.attempts] == [reason]


def test_an_attempt_that_was_taken_away_is_followed_at_once() -> None:
    """By the next number; seconds and dollars are carried on."""
    actions = decide(
        seen(fine_tune(status=begun(), budget={"usd": 4.0}), [job_object()], [ended_pod(10)]), NOW
    )
    made = created(actions)

    assert (made.terms.attempt, made.terms.seconds_before) == (2, 15.0)
    assert made.terms.seconds_left == pytest.approx(4.0 / 0.9 * 3600 - 15)


def test_retries_without_progress_end() -> None:
    """max_retries 1: the second crash at the same snapshot is the last."""
    lives = [life(1, reason="EngineCrashed", iteration=100), life(2, reason="EngineCrashed", iteration=100)]
    observed = seen(fine_tune(status=begun(attempts=lives), resources={"max_retries": 1}))

    assert standing(observed) == ("Failed", "EngineCrashed")


def test_progress_earns_new_retries() -> None:
    """The same two crashes with a new snapshot in the second one are tried again."""
    lives = [life(1, reason="EngineCrashed", iteration=100), life(2, reason="EngineCrashed", iteration=200)]
    observed = seen(fine_tune(status=begun(attempts=lives), resources={"max_retries": 1}))

    assert created(decide(observed, NOW)).terms.attempt == 3


def test_a_run_that_is_taken_away_for_ever_ends() -> None:
    """Disruptions are not counted as retries, but they need to lead somewhere."""
    lives = [life(number, reason="TakenAway", iteration=100) for number in range(1, 26)]

    assert standing(seen(fine_tune(status=begun(attempts=lives)))) == ("Failed", "NoProgress")


def test_a_running_attempt_is_left_alone() -> None:
    """Nothing is created or deleted while one pod runs; its worker's figures are shown."""
    progress = report(iteration=40, snapshot=None, accuracy=0.5)
    actions = decide(seen(fine_tune(status=begun()), [job_object()], [pod_object()], report=progress), NOW)
    status = written(actions)

    assert kinds(actions) == [WriteStatus]
    assert (status.state, status.iteration, status.accuracy) == (State.RUNNING, 40, 0.5)


def test_while_an_old_pod_lives_nothing_is_begun() -> None:
    """Its Job is gone, deleted by hand, and the worker is at its last snapshot."""
    observed = seen(fine_tune(status=begun()), [], [pod_object(deleted=NOW + 30)])

    assert kinds(decide(observed, NOW)) == [WriteStatus]
    assert standing(observed) == ("Stopping", "TakenAway")


def test_a_second_pod_of_an_attempt_ends_the_job() -> None:
    """An old Job controller replaces a deleted pod at once; two workers at one run are one too many."""
    pods = [pod_object(deleted=NOW + 30), pod_object(name="replacement")]

    assert kinds(decide(seen(fine_tune(status=begun()), [job_object()], pods), NOW)) == [
        WriteStatus,
        DeleteJob,
    ]


def test_a_pod_on_a_silent_node_is_given_up() -> None:
    """When it outstays its grace period by lost_seconds and its node says nothing; not before."""
    silent = [{"type": "Ready", "status": "Unknown"}]
    pods = [pod_object(deleted=NOW - 70, conditions=silent)]

    assert KillPod("pod-1") in decide(seen(fine_tune(status=begun()), [], pods), NOW)
    assert KillPod("pod-1") not in decide(seen(fine_tune(status=begun()), [], pods), NOW - 20)


def test_suspend_stops_gracefully_and_releasing_goes_on() -> None:
    """Stopping while the worker makes its snapshot, then Suspended, then the next attempt."""
    held = fine_tune(status=begun(), suspend=True)
    stopping = decide(seen(held, [job_object()], [pod_object()]), NOW)
    stopped = written(decide(seen(held, [job_object(deleted=True)], [ended_pod(10)]), NOW))
    on = decide(seen(fine_tune(status=stopped.to_json())), NOW)

    assert kinds(stopping) == [WriteStatus, DeleteJob]
    assert stopped.state is State.SUSPENDED
    assert created(on).terms.attempt == 2


@pytest.mark.parametrize(("how", "killed"), [("snapshot", []), ("now", [KillPod("pod-1")])])
def test_cancel_stops_gracefully_or_at_once(how: str, killed: list[Action]) -> None:
    """As the annotation says; the run then rests as Stopped."""
    job = fine_tune(status=begun(), annotations={"ftjob.dev/cancel": how})
    actions = decide(seen(job, [job_object()], [pod_object()]), NOW)

    assert [action for action in actions if isinstance(action, KillPod)] == killed
    assert DeleteJob(f"emotions-{RUN_ID[:8]}-1") in actions
    assert standing(seen(job, [], [])) == ("Stopped", "Cancelled")


def test_a_done_run_is_never_rerun() -> None:
    """Neither after its Job is gone, nor when asked to retry, nor when the budget grows."""
    done = written(decide(ran(0), NOW)).to_json()
    job = fine_tune(status=done, annotations={"ftjob.dev/retry": "1"}, budget={"usd": 100.0})

    assert CreateJob not in kinds(decide(seen(job), NOW))


def test_a_retry_asked_for_follows_a_final_failure_once() -> None:
    """The annotation names the attempt it follows."""
    lives = [life(1, reason="Diverged", exitCode=7)]
    status = begun(state="Failed", reason="Diverged", attempts=lives)
    asked = {"annotations": {"ftjob.dev/retry": "1"}}

    assert created(decide(seen(fine_tune(status=status, **asked)), NOW)).terms.attempt == 2
    after = begun(attempt=2, attempts=[*lives, life(2, reason="Diverged")])
    assert standing(seen(fine_tune(status=after, **asked))) == ("Failed", "Diverged")


def test_a_budget_that_is_reached_ends_until_it_is_raised() -> None:
    """The reserve that the worker left is no reason to begin again; more dollars are."""
    status = begun(attempts=[life(1, reason="BudgetReached", exitCode=9)], grantedSeconds=4000)
    poor, rich = ({"usd": dollars} for dollars in (1.0, 2.0))

    assert standing(seen(fine_tune(status=status, budget=poor))) == ("Stopped", "BudgetReached")
    assert created(decide(seen(fine_tune(status=status, budget=rich)), NOW)).terms.attempt == 2


def test_no_attempt_is_begun_without_money() -> None:
    """What was spent leaves less than an attempt is worth."""
    status = begun(attempts=[life(1, reason="TakenAway")])

    assert standing(seen(fine_tune(status=status, budget={"usd": 0.905}))) == ("Stopped", "BudgetReached")


def test_a_lowered_budget_stops_a_running_attempt() -> None:
    """Its pod's own deadline was reckoned from the old one."""
    job = fine_tune(status=begun(), budget={"usd": 0.001})

    assert DeleteJob(f"emotions-{RUN_ID[:8]}-1") in decide(seen(job, [job_object()], [pod_object()]), NOW)


@pytest.mark.parametrize("code", [10, 137])
def test_what_a_lowered_budget_stopped_was_not_taken_away(code: int) -> None:
    """Nor is that shown while its pod is being deleted: it is no reason to leave spot instances."""
    lowered = {"usd": 0.001}
    before = written(decide(seen(fine_tune(status=begun(), budget=lowered), [], [pod_object()]), NOW))
    job = fine_tune(status=before.to_json(), budget=lowered)
    leaving = evaluate(new_context(seen(job, [], [pod_object(deleted=NOW + 60)]), NOW + 9))
    after = written(decide(seen(job, [], [ended_pod(code, at=NOW + 50, deleted=NOW + 60)]), NOW + 50))

    assert (before.state, before.reason) == (leaving.state, leaving.reason) == ("Stopping", "BudgetReached")
    assert [each.reason for each in after.attempts] == ["DeadlineExceeded"]
    assert (after.state, after.reason) == ("Stopped", "BudgetReached")


def test_an_edit_of_the_run_itself_is_refused_and_reported() -> None:
    """A condition names it; the running attempt goes on."""
    job = fine_tune(status=begun(), solver={"base_lr": 0.01})
    actions = decide(seen(job, [job_object()], [pod_object()]), NOW)
    refused = written(actions).condition(Condition.EDITED)

    assert refused
    assert (refused.status, refused.reason) == ("True", "ImmutableField")
    assert kinds(actions) == [WriteStatus]
    assert "EditRefused" not in str(written(decide(seen(fine_tune(status=begun()), [job_object()]), NOW)))


def test_waiting_too_long_gives_up_and_stays_given_up() -> None:
    """After max_pending the Job is deleted; while it goes, and after, the verdict is the same."""
    message = {
        "unschedulable": {"reason": "Unschedulable", "message": "0/1 nodes: 1 Insufficient nvidia.com/gpu."}
    }
    waiting = pod_object(phase="Pending", scheduled=None, **message)
    job = fine_tune(status=begun(), resources={"max_pending": 0.001})
    actions = decide(seen(job, [job_object()], [waiting]), NOW)
    status = written(actions).to_json()
    after = seen(fine_tune(status=status, resources={"max_pending": 0.001}))

    assert kinds(actions) == [WriteStatus, DeleteJob]
    assert written(actions).reason == "PendingTooLong"
    assert kinds(decide(after, NOW)) == []


def test_jobs_of_an_earlier_object_are_waited_for() -> None:
    """One of the same name was deleted a moment ago; its Job's name is still taken."""
    assert standing(seen(has_old_jobs=True)) == ("Pending", "OldJobs")


def test_an_object_being_deleted_is_left_to_the_garbage_collector() -> None:
    """Its Jobs go with it; nothing is written or begun any more."""
    from dataclasses import replace

    assert decide(seen(replace(fine_tune(), deleted=True)), NOW) == []


def test_the_first_steps_of_an_attempt_are_written_together() -> None:
    """A Job about to make its pod is worth no write just after that of its beginning; later it is."""
    status = written(decide(seen(), NOW)).to_json()
    waiting = seen(fine_tune(status=status), [job_object(created=NOW)])

    assert kinds(decide(waiting, NOW + 5)) == []
    assert written(decide(waiting, NOW + 9)).message == "the Job is about to make its pod"
