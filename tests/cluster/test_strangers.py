"""A second user of the cluster, who means ill: nothing is opened for him, and what he says lowers nothing."""

import hashlib
import json
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ftjob.cluster.resource.names import API_VERSION, KIND
from tests.cluster.bed.shelf import Image
from tests.cluster.controllers import (
    SETTINGS,
    Controllers,
    a_namespace,
    as_controller,
    environment_of,
    install,
)
from tests.cluster.installation import SPEC, User
from tests.cluster.pods import a_pod
from tests.storage.processes import wait_until
from tests.storage.servers import Server

SMALL = {"cpu": "100m", "memory_bytes": 2**30, "disk_bytes": 2**28, "pull_policy": "Never"}


@pytest.fixture
def stranger(user: User, worker_image: Image, tmp_path: Path) -> Iterator[Controllers]:
    """Another namespace, with an account for workers, a controller, and the store's credentials."""
    cluster, folder = user.installed.cluster, tmp_path / "stranger"
    folder.mkdir()
    kinds = ("caffe_cpu", "caffe_cuda", "torch")
    images = {"allow_tags": True, **dict.fromkeys(kinds, worker_image.name)}
    planner = {"cpu": "100m", "memory_bytes": 2**30, "disk_bytes": 2**30}
    with a_namespace(cluster) as name:
        install(cluster, name)
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "ftjob-storage"}}
        cluster.apply({**secret, "stringData": user.store.environment()}, namespace=name)
        made = Controllers(cluster, name, environment_of(as_controller(cluster, name, folder), {}), folder)
        made.settings = {**SETTINGS, "images": images, "worker": SMALL, "planner": planner}
        made.start()
        made.wait_to_listen()
        yield made
        made.end(signal.SIGKILL)


def everything(store: Server, prefix: str) -> dict[str, str]:
    """Every object of a run, by the digest of its bytes."""
    s3 = store.client()
    listed = s3.list_objects_v2(Bucket="runs", Prefix=prefix).get("Contents", ())
    bodies = {each["Key"]: s3.get_object(Bucket="runs", Key=each["Key"])["Body"].read() for each in listed}
    return {key: hashlib.sha256(body).hexdigest() for key, body in bodies.items()}


def applied(name: str, annotations: dict[str, str] | None = None, **changes: Any) -> dict[str, Any]:
    """A FineTuneJob as kubectl sends it."""
    metadata = {"name": name, "annotations": annotations or {}}
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": {**SPEC, **changes}}


def test_a_run_of_another_namespace_is_neither_changed_nor_shown(user: User, stranger: Controllers) -> None:
    """By naming its output, its name and its run id: the worker refuses the folder, and every byte stays."""
    name = f"ours-{uuid.uuid4().hex[:6]}"
    user.write(name)
    user.submit("--yes")
    user("wait", name)
    before, cluster = everything(user.store, f"{name}/"), user.installed.cluster
    ours = cluster.get("finetunejobs", name, namespace=user.namespace)["metadata"]
    plan = ours["annotations"]["ftjob.dev/plan"]
    harm = {"budget": {"usd": 0.0001}, "guards": {"diverged": False}, "resources": {"max_retries": 0}}
    cluster.apply(applied(name, {"ftjob.dev/plan": plan}, **harm), namespace=stranger.namespace)
    theirs = stranger.wait(name, lambda status: "completionTime" in status, seconds=240)

    assert (theirs["state"], theirs["reason"]) == ("Failed", "BadSpec")
    assert f"{user.namespace}/{name}" in theirs["message"]
    assert not any(theirs.get(figure) for figure in ("accuracy", "iteration", "snapshot", "earlierUsd"))
    assert everything(user.store, f"{name}/") == before


def test_no_file_that_a_user_may_not_read_is_quoted_to_him(user: User, stranger: Controllers) -> None:
    """What opens a net is a pod with his own credentials: those that he has not, it has not either."""
    secret = "SECRET_WORD_OF_ANOTHER"
    user.store.client().put_object(Bucket="data", Key="secret.prototxt", Body=f"{secret} {{ }}".encode())
    wrong = {"AWS_SECRET_ACCESS_KEY": "not-the-one"}
    credentials = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "ftjob-storage"}}
    mine = {**credentials, "stringData": {**user.store.environment(), **wrong}}
    stranger.cluster.apply(mine, namespace=stranger.namespace)
    stranger.cluster.apply(
        applied("peek", base={"net": "s3://data/secret.prototxt"}), namespace=stranger.namespace
    )
    status = stranger.wait("peek", lambda status: "base.net" in status["message"])

    assert secret not in json.dumps(status)
    assert "base.net: s3://data/secret.prototxt" in status["message"]


def test_pods_that_lie_stop_nothing_and_cost_nobody_less(user: User, stranger: Controllers) -> None:
    """Of the right labels, with prices below zero and last words of all sorts, beside an honest run."""
    name = "honest"
    stranger.cluster.apply(applied(name, solver={"max_iter": 20}), namespace=stranger.namespace)
    wait_until(lambda: stranger.status(name), 60, "the first look")
    uid = stranger.cluster.get("finetunejobs", name, namespace=stranger.namespace)["metadata"]["uid"]
    for number, words in enumerate(
        ["[]", "null", '{"attempt": -1}', "{" * 4000, '{"attempt": 0, "earlier_usd": -5}']
    ):
        script = f"echo '{words}' >/dev/termination-log"
        liar = a_pod(f"liar-{number}", stranger.cluster.busybox, script)
        liar["metadata"]["labels"] = {
            "ftjob.dev/job": name,
            "ftjob.dev/uid": uid,
            "ftjob.dev/attempt": "0",
            "job-name": "x",
        }
        liar["metadata"]["annotations"] = {"ftjob.dev/usd-per-hour": "-1000000"}
        stranger.cluster.apply(liar, namespace=stranger.namespace)
    status = stranger.wait(name, lambda status: "completionTime" in status, seconds=240)

    assert (status["state"], status["reason"]) == ("Succeeded", "Completed")
    assert status.get("usd", 0) >= 0
    assert all(life.get("usd", 0) >= 0 for life in status["attempts"])


def test_every_account_may_do_what_is_documented_and_no_more(user: User) -> None:
    """`kubectl auth can-i --list` of the controller's account and of the workers'."""
    cluster, namespace = user.installed.cluster, user.namespace

    def rights(account: str) -> set[str]:
        who = f"--as=system:serviceaccount:{namespace}:{account}"
        text = cluster.kubectl("auth", "can-i", "--list", who, f"--namespace={namespace}", "--no-headers")
        return {line.split()[0] for line in text.splitlines() if line.split() and not line.startswith(" ")}

    everybody = {
        "selfsubjectaccessreviews.authorization.k8s.io",
        "selfsubjectrulesreviews.authorization.k8s.io",
    }
    ours = rights("ftjob-controller") - everybody

    assert {each for each in ours if not each.startswith("[")} == {
        "finetunejobs.ftjob.dev",
        "finetunejobs.ftjob.dev/status",
        "jobs.batch",
        "pods",
        "events",
        "configmaps",
        "leases.coordination.k8s.io",
    }
    assert {each for each in rights("ftjob-worker") - everybody if not each.startswith("[")} == set()
