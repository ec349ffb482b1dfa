"""decide() on what workers report, whether it is so or not."""

from dataclasses import replace

import pytest

from ftjob.client.cluster_run import status_of
from ftjob.cluster.policy.actions import DeleteJob, RecordEvent
from ftjob.cluster.policy.decide import decide
from ftjob.cluster.resource.config import Config
from ftjob.cluster.resource.names import Condition
from ftjob.runfolder.status import GpuUse, State
from tests.cluster.unit.builders import (
    NOW,
    RUN_ID,
    begun,
    fine_tune,
    job_object,
    life,
    pod_object,
    report,
    seen,
)
from tests.cluster.unit.test_decide import created, ran, written


def test_a_worker_that_finds_its_run_done_before_ends_it() -> None:
    """The folder is for the worker to read: another object for the same run is done at its first look."""
    found = report(1, iteration=1000, snapshot=1000, accuracy=0.9, exit_code=0, reason="AlreadyDone")
    left = found.model_copy(update={"message": "run 1f3b9c02aa is already done", "earlier_usd": 1.5})
    status = written(decide(ran(0, left), NOW))

    assert (status.state, status.reason, status.accuracy) == (State.SUCCEEDED, "AlreadyDone", 0.9)
    assert status.usd == pytest.approx(1.5 + 15 / 3600 * 0.9)


def test_what_a_folder_had_cost_before_is_learned_from_its_worker_and_never_lowered() -> None:
    """It counts against the budget from then on, whatever a later report makes of it."""
    lives = [life(1, 1200, reason="Preempted")]
    job = fine_tune(status=begun(attempts=lives, earlierSeconds=3000.0, earlierUsd=3.0), budget={"usd": 4.0})
    made = created(decide(seen(job, report=report(earlier_seconds=0.0, earlier_usd=0.0)), NOW))

    assert (made.terms.attempt, made.terms.seconds_before) == (2, 1200)
    assert made.terms.usd_before == pytest.approx(0.3)
    assert made.terms.seconds_left == pytest.approx(0.7 / 0.9 * 3600)


def test_a_pod_whose_folder_turns_out_to_have_cost_too_much_is_ended() -> None:
    """Its own deadline was reckoned without it."""
    job = fine_tune(status=begun(deadlineSeconds=16000.0), budget={"usd": 4.0})
    at_work = seen(job, [job_object()], [pod_object()], report=report(earlier_usd=3.999))

    assert DeleteJob(f"emotions-{RUN_ID[:8]}-1") in decide(at_work, NOW)


def test_a_report_that_cannot_be_true_is_named_and_stops_nothing() -> None:
    """A condition names the pod and the field; the figures stay as they were."""
    status = begun(iteration=300, snapshot=300, accuracy=0.6)
    lies = seen(fine_tune(status=status), [job_object()], [pod_object()], report_refused="pod pod-1: loss: x")
    after = written(decide(lies, NOW))
    refused = after.condition(Condition.REPORT_REFUSED)

    assert refused
    assert (refused.status, refused.reason, refused.message) == ("True", "BadReport", "pod pod-1: loss: x")
    assert (after.state, after.iteration, after.accuracy) == (State.RUNNING, 300, 0.6)


def test_what_a_worker_leaves_is_shown_harmlessly() -> None:
    """Escapes, line ends and text that turns round reach neither status nor event."""
    left = report(
        exit_code=2, reason="BadSpec", message="\x1b]0;title\x07 \u202egnp.exe\n\nline " + "x" * 900
    )
    actions = decide(ran(2, left), NOW)
    [event] = [action for action in actions if isinstance(action, RecordEvent)]

    assert written(actions).message.isprintable()
    assert event.message.isprintable()
    assert all(each.message.isprintable() for each in written(actions).conditions)


def test_what_is_reported_after_the_end_is_written_at_once() -> None:
    """The pod's last words may come after its end, and no reconcile follows that would write them later."""
    cancelled = {"annotations": {"ftjob.dev/cancel": "snapshot"}, "budget": {"usd": 4.0}}
    lives = [life(1, 60, reason="Cancelled", exitCode=10, at=NOW - 1)]
    ended = begun(state="Stopped", reason="Cancelled", attempts=lives, iteration=1, maxIter=1000)
    first = written(decide(seen(fine_tune(status=ended, **cancelled)), NOW))
    job = fine_tune(status=first.to_json(), **cancelled)
    late = written(decide(seen(job, report=report(exit_code=10)), NOW + 0.1))

    assert (first.state, first.snapshot) == (State.STOPPED, None)
    assert (late.state, late.snapshot, late.iteration) == (State.STOPPED, 500, 500)
    after = fine_tune(status=late.to_json(), **cancelled)
    assert decide(seen(after, report=report(exit_code=10)), NOW + 0.2) == []


def test_a_pod_that_lost_its_last_words_ended_as_its_worker_answered() -> None:
    """A kubelet that removes the container before it reads the message leaves a pod that failed and waits."""
    asked = {"annotations": {"ftjob.dev/cancel": "snapshot"}}
    stopping = fine_tune(status=begun(state="Stopping", reason="Cancelled", iteration=1), **asked)
    waits = {"waiting": {"reason": "ContainerCreating"}}
    gone = pod_object(phase="Failed", state=waits, deleted=NOW + 55)
    status = written(decide(seen(stopping, [], [gone], report=report()), NOW))

    assert (status.state, status.reason) == (State.STOPPED, "Cancelled")
    assert (status.snapshot, status.iteration) == (500, 500)
    assert status.attempts[0].reason == "Cancelled"


def test_snapshots_do_not_go_back() -> None:
    """The newest that was ever reported counts for the retries, whoever reports less later."""
    status = begun(iteration=800, snapshot=800)
    after = written(
        decide(seen(fine_tune(status=status), [job_object()], [pod_object()], report=report()), NOW)
    )

    assert (after.iteration, after.snapshot) == (500, 800)


def test_what_the_gpus_do_is_shown_while_an_attempt_runs() -> None:
    """As its worker reports it, and no longer than it runs."""
    gpus = ({"utilization": 0.97, "memory": 3, "memory_total": 12},)
    running = seen(fine_tune(status=begun()), [job_object()], [pod_object()], report=report(gpus=gpus))
    after = written(decide(running, NOW))
    shown = after.to_json()["gpus"]

    assert shown == [{"utilization": 0.97, "memory": 3, "memoryTotal": 12}]
    assert status_of(fine_tune(status=after.to_json())).gpus == (GpuUse(0.97, 3, 12),)
    ended = seen(fine_tune(status=after.to_json()), [job_object(end="Failed")], [])
    assert written(decide(ended, NOW)).gpus == ()


def test_the_status_has_what_a_budget_must_still_pay_for() -> None:
    """As this controller is set up: a user may read the status, and perhaps not the settings."""
    ours = seen(config=Config(min_attempt_seconds=120.0))
    before = seen(fine_tune(status=begun(state="Failed", attempts=[life(1, reason="Diverged", exitCode=7)])))

    assert written(decide(ours, NOW)).min_attempt_seconds == 120.0
    assert written(decide(replace(before, config=ours.config), NOW)).min_attempt_seconds == 120.0
