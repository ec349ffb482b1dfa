"""decide() before anything is begun: what nobody planned is planned by a pod."""

import pytest

from ftjob.cluster.policy.actions import CreatePlanJob, DeleteJob, WriteStatus
from ftjob.cluster.policy.decide import decide, evaluate, new_context
from ftjob.cluster.policy.job_context import JobProblem
from ftjob.cluster.policy.planning import plan_name, planned_by_pod
from ftjob.cluster.resource.objects import read_job, read_pod
from ftjob.runfolder.status import State
from tests.cluster.unit.builders import NOW, fine_tune, plan_job_object, plan_pod_object, request_of, seen
from tests.cluster.unit.test_decide import kinds, standing, written

PLAN = plan_name("emotions", request_of().identity)


def test_a_new_job_is_planned_first() -> None:
    """Before anything is known of its run, nothing is begun."""
    actions = decide(seen(planned=None), NOW)

    assert kinds(actions) == [WriteStatus, CreatePlanJob]
    assert (written(actions).state, written(actions).reason) == (State.PENDING, "Planning")


def test_a_plan_pod_that_waits_is_reported_with_the_reason() -> None:
    """Its Job is not made twice, and the status names what holds it."""
    unschedulable = {"reason": "Unschedulable", "message": "0/1 nodes are available: 1 Insufficient memory."}
    waiting = plan_pod_object(PLAN, scheduled=None, phase="Pending", unschedulable=unschedulable)
    jobs = [plan_job_object(PLAN)]
    status = written(decide(seen(planned=None, plan_jobs=jobs, plan_pods=[waiting]), NOW))

    assert (status.state, status.reason) == (State.PENDING, "Unschedulable")
    assert status.message.startswith("to be planned: no node has room for the pod that plans")
    running = decide(
        seen(planned=None, plan_jobs=[plan_job_object(PLAN)], plan_pods=[plan_pod_object(PLAN)]), NOW
    )
    assert CreatePlanJob not in kinds(running)


def test_a_plan_that_could_not_reach_something_is_made_again_after_a_while() -> None:
    """The old Job goes first, a minute after its end."""
    trouble = JobProblem("StorageUnreachable", "s3://models: unreachable", passing=True)
    ended = plan_pod_object(PLAN, "", 5, at=NOW - 30)
    observed = seen(
        planned=trouble, plan_jobs=[plan_job_object(PLAN, end="Failed", finished=NOW - 30)], plan_pods=[ended]
    )

    assert kinds(decide(observed, NOW)) == [WriteStatus]
    assert DeleteJob(PLAN) in decide(observed, NOW + 31)


def test_a_net_that_cannot_be_planned_fails_the_run() -> None:
    """With the plan's own reason."""
    assert standing(seen(planned=JobProblem("BadNet", "layer conv1"))) == ("Failed", "BadNet")


@pytest.mark.parametrize("state", [{}, {"waiting": {"reason": "ErrImagePull", "message": "not found"}}])
def test_what_a_plan_found_stands_alone(state: dict[str, object]) -> None:
    """Whatever its pod waited for before it planned."""
    pod = plan_pod_object(PLAN, phase="Pending", state=state)
    first = written(decide(seen(planned=None, plan_jobs=[plan_job_object(PLAN)], plan_pods=[pod]), NOW))
    found = JobProblem("BadData", "data.train: s3://data/train: no image has label 1")
    observed = seen(fine_tune(status=first.to_json()), planned=found, plan_jobs=[plan_job_object(PLAN)])

    outcome = evaluate(new_context(observed, NOW))

    assert first.message.startswith("to be planned: ")
    assert (outcome.state, outcome.reason, outcome.message) == (State.FAILED, "BadData", found.message)


def test_a_plan_that_cannot_come_is_given_up() -> None:
    """After max_pending since the run was submitted or last resumed; for good, until it is changed."""
    trouble = JobProblem("StorageUnreachable", "s3://models: unreachable", passing=True)
    ended = plan_job_object(PLAN, end="Failed", finished=NOW - 30)
    waiting = seen(planned=trouble, plan_jobs=[ended])
    late = NOW + 24 * 3600

    assert standing(waiting) == ("Pending", "StorageUnreachable")
    actions = decide(waiting, late)
    status = written(actions)
    assert (status.state, status.reason) == (State.FAILED, "PendingTooLong")
    assert "24 h (resources.max_pending) to be planned: s3://models: unreachable" in status.message
    assert DeleteJob(PLAN) in actions
    again = seen(fine_tune(status=status.to_json()), planned=trouble, plan_jobs=[ended])
    assert not kinds(decide(again, late + 60))
    changed = seen(fine_tune(status=status.to_json(), generation=2), planned=trouble, plan_jobs=[ended])
    assert written(decide(changed, late + 60)).state is State.PENDING


def test_a_plan_pod_that_did_not_start_in_time_leaves_what_it_waited_for() -> None:
    """At its deadline its Job fails and the pod is deleted; it is not made again."""
    pulling = {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image x"}}
    pod = plan_pod_object(PLAN, phase="Pending", state=pulling)
    first = written(decide(seen(planned=None, plan_jobs=[plan_job_object(PLAN)], plan_pods=[pod]), NOW))
    assert first.reason == "ImageUnavailable"

    late = plan_job_object(PLAN, end="Failed", reason="DeadlineExceeded")
    deleted = plan_pod_object(PLAN, phase="Failed", state=pulling, deleted=NOW)
    for pods in ([deleted], []):
        found = planned_by_pod(PLAN, [read_job(late)], map(read_pod, pods))
        status = first
        for _ in range(2):  # the reason stays
            observed = seen(fine_tune(status=status.to_json()), planned=found, plan_jobs=[late])
            outcome = evaluate(new_context(observed, NOW + 600))
            assert (outcome.state, outcome.reason) == (State.FAILED, "NotPlanned")
            assert outcome.message.endswith(
                "to be planned: the pod's image cannot be pulled: Back-off pulling image x"
            )
            status = first.model_copy(update={"state": outcome.state, "message": outcome.message})
