"""A sweep on a real cluster: its members are made once, within its budget, whichever controller does it."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ftjob.cluster.resource.names import LABEL_SWEEP
from tests.cluster.bed.cluster import Cluster
from tests.cluster.controllers import Controllers, a_namespace, installed
from tests.cluster.installation import NODES, User, shades
from tests.storage.processes import wait_until
from tests.storage.servers import Server

NAME = "sweep-a0-b0-s3"
RATES = {"parallel": 2, "solver.base_lr": [0.1, 0.01, 0.001]}


@pytest.fixture
def user(controllers: Controllers, swift_server_here: Server, tmp_path: Path, cache: Path) -> Iterator[User]:
    """Somebody at a terminal, with a dataset in the store and a controller at work, whose workers train
    nothing."""
    there = User(controllers, swift_server_here, tmp_path, cache)
    (tmp_path / "nodes.yaml").write_text(NODES, encoding="utf-8")
    for name, content in shades():
        path = tmp_path / "shades" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    bucket = f"shades-{controllers.namespace}"
    swift_server_here.client().create_bucket(Bucket=bucket)
    there("data", "build", "shades", f"s3://{bucket}", "--size=32")
    controllers.start()
    controllers.wait_to_listen()
    yield there
    controllers.end()


def write_sweep(user: User, name: str, **sweep: Any) -> None:
    """Write spec.yaml: three members, two at a time, for $3."""
    bucket = f"s3://shades-{user.namespace}"
    data = {"train": f"{bucket}/train", "val": f"{bucket}/val"}
    user.write(name, data=data, sweep={**RATES, **sweep}, budget={"usd": 3})


def test_a_sweep_goes_by_command_to_its_comparison(user: User) -> None:
    """submit, and again while it runs and when it is done; ls, watch, wait, compare; what is under way shows
    its members. One of them is not retried by itself."""
    here = ("-n", user.namespace)
    write_sweep(user, NAME)
    first, second = (user.json("submit", "spec.yaml", *here) for _ in range(2))
    user.installed.wait(NAME, lambda status: any("state" in each for each in members_in(status)))
    running = user.status(NAME)
    shown = user("watch", NAME)
    ended = user.json("wait", NAME)
    third = user.json("submit", "spec.yaml", *here)
    compared = user.json("compare", "--sweep", NAME)
    listed = {each["name"]: each["state"] for each in user.json("ls", *here)}
    members = [each["metadata"]["name"] for each in members_of(user.installed)]
    refused = user("retry", members[0], *here, code=2)

    assert [each["started"] for each in (first, second, third)] == [True, False, False]
    assert first["run"] == second["run"] == f"{NAME}/{running['run_id']}"
    assert running["state"] in ("Running", "Succeeded")
    assert "3 members" in shown
    assert (ended["state"], ended["reason"], ended["best_accuracy"]) == ("Succeeded", "Completed", 0.5)
    assert listed == dict.fromkeys([NAME, *members], "Succeeded")
    assert sorted(each["name"] for each in compared["members"]) == sorted(members)
    assert {(each["state"], each["accuracy"]) for each in compared["members"]} == {("Succeeded", 0.5)}
    assert sum(each["best"] for each in compared["members"]) == 1
    assert f"it is a member of the sweep {NAME}" in refused


def test_a_sweep_that_is_cancelled_by_command_goes_on_when_it_is_submitted_again(user: User) -> None:
    """Its members stop after a snapshot, wait has the exit code of a cancelled run; the same members resume,
    and no third one has begun."""
    name = "held-a0-b0-s60"
    write_sweep(user, name, parallel=1)
    user.submit()
    user.installed.wait(
        name, lambda status: [each.get("state") for each in members_in(status)] == ["Running"]
    )
    user("cancel", name)
    stopped = user.json("wait", name, code=10)
    before = members_of(user.installed)
    again = user.json("submit", "spec.yaml", "-n", user.namespace)
    user.installed.wait(
        name, lambda status: [each.get("state") for each in members_in(status)] == ["Running"]
    )
    user("cancel", name, "--now")
    user("wait", name, code=10)
    [after] = members_of(user.installed)

    assert (stopped["state"], stopped["reason"]) == ("Stopped", "Cancelled")
    assert again["started"]
    assert [after["metadata"]["uid"]] == [each["metadata"]["uid"] for each in before]
    assert after["status"]["attempt"] == 2
    assert after["status"]["attempts"][0]["exitCode"] == 10


def test_a_sweep_outlives_its_controller(
    with_image: Cluster, swift_server_here: Server, tmp_path: Path
) -> None:
    """Three members, two at a time; the controller is killed while they run, and another ends the sweep."""
    with a_namespace(with_image) as namespace:
        made = installed(with_image, namespace, swift_server_here, tmp_path)
        made.start()
        made.wait_to_listen()
        made.submit(NAME, sweep=RATES, budget={"usd": 3.0})
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
    own = [each for each in found if LABEL_SWEEP in each["metadata"].get("labels", {})]
    return sorted(own, key=lambda each: (each["metadata"]["creationTimestamp"], each["metadata"]["name"]))
