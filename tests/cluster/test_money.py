"""Money and preemption on the real cluster, with images, store and a worker that really trains."""

import os
import signal
from typing import Any

import psutil
import pytest

from tests.cluster.installation import User
from tests.storage.processes import wait_until

LONG = {"max_iter": 100_000, "test_interval": 50_000, "snapshot": 50_000}
PREEMPTIONS = 4
INTERVAL = 500


@pytest.mark.torch  # not for training: where PyTorch is hidden, SciPy stumbles over the gap
def test_a_budget_is_kept_and_leaves_a_bundle(user: User) -> None:
    """The demo for two cents, at a made-up price: not two percent more, an accuracy, a bundle, and accounts
    that add up."""
    budget = 0.02
    user.write_demo("cents", solver={**LONG, "snapshot": 2000}, budget={"usd": budget})
    user.submit("--yes")

    user("wait", "cents", code=9)
    status, cost = user.status("cents"), user.json("cost", "cents")

    assert (status["state"], status["reason"]) == ("Stopped", "BudgetReached")
    assert 0.5 * budget < status["usd"] <= 1.02 * budget
    assert status["accuracy"] > 0.5
    user("get", "cents", "bundle")
    assert user.json("verify", "bundle")["ok"]
    [pod_], [worker] = status["attempts"], user.run_status("cents")["attempts"]
    assert worker["begun"] == pytest.approx(pod_["begun"], abs=20)  # the kubelet's and the server's seconds
    [row] = cost["runs"]
    assert row["usd"] == pytest.approx(status["usd"], abs=1e-5)
    assert sum(stage["usd"] for stage in row["stages"].values()) == pytest.approx(row["usd"], abs=1e-9)
    assert row["stages"]["train"]["usd"] > 0.3 * row["usd"]


@pytest.mark.timeout(900, func_only=True)
def test_one_run_is_preempted_again_and_again(user: User) -> None:
    """With notice (a drained pod) nothing is trained twice; without (SIGKILL) less than an interval."""
    solver, resources = {**LONG, "snapshot": INTERVAL}, {"max_retries": PREEMPTIONS - 1}
    user.write("taken", solver=solver, budget={"usd": 1}, resources=resources)
    user.submit("--yes")

    after: dict[str, Any] = {"attempts": [{}]}
    for number in range(PREEMPTIONS):
        drained = number % 2 == 0
        before = running(user, "taken", len(after["attempts"]), snapshots=not drained)
        workers = len(before["attempts"])
        drain(user, "taken") if drained else kill_worker("taken")
        after = running(user, "taken", workers + 1)
        ended = after["attempts"][workers - 1]
        if drained:  # the next may be Kubernetes 1.20's replacement, a second pod of the same attempt
            assert (ended["reason"], ended["lost_seconds"]) == ("Preempted", 0.0)
        else:
            assert after["resumed"]["iteration"] >= before["snapshot"]
            assert after["resumed"]["iteration"] > before["iteration"] - 2 * INTERVAL
    user("cancel", "taken", "--now")


def running(user: User, name: str, workers: int, *, snapshots: bool = False) -> dict[str, Any]:
    """Return a run's own status once so many workers have begun and the last one trains, and made a snapshot
    if asked."""
    status: dict[str, Any] = {}

    def there() -> bool:
        nonlocal status
        status = user.run_status(name)
        began = (status.get("resumed") or {}).get("iteration", 0)
        fresh = (status.get("snapshot") or 0) > began if snapshots else True
        begun = len(status.get("attempts", ()))
        return begun >= workers and status.get("iteration", 0) > began + 20 and fresh

    wait_until(there, 240, f"worker {workers} of {name} to train")
    return status


def drain(user: User, name: str) -> None:
    """Delete the pod that runs, as a drain of its node does."""
    cluster = user.installed.cluster
    listed = cluster.get("pods", namespace=user.namespace, labels=f"ftjob.dev/job={name}")["items"]
    staying = [each for each in listed if "deletionTimestamp" not in each["metadata"]]
    [alive, *_] = [each["metadata"]["name"] for each in staying if each["status"]["phase"] == "Running"]
    cluster.kubectl("delete", "pod", alive, f"--namespace={user.namespace}", "--wait=false")


def kill_worker(name: str) -> None:
    """Kill the worker process of a run, which lives in a container on this machine."""
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if "worker" in words and any(word.startswith(f"s3://runs/{name}/") for word in words):
            os.kill(process.pid, signal.SIGKILL)
