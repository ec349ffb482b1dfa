"""Money and preemption on the real cluster, with images, store and a worker that really trains."""

import os
import signal
from typing import Any

import psutil
import pytest

from tests.cluster.installation import User
from tests.storage.processes import wait_until

LONG = {"max_iter": 100_000, "test_interval": 50_000, "snapshot": 50_000}
PREEMPTIONS = 10
INTERVAL = 500


def test_a_budget_is_kept_and_leaves_a_bundle(user: User) -> None:
    """Two cents at a made-up price: not two percent more, an accuracy, a bundle, and accounts that add up."""
    budget = 0.02
    user.write("cents", solver={**LONG, "snapshot": 20_000}, budget={"usd": budget})
    user.submit("--yes")

    user("wait", "cents", code=9)
    status, cost = user.status("cents"), user.json("cost", "cents")

    assert (status["state"], status["reason"]) == ("Stopped", "BudgetReached")
    assert 0.5 * budget < status["usd"] <= 1.02 * budget
    assert status["accuracy"] > 0.5
    user("get", "cents", "bundle")
    assert user.json("verify", "bundle")["ok"]
    [pod_], [worker] = status["attempts"], user.run_status("cents")["attempts"]
    assert worker["begun"] == pytest.approx(pod_["begun"], abs=2.5)  # the kubelet's and the server's seconds
    [row] = cost["runs"]
    assert row["usd"] == pytest.approx(status["usd"], abs=1e-5)
    assert sum(stage["usd"] for stage in row["stages"].values()) == pytest.approx(row["usd"], abs=1e-9)
    assert row["stages"]["train"]["usd"] > 0.3 * row["usd"]


def test_preemptions_with_notice_lose_nothing(user: User) -> None:
    """Pods deleted as a drain does it: each attempt goes on at the iteration where the last one ended."""
    user.write("drained", solver={**LONG, "snapshot": INTERVAL}, budget={"usd": 1})
    user.submit("--yes")

    seen = 0
    for _ in range(PREEMPTIONS // 2):
        seen = running(user, "drained", seen + 1)["attempt"]
        where = f"--namespace={user.namespace}"
        user.installed.cluster.kubectl("delete", "pod", pod(user, "drained"), where, "--wait=false")
    *ended, _ = running(user, "drained", seen + 1)["attempts"]
    user("cancel", "drained", "--now")

    assert len(ended) >= PREEMPTIONS // 2
    assert {(each["reason"], each["lost_seconds"]) for each in ended} == {("Preempted", 0.0)}


def test_preemptions_without_notice_lose_less_than_a_snapshot_interval(user: User) -> None:
    """Workers killed with SIGKILL, as by a node that is gone: the next goes on from the last snapshot."""
    solver, resources = {**LONG, "snapshot": INTERVAL}, {"max_retries": 9}
    user.write("killed", solver=solver, budget={"usd": 1}, resources=resources)
    user.submit("--yes")

    seen = 0
    for _ in range(PREEMPTIONS // 2):
        before = running(user, "killed", seen + 1, snapshots=True)
        seen = before["attempt"]
        kill_worker("killed")
        after = running(user, "killed", seen + 1)
        assert after["resumed"]["iteration"] >= before["snapshot"]
        assert after["resumed"]["iteration"] > before["iteration"] - 2 * INTERVAL
    user("cancel", "killed", "--now")


def running(user: User, name: str, attempt: int, *, snapshots: bool = False) -> dict[str, Any]:
    """Return a run's own status once that attempt, or a later one, trains, and made a snapshot if asked."""
    status: dict[str, Any] = {}

    def there() -> bool:
        nonlocal status
        status = user.run_status(name)
        began = (status.get("resumed") or {}).get("iteration", 0)
        fresh = (status.get("snapshot") or 0) > began if snapshots else True
        return status.get("attempt", 0) >= attempt and status.get("iteration", 0) > began + 20 and fresh

    wait_until(there, 120, f"attempt {attempt} of {name} to train")
    return status


def pod(user: User, name: str) -> str:
    """Return the name of the pod that runs."""
    listed = user.installed.cluster.get("pods", f"-lftjob.dev/job={name}", namespace=user.namespace)["items"]
    [alive] = [each for each in listed if each["status"]["phase"] == "Running"]
    return str(alive["metadata"]["name"])


def kill_worker(name: str) -> None:
    """Kill the worker process of a run, which lives in a container on this machine."""
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if "worker" in words and any(word.startswith(f"s3://runs/{name}/") for word in words):
            os.kill(process.pid, signal.SIGKILL)
