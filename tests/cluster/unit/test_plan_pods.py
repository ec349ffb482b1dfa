"""decide() before anything is begun: what nobody planned is planned by a pod."""

from ftjob.cluster.policy.actions import CreatePlanJob, DeleteJob, WriteStatus
from ftjob.cluster.policy.decide import decide
from ftjob.cluster.policy.job_context import JobProblem
from ftjob.cluster.policy.planning import plan_name
from ftjob.runfolder.status import State
from tests.cluster.unit.builders import NOW, plan_job_object, plan_pod_object, request_of, seen
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
