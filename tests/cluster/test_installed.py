"""ftjob as it is installed: the controller from its image, in the cluster, and a worker that trains."""

from typing import Any

import pytest

from ftjob.cluster.resource.names import API_VERSION, KIND
from tests.cluster.installation import SPEC, User
from tests.cluster.test_money import kill_worker
from tests.storage.processes import wait_until


def test_a_run_goes_from_the_store_through_the_cluster_to_a_bundle(user: User) -> None:
    """Dataset in the store, FineTuneJob by kubectl, planned, trained with real Caffe, its bundle written."""
    job = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": "shades"}, "spec": SPEC}
    user.installed.cluster.apply(job, namespace=user.namespace)

    status = user.installed.wait("shades", lambda status: "completionTime" in status, seconds=240)

    assert (status["state"], status["reason"]) == ("Succeeded", "Completed"), status
    assert (status["iteration"], status["attempt"]) == (20, 1)
    assert status["accuracy"] > 0.5
    run = f"shades/{status['runId']}"
    written = {f"{run}/status.json", f"{run}/logs/attempt-1.log", f"{run}/bundle/manifest.json"}
    assert written <= user.keys("shades/")


def test_weights_that_are_not_there_are_reported_before_anything_trains(user: User) -> None:
    """By the command line, and of an object that came without it by a plan pod: the field and the URI."""
    base = {"net": "lenet", "weights": "s3://data/nobody.caffemodel"}
    user.write("bare", base=base)
    spec, metadata = {**SPEC, "base": base}, {"name": "bare"}
    job = {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": spec}
    refused = user("submit", "spec.yaml", "-n", user.namespace, code=3)
    user.installed.cluster.apply(job, namespace=user.namespace)
    status = user.installed.wait_for("bare", "Failed")

    for message in (refused, status["message"]):
        assert "base.weights" in message
        assert "s3://data/nobody.caffemodel" in message
    assert {
        pod.rpartition("-")[0].rpartition("-")[0] for pod in user.installed.names("pods") if "bare" in pod
    } == {"bare-plan"}


@pytest.mark.torch  # not for training: where PyTorch is hidden, SciPy stumbles over the gap
def test_the_command_line_takes_a_run_through_the_cluster(user: User) -> None:
    """The demo's spec with everything in the store: submit, watch, its log, where it stands, its report, the
    bundle and its proof; the same again starts nothing."""
    user.write_demo("by-hand")

    user.submit()
    output = user("watch", "by-hand")
    status = user.status("by-hand")
    again = user.json("submit", "spec.yaml", "-n", user.namespace)

    assert "Succeeded 200/200" in output
    assert (status["state"], status["exit_code"], status["iteration"]) == ("Succeeded", 0, 200)
    assert status["accuracy"] > 0.8
    assert not again["started"]
    assert "bundling iteration" in user("logs", "by-hand")
    assert "by-hand" in user("ls", "-n", user.namespace)
    [row] = user.json("cost", "by-hand")["runs"]
    assert user.json("report", "by-hand")["cost"]["total"]["usd"] == pytest.approx(row["usd"], abs=1e-6)
    user("get", "by-hand", "bundle")
    assert user.json("verify", "bundle")["ok"]


def test_a_run_on_the_cluster_is_cancelled_with_a_snapshot_and_goes_on(user: User) -> None:
    """cancel is graceful, wait reports it by its exit code, and retry takes it up where it was."""
    user.write("slow", solver={"max_iter": 4000, "test_interval": 2000, "snapshot": 2000})
    user.submit()
    wait_until(lambda: user.status("slow")["iteration"] > 0, 240, "an iteration")

    user("cancel", "slow")
    user("wait", "slow", code=10)
    stopped, kept = user.status("slow"), user.keys("slow/")
    user("retry", "slow")
    user("wait", "slow")
    done = user.status("slow")

    assert (stopped["state"], stopped["reason"]) == ("Stopped", "Cancelled")
    assert 0 < stopped["snapshot"] < 4000
    assert any(key.endswith(f"/iter_{stopped['snapshot']}.json") for key in kept)
    assert (done["state"], done["iteration"], done["attempt"]) == ("Succeeded", 4000, 2)


def test_a_run_with_stages_is_one_job(user: User) -> None:
    """Both are trained by its one pod, and their iterations are counted together."""
    user.write("steps", stages=[{"name": "few"}, {"name": "more", "solver": {"max_iter": 30}}])

    user.submit()
    user("wait", "steps")

    done, written = user.status("steps"), user.run_status("steps")
    assert (done["state"], done["iteration"], done["max_iter"], done["attempt"]) == ("Succeeded", 50, 50, 1)
    assert [(each["name"], each["state"], each["iteration"]) for each in written["stage_results"]] == [
        ("few", "Succeeded", 20),
        ("more", "Succeeded", 30),
    ]
    first = f"steps/{written['run_id']}/stages/{written['stage_results'][0]['run_id']}"
    assert {f"{first}/stage.json", f"{first}/evaluation.json"} <= user.keys("steps/")


@pytest.mark.timeout(600, func_only=True)  # two workers begin, each minutes after the other on a busy machine
def test_a_worker_that_is_killed_in_its_second_stage_resumes_there(user: User) -> None:
    """By SIGKILL, behind a snapshot of that stage: the first one is not trained again, and the second one
    goes on from that snapshot."""
    later = {"max_iter": 2500, "test_interval": 2500, "snapshot": 250}
    user.write("stairs", stages=[{"name": "few"}, {"name": "more", "solver": later}])
    user.submit()
    before: dict[str, Any] = {}

    def is_behind_a_snapshot() -> bool:
        nonlocal before
        before = user.run_status("stairs")
        states = [each["state"] for each in before.get("stage_results", ())]
        return states == ["Succeeded", "Running"] and (before.get("snapshot") or 0) > 0

    wait_until(is_behind_a_snapshot, 300, "a snapshot of the second stage")
    kill_worker("stairs")
    user("wait", "stairs")

    done, after = user.status("stairs"), user.run_status("stairs")
    assert before["iteration"] < 2500
    assert (done["state"], done["attempt"]) == ("Succeeded", 2)
    assert (done["iteration"], done["max_iter"]) == (2520, 2520)
    assert after["stage_results"][0] == before["stage_results"][0]
    assert after["resumed"]["iteration"] >= before["snapshot"]
    log = user.text(f"stairs/{after['run_id']}/logs/attempt-2.log")
    assert "stage few: complete at iteration 20" in log
    assert f"resuming at iteration {after['resumed']['iteration']}" in log
    assert "stage few: begins" not in log


def test_a_learning_rate_is_found_on_the_cluster(user: User) -> None:
    """`ftjob tune lr` follows its run there to a plot and a rate; called again, it shows the same."""
    user.write("rates", surgery={"head_lr_mult": 1}, data={"batch_size": 24}, budget={"usd": 1})
    call = ("tune", "lr", "spec.yaml", "-n", user.namespace)
    found = user.json(*call, "--plot", "rates.svg")
    shown = user(*call)
    ended = user.status("rates-lr")

    assert (found["started"], found["problem"]) == (True, "")
    assert 1e-4 < found["suggestion"] < 1
    assert found["usd"] == ended["usd"] > 0
    assert (ended["attempt"], len(found["points"]) > 20) == (1, True)
    assert (user.folder / "rates.svg").read_text(encoding="utf-8").startswith("<svg ")
    assert f"base_lr: {found['suggestion']:g}" in shown


@pytest.mark.torch  # as above
@pytest.mark.timeout(600, func_only=True)  # three workers begin one after the other on a busy machine
def test_the_recipe_trains_its_first_stage_once(user: User) -> None:
    """Two training sets and two ways of freezing as one spec: one member trains the first stage, the other
    copies it from the store for $0; their comparison is a page."""
    user.write_recipe("recipe")
    user.submit()
    user("wait", "recipe")
    compared = user.json("compare", "--sweep", "recipe")
    user("compare", "--sweep", "recipe", "-o", "html")

    members = {each["name"]: user.run_status(each["name"]) for each in compared["members"]}
    firsts = {name: status["stage_results"][0] for name, status in members.items()}
    [trained] = [name for name, first in firsts.items() if not first["reused_from"]]
    [copied] = [name for name, first in firsts.items() if first["reused_from"]]
    assert firsts[copied]["reused_from"] == f"{trained}/{members[trained]['run_id']}"
    assert firsts[copied]["usd"] == 0 < firsts[trained]["usd"]
    assert firsts[copied]["accuracy"] == firsts[trained]["accuracy"]
    assert {status["state"] for status in members.values()} == {"Succeeded"}
    assert all(each["accuracy"] > 0.6 for each in compared["members"])
    page = (user.folder / "comparison.html").read_text(encoding="utf-8")
    assert all(name in page for name in members)
