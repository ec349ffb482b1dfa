"""A sweep on a real cluster: its members are made once, within its budget, whichever controller does it."""

import signal
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.bed.cluster import Cluster
from tests.cluster.controllers import Controllers, a_namespace, installed
from tests.storage.processes import wait_until
from tests.storage.servers import Server

NAME = "sweep-a0-b0-s3"


def test_a_sweep_outlives_its_controller(
    with_image: Cluster, swift_server_here: Server, tmp_path: Path
) -> None:
    """Three members, two at a time; the controller is killed while they run, and another ends the sweep."""
    with a_namespace(with_image) as namespace:
        made = installed(with_image, namespace, swift_server_here, tmp_path)
        made.start()
        made.wait_to_listen()
        made.submit(NAME, sweep={"parallel": 2, "solver.base_lr": [0.1, 0.01, 0.001]}, budget={"usd": 3.0})
        made.wait(NAME, lambda status: any("state" in each for each in members_in(status)))
        made.end(signal.SIGKILL)
        before = {each["metadata"]["name"]: each["metadata"]["uid"] for each in members_of(made)}
        made.start()
        status = made.wait_for(NAME, "Succeeded", "Completed")
        after = {each["metadata"]["name"]: each["metadata"]["uid"] for each in members_of(made)}
        granted = [each["spec"]["budget"]["usd"] for each in members_of(made)]

        assert len(after) == 3
        assert before.items() <= after.items()
        assert [each["state"] for each in members_in(status)] == ["Succeeded"] * 3
        assert granted[0] == 1.0
        assert sum(granted[:2]) <= 2.0
        assert status["accuracy"] == 0.5
        assert status["usd"] == pytest.approx(
            sum(each.get("spentMicrodollars", 0) for each in members_in(status)) / 1e6
        )
        owners = {each["metadata"]["ownerReferences"][0]["name"] for each in members_of(made)}
        assert owners == {NAME}

        made.cluster.kubectl("delete", "ftj", NAME, f"--namespace={namespace}")
        wait_until(lambda: not members_of(made), 60, "the members are deleted with their sweep")
        made.end()


def members_in(status: dict[str, Any]) -> list[dict[str, Any]]:
    """The record of the members in a sweep's status."""
    return list(status.get("sweep", {}).get("members", ()))


def members_of(controllers: Controllers) -> list[dict[str, Any]]:
    """The members' FineTuneJobs, oldest first."""
    found = controllers.cluster.get("finetunejobs", namespace=controllers.namespace)["items"]
    own = [each for each in found if "ftjob.dev/sweep" in each["metadata"].get("labels", {})]
    return sorted(own, key=lambda each: (each["metadata"]["creationTimestamp"], each["metadata"]["name"]))
