"""The table of retries, cause by cause: how often, how soon, or never again."""

from typing import Any

import pytest

from ftjob.cluster.policy.actions import CreateJob, DeleteJob, RequeueAfter, WriteStatus
from ftjob.cluster.policy.decide import decide
from ftjob.cluster.policy.ends import LOST, ending_of
from ftjob.cluster.policy.job_context import Observed
from ftjob.cluster.resource.objects import read_pod
from ftjob.cluster.resource.times import render_time
from ftjob.errors.outcomes import BY_EXIT_CODE, BY_REASON, ENDINGS, ExitCode, Then
from tests.cluster.unit.builders import NOW, begun, ended_pod, fine_tune, job_object, life, pod_object, seen


def after(reason: str, times: int, **changes: Any) -> Observed:
    """A run whose attempts ended so many times for a reason, each 1000 s long, without a snapshot."""
    lives = [
        life(number + 1, 10, at=NOW - 1000 * (times - number), reason=reason, spot=True)
        for number in range(times)
    ]
    return seen(fine_tune(status=begun(attempts=lives, attempt=times), **changes))


def goes_on(observed: Observed) -> bool:
    return any(isinstance(action, CreateJob) for action in decide(observed, NOW))


@pytest.mark.parametrize("end", ENDINGS, ids=lambda end: end.reason)
def test_what_follows_is_what_the_table_prescribes(end: Any) -> None:
    """Four in a row: those that are counted are over at max_retries, the others go on or never do."""
    assert goes_on(after(end.reason, 4)) is (end.then in (Then.FREE, Then.LATER, Then.HELD))
    assert goes_on(after(end.reason, 1)) is (end.then not in (Then.SUCCEEDED, Then.FAILED, Then.STOPPED))


def test_the_table_has_every_exit_code() -> None:
    """And what the cluster takes away is never held against the run."""
    assert set(BY_EXIT_CODE) == set(ExitCode)
    assert {BY_REASON[reason].then for reason in LOST} == {Then.FREE}


@pytest.mark.parametrize(
    ("reason", "times", "wait"),
    [
        ("StorageUnreachable", 1, 10),
        ("StorageUnreachable", 5, 160),
        ("StorageUnreachable", 9, 300),
        ("EngineCrashed", 2, 20),
        ("TakenAway", 1, 0),
        ("Suspended", 3, 0),
    ],
)
def test_trouble_is_waited_out(reason: str, times: int, wait: int) -> None:
    """The pause doubles up to five minutes: a store that is away for an hour costs few pods."""
    lives = [life(number + 1, 10, at=NOW, reason=reason) for number in range(times)]
    doing = decide(seen(fine_tune(status=begun(attempts=lives, attempt=times))), NOW)

    assert [action.seconds for action in doing if isinstance(action, RequeueAfter)] == [wait or 5]


def test_a_pause_is_no_longer_where_the_clock_was_set_back() -> None:
    """By an hour: the pause begins anew, and does not last an hour."""
    doing = decide(after("StorageUnreachable", 1), NOW - 3600)

    assert [action.seconds for action in doing if isinstance(action, RequeueAfter)] == [10]


@pytest.mark.parametrize(
    ("budget", "sentence"),
    [
        ({"usd": 0.9}, "($0.90 and 1.00 h are spent, budget.usd is $0.90): raise budget.usd to continue"),
        (
            {"usd": 9.0, "hours": 1.0},
            "($0.90 and 1.00 h are spent, budget.hours is 1 h): raise budget.hours to continue",
        ),
    ],
)
def test_a_retry_without_money_is_refused_in_a_sentence(budget: dict[str, float], sentence: str) -> None:
    """It names the limit that was reached."""
    status = begun(state="Failed", attempts=[life(1, reason="Diverged")])
    job = fine_tune(status=status, budget=budget, annotations={"ftjob.dev/retry": "1"})
    [write] = [action for action in decide(seen(job), NOW) if isinstance(action, WriteStatus)]

    assert (write.status.state, write.status.reason) == ("Stopped", "BudgetReached")
    assert write.status.message == f"the budget does not pay for another attempt {sentence}"


def sentence(pod: dict[str, Any]) -> str:
    """What the status gives as the reason for the next attempt."""
    doing = decide(seen(fine_tune(status=begun()), [job_object()], [pod]), NOW)
    [write] = [action for action in doing if isinstance(action, WriteStatus)]
    return f"{write.status.reason}: {write.status.message}"


@pytest.mark.parametrize(("reason", "code"), [("StartError", 128), ("ContainerCannotRun", 127)])
def test_a_container_that_never_ran_has_no_log_to_see(reason: str, code: int) -> None:
    """The runtime's message is quoted, to its end: the cause stands there."""
    words = f"OCI runtime create failed: {'hook ' * 90}nvidia-container-cli: nvml error: version mismatch"
    found = sentence(ended_pod(code, terminated={"reason": reason, "message": words}))

    assert found.startswith("ContainerUnusable: attempt 2 follows: the pod's container cannot be started:")
    assert found.endswith("nvml error: version mismatch")


def test_a_pod_whose_init_container_failed_was_not_taken_away() -> None:
    """Such as a sidecar's that an admission webhook put in: which container it was is stated."""
    pod = pod_object(phase="Failed", state={"waiting": {"reason": "PodInitializing"}})
    ended = {"terminated": {"exitCode": 1, "message": "iptables: not permitted"}}
    pod["status"]["initContainerStatuses"] = [{"name": "istio-init", "state": ended}]

    assert sentence(pod) == (
        "ContainerUnusable: attempt 2 follows: the pod's container cannot be started: container istio-init "
        "ended with exit code 1: iptables: not permitted"
    )


def test_a_container_that_its_node_lost_was_taken_away() -> None:
    """A node that restarted writes 137 for what it no longer finds: no crash of the worker's."""
    pod = read_pod(ended_pod(137, terminated={"reason": "ContainerStatusUnknown"}))

    assert ending_of(pod, None, None) is BY_REASON["TakenAway"]


def test_an_end_without_a_word_has_its_exit_code() -> None:
    """137 is one killed from outside, 139 one that crashed: the log of neither has it."""
    assert sentence(ended_pod(139)).endswith("died of an unexpected error; see its log: exit code 139")


def beside_a_sidecar(ended: float) -> list[Any]:
    """What is done about a pod whose worker ended, and in which a sidecar runs on."""
    pod = pod_object(state={"terminated": {"exitCode": 0, "finishedAt": render_time(ended)}})
    pod["status"]["containerStatuses"].append({"name": "proxy", "state": {"running": {}}})
    return decide(seen(fine_tune(status=begun()), [job_object()], [pod]), NOW)


def test_a_sidecar_that_outlives_the_worker_does_not_hold_the_run() -> None:
    """Nor its node, which would be paid for until the budget is spent: the Job is deleted a moment later, by
    when the pod of a worker alone would have ended."""
    [write] = [each for each in beside_a_sidecar(NOW - 30) if isinstance(each, WriteStatus)]

    assert write.status.state == "Stopping"
    assert "other containers" in write.status.message
    assert any(isinstance(each, DeleteJob) for each in beside_a_sidecar(NOW - 30))
    assert not any(isinstance(each, DeleteJob) for each in beside_a_sidecar(NOW - 1))
