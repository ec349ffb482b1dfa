"""The controller on a real cluster, with the rights k8s/ gives it: whole lives, faults, its own death."""

import json
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.cluster.bed.cluster import Cluster
from tests.cluster.controllers import (
    RUN_ID,
    Controllers,
    a_namespace,
    fine_tune,
    free_port,
    installed,
    reasons,
)
from tests.cluster.pods import a_job, a_pod
from tests.storage.processes import wait_until
from tests.storage.servers import Server


@pytest.fixture(scope="module")
def controller(
    with_image: Cluster, swift_server_here: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Controllers]:
    """A controller that is listening, in a namespace that tests share: each has names of its own."""
    with a_namespace(with_image) as namespace:
        made = installed(with_image, namespace, swift_server_here, tmp_path_factory.mktemp("shared"))
        made.start()
        made.wait_to_listen()
        yield made
        made.end(signal.SIGKILL)


def test_a_job_runs_to_its_end(controller: Controllers) -> None:
    """From the object to a Job, a pod, an exit code, and a status that adds up; events tell the story."""
    controller.submit("one-a0-b0-s2")
    status = controller.wait_for("one-a0-b0-s2", "Succeeded", "Completed")
    [life] = status["attempts"]

    def reasons() -> set[str]:
        events = controller.cluster.get("events", namespace=controller.namespace)["items"]
        return {each["reason"] for each in events if each["involvedObject"]["kind"] == "FineTuneJob"}

    wait_until(lambda: {"Creating", "Running", "Completed"} <= reasons(), 60, "an event for each step")
    assert f"one-a0-b0-s2-{RUN_ID[:8]}-1" in controller.names("jobs")
    assert (life["exitCode"], status["seconds"], status["folder"]) == (
        0,
        life["seconds"],
        f"s3://runs/one-a0-b0-s2/{RUN_ID}",
    )


def test_a_pod_is_given_the_spec_and_whom_it_works_for(controller: Controllers) -> None:
    """With every default filled in, so that the worker needs nothing of this cluster; nothing goes through
    the store."""
    controller.submit("two-a10-b0-s1", budget={"usd": 1.0})
    controller.wait_for("two-a10-b0-s1", "Succeeded")
    job = controller.cluster.get("jobs", f"two-a10-b0-s1-{RUN_ID[:8]}-1", namespace=controller.namespace)
    given = job["spec"]["template"]["metadata"]["annotations"]
    uid = job["metadata"]["ownerReferences"][0]["uid"]

    assert "usd: 1.0" in given["ftjob.dev/spec"]
    assert "base_lr: 0.001" in given["ftjob.dev/spec"]
    assert json.loads(given["ftjob.dev/owner"])["uid"] == uid


def test_what_a_worker_leaves_is_its_runs_end(controller: Controllers) -> None:
    """Its figures stand in the status; nobody opened its folder."""
    controller.submit("left-a0-b0-s1")
    status = controller.wait_for("left-a0-b0-s1", "Succeeded")

    assert (status["iteration"], status["maxIter"], status["accuracy"]) == (7, 7, 0.5)


def test_attempts_that_end_are_followed_as_the_table_prescribes(controller: Controllers) -> None:
    """Preempted: at once; crashed: after a pause; diverged: never."""
    for name in ("taken-a10-b0-s1", "crash-a6-b0-s1", "wild-a7-b0-s1"):
        controller.submit(name)

    assert reasons(controller.wait_for("taken-a10-b0-s1", "Succeeded")) == ["Preempted", "Completed"]
    assert reasons(controller.wait_for("crash-a6-b0-s1", "Succeeded")) == ["EngineCrashed", "Completed"]
    assert reasons(controller.wait_for("wild-a7-b0-s1", "Failed", "Diverged")) == ["Diverged"]


def test_a_run_that_prefers_spot_leaves_it_when_it_is_taken_away_twice(controller: Controllers) -> None:
    """The third attempt is on demand, as its Job's label says."""
    name = "spot-a10-b10-s1"
    controller.submit(name, resources={"spot": "prefer"})
    status = controller.wait(name, lambda status: len(status.get("attempts", [])) >= 3)
    jobs = controller.cluster.get("jobs", namespace=controller.namespace)["items"]
    controller.patch(name, {"metadata": {"annotations": {"ftjob.dev/cancel": "now"}}})
    labels = {job["metadata"]["name"]: job["metadata"]["labels"] for job in jobs}

    assert [life["spot"] for life in status["attempts"][:3]] == [True, True, False]
    assert labels[f"{name}-{RUN_ID[:8]}-3"]["ftjob.dev/capacity"] == "on-demand"


def test_crashes_without_progress_end(controller: Controllers) -> None:
    """After max_retries."""
    controller.submit("bad-a6-b6-s0", resources={"max_retries": 1})

    status = controller.wait_for("bad-a6-b6-s0", "Failed", "EngineCrashed")

    assert reasons(status) == ["EngineCrashed", "EngineCrashed"]


def test_suspend_and_cancel_let_the_worker_end_by_itself(controller: Controllers) -> None:
    """SIGTERM reaches it, its exit code is heard although the pod goes, and both can be taken back."""
    name = "held-a0-b0-s5"
    controller.submit(name)
    controller.wait_for(name, "Running")
    controller.patch(name, {"spec": {"suspend": True}})
    held = controller.wait_for(name, "Suspended")
    controller.patch(
        name, {"spec": {"suspend": False}, "metadata": {"annotations": {"ftjob.dev/cancel": "now"}}}
    )
    controller.wait_for(name, "Stopped", "Cancelled")
    controller.patch(name, {"metadata": {"annotations": {"ftjob.dev/cancel": None}}})

    assert reasons(held) == ["Suspended"]
    assert reasons(controller.wait_for(name, "Succeeded"))[-1] == "Completed"


def test_a_job_that_is_deleted_by_hand_is_followed_by_another(controller: Controllers) -> None:
    """The worker ended as it was told; the next attempt goes on, and never are there two."""
    name = "hand-a0-b0-s4"
    controller.submit(name)
    controller.wait_for(name, "Running")
    controller.cluster.kubectl(
        "delete", "job", f"{name}-{RUN_ID[:8]}-1", f"--namespace={controller.namespace}"
    )
    status = controller.wait_for(name, "Succeeded")

    assert [life["attempt"] for life in status["attempts"]] == [1, 2]


def test_a_budget_ends_a_worker_that_does_not_end_itself(controller: Controllers) -> None:
    """The pod's own deadline is the backstop: what is spent is the budget and at most one grace period, in
    which the worker still ends, and is heard."""
    budget, grace_seconds = {"hours": 8 / 3600}, 60  # the least that the controller gives
    for name in ("poor-a0-b0-s60", "poor-a0-b0-s60-heard"):
        controller.submit(name, budget=budget)
    ends = {}
    for name in ("poor-a0-b0-s60", "poor-a0-b0-s60-heard"):
        status = controller.wait_for(name, "Stopped", "BudgetReached")
        [attempt] = status["attempts"]
        ends[name.removeprefix("poor-a0-b0-s60")] = (attempt["reason"], attempt.get("exitCode"))
        assert 8 <= status["seconds"] <= 8 + grace_seconds + 1

    assert ends == {"": ("DeadlineExceeded", None), "-heard": ("DeadlineExceeded", 10)}


@pytest.mark.parametrize(
    ("name", "spec", "reason", "part"),
    [
        ("k80", {"resources": {"node": "p2.xlarge"}}, "NoSuchNode", "NVIDIA K80"),
        ("wrong", {"solver": {"lr_policy": "exp"}}, "BadSpec", "solver.gamma"),
        ("path", {"data": {"train": "faces", "val": "s3://data/val"}}, "BadSpec", "data.train"),
    ],
)
def test_why_nothing_runs_is_reported_soon(
    controller: Controllers, name: str, spec: dict[str, Any], reason: str, part: str
) -> None:
    """In one sentence, in the status."""
    controller.submit(name, **spec)

    status = controller.wait(name, lambda status: status["reason"] == reason, seconds=60)

    assert part in status["message"]


def test_what_nobody_planned_is_planned_by_a_pod(controller: Controllers) -> None:
    """Of the workers' account, without a GPU; a store may answer yet, and is waited for."""
    for name in ("plain-a0-b0-s1", "later-a0-b0-s1", "never-a0-b0-s1"):
        controller.cluster.apply(fine_tune(name, planned=False), namespace=controller.namespace)
    done = controller.wait_for("plain-a0-b0-s1", "Succeeded")
    waiting = controller.wait_for("later-a0-b0-s1", "Pending", "StorageUnreachable")
    failed = controller.wait_for("never-a0-b0-s1", "Failed", "BadData")
    jobs = controller.cluster.get("jobs", namespace=controller.namespace)["items"]
    [plan] = [each for each in jobs if each["metadata"]["name"].startswith("plain-a0-b0-s1-plan-")]
    pod = plan["spec"]["template"]["spec"]

    assert (done["runId"], done["attempt"]) == (RUN_ID, 1)
    assert waiting["message"] == "data.train: s3://later: there is no bucket later"
    assert failed["message"] == "data.train: s3://data/train: no image has label 1"
    assert (pod["serviceAccountName"], pod["automountServiceAccountToken"]) == ("ftjob-worker", False)
    trained = {name for name in controller.names("jobs") if "-plan-" not in name}
    assert not any(name.startswith(("later", "never")) for name in trained)


def test_a_job_of_somebody_else_with_our_name_is_reported(controller: Controllers) -> None:
    """And when it is gone, the run begins."""
    name = "taken-a0-b0-s0"
    pod = a_pod("other", controller.cluster.busybox, "true")
    controller.cluster.apply(a_job(f"{name}-{RUN_ID[:8]}-1", pod), namespace=controller.namespace)
    controller.submit(name)
    controller.wait_for(name, "Pending", "NameTaken")
    controller.cluster.kubectl(
        "delete", "job", f"{name}-{RUN_ID[:8]}-1", f"--namespace={controller.namespace}"
    )

    assert reasons(controller.wait_for(name, "Succeeded")) == ["Completed"]


def test_a_quota_and_a_missing_account_are_named(controllers: Controllers) -> None:
    """The Job cannot make its pod; its events say why, and the status says it too."""
    controller = controllers
    controller.start()
    controller.wait_to_listen()
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "none"},
        "spec": {"hard": {"pods": "0"}},
    }
    controller.cluster.apply(quota, namespace=controller.namespace)
    controller.submit("full-a0-b0-s1")
    controller.wait("full-a0-b0-s1", lambda status: status["reason"] == "QuotaExceeded", seconds=60)
    controller.cluster.kubectl("delete", "resourcequota", "none", f"--namespace={controller.namespace}")
    controller.cluster.kubectl(
        "delete", "serviceaccount", "ftjob-worker", f"--namespace={controller.namespace}"
    )
    controller.submit("anon-a0-b0-s1")

    controller.wait("anon-a0-b0-s1", lambda status: status["reason"] == "NoServiceAccount", seconds=60)


def test_an_image_that_cannot_be_had_is_reported_and_given_up(controllers: Controllers) -> None:
    """Within ten seconds, with its name; after resources.max_pending the pod goes, and cost nothing."""
    name, image = "bare-a0-b0-s0", "localhost/nobody/has-this:1"
    controllers.settings = {
        **controllers.settings,
        "images": {**dict.fromkeys(controllers.settings["images"], image), "allow_tags": True},
        "worker": {**controllers.settings["worker"], "pull_policy": "IfNotPresent"},
    }
    controllers.start()
    controllers.wait_to_listen()
    controllers.submit(name, resources={"max_pending": 20 / 3600})
    waiting = controllers.wait(name, lambda status: status["reason"] == "ImageUnavailable", seconds=60)
    given_up = controllers.wait_for(name, "Failed", "PendingTooLong", seconds=40)

    def is_going() -> bool:
        pods = controllers.cluster.get("pods", namespace=controllers.namespace)["items"]
        return all("deletionTimestamp" in pod["metadata"] for pod in pods)

    wait_until(is_going, 20, "the pod's removal")
    assert image in waiting["message"]
    assert given_up.get("usd", 0) == 0


def test_an_edit_of_the_run_is_refused_and_one_of_the_budget_is_not(controller: Controllers) -> None:
    """The condition says so; the run goes on as it began."""
    name = "edit-a0-b0-s6"
    controller.submit(name)
    controller.wait_for(name, "Running")
    controller.patch(name, {"spec": {"base": {"net": "alexnet"}, "budget": {"usd": 3.0}}})

    def refused(status: dict[str, Any]) -> bool:
        return any(
            each["type"] == "EditRefused" and each["status"] == "True" for each in status["conditions"]
        )

    controller.wait(name, refused, seconds=60)
    assert reasons(controller.wait_for(name, "Succeeded")) == ["Completed"]


def test_the_server_refuses_a_spec_that_the_definition_forbids(controller: Controllers) -> None:
    """And names the field, before anything is stored."""
    cases = [
        ({"solver": {"base_lr": 0}}, "spec.solver.base_lr"),
        ({"solver": {"stepsize": "33"}}, "spec.solver.stepsize"),
        ({"surgery": {"num_output": 1}}, "spec.surgery.num_output"),
        ({"engine": "tensorflow"}, "spec.engine"),
    ]
    for change, field in cases:
        with pytest.raises(RuntimeError, match=field.replace(".", r"\.")):
            controller.submit("refused", **change)
    with pytest.raises(RuntimeError, match=r"metadata\.name"):
        controller.cluster.apply(fine_tune("n" * 41), namespace=controller.namespace)


def test_unions_that_the_definition_cannot_spell_out_pass_the_server(controller: Controllers) -> None:
    """A number or a share, a word or a group: the object keeps them as they were written."""
    written = {
        "surgery": {"freeze": {"up_to": "conv1"}, "num_output": "auto", "heads": ["loss3/classifier"]},
        "solver": {"stepsize": "33%", "snapshot": 10, "test_interval": "12.5%"},
    }
    controller.submit("union", suspend=True, **written)
    kept = controller.cluster.get("finetunejobs", "union", namespace=controller.namespace)["spec"]

    assert {section: kept[section] for section in written} == written
    assert controller.wait_for("union", "Suspended")["conditions"][0]["status"] == "True"


def test_two_controllers_are_one(controllers: Controllers) -> None:
    """The second stands by; the first, told to stop, gives the Lease back, and the second takes over."""
    controllers.start()
    controllers.submit("pair-a0-b0-s6")
    controllers.wait_for("pair-a0-b0-s6", "Running")
    second = controllers.start()
    time.sleep(2)
    first = controllers.running.pop(0)
    first.terminate()

    assert first.wait(60) == 0
    assert controllers.running == [second]
    assert reasons(controllers.wait_for("pair-a0-b0-s6", "Succeeded")) == ["Completed"]


def test_a_namespace_spends_no_more_than_its_day_allows(controllers: Controllers) -> None:
    """At $0.03 a second, $1 pays for one run that may cost $0.90; the next waits until that is raised."""
    nodes = controllers.folder / "nodes.yaml"
    nodes.write_text("local: {price: {on_demand: 108}}")
    controllers.environment["FTJOB_NODES"] = str(nodes)

    def allow(amount: str) -> None:
        metadata, data = {"name": "ftjob-budget"}, {"usd-per-day": amount}
        budget = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
        controllers.cluster.apply(budget, namespace=controllers.namespace)

    allow("one")
    controllers.start()
    controllers.submit("first-a0-b0-s6", budget={"usd": 0.9})
    held = controllers.wait_for("first-a0-b0-s6", "Pending", "NamespaceBudget")
    allow("1")
    first = controllers.wait_for("first-a0-b0-s6", "Succeeded")
    controllers.submit("second-a0-b0-s1", budget={"usd": 0.9})
    controllers.submit("free-a0-b0-s1")
    free = controllers.wait_for("free-a0-b0-s1", "Pending", "NamespaceBudget")
    waiting = controllers.wait_for("second-a0-b0-s1", "Pending", "NamespaceBudget")
    allow("2")
    second = controllers.wait_for("second-a0-b0-s1", "Succeeded")

    assert "usd-per-day is 'one'" in held["message"]
    assert "states no budget: set budget.usd" in free["message"]
    assert f"${first['usd']:.2f} is spent today" in waiting["message"]
    assert 0.03 <= second["attempts"][0]["usd"] < 1


def test_metrics_and_probes_are_served(controllers: Controllers) -> None:
    """By a controller that leads; Prometheus' own parser reads what is served."""
    controllers.port = free_port()
    controllers.start()
    controllers.submit("seen-a0-b0-s1")
    controllers.wait_for("seen-a0-b0-s1", "Succeeded")
    names = {family.name for family in text_string_to_metric_families(controllers.page("metrics"))}

    assert controllers.page("readyz") == "ok\n"
    assert {"ftjob_jobs", "ftjob_attempts_ended", "ftjob_api_requests", "ftjob_reconcile_seconds"} <= names
    assert controllers.metric("ftjob_jobs", state="Succeeded") == 1
