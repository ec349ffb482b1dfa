"""ftjob as it is installed: the controller from its image, in the cluster, and a worker that trains."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image as Picture

from ftjob.cluster.names import API_VERSION, KIND
from tests.cluster.bed.cluster import Cluster
from tests.cluster.bed.images import Image
from tests.cluster.controllers import ROOT, Controllers
from tests.cluster.store import store_in
from tests.storage.processes import wait_until
from tests.storage.servers import Server

NAMESPACE = "ftjob"


@pytest.fixture(scope="module")
def store(bed: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A store with a dataset of three shades of grey."""
    with store_in(bed, tmp_path_factory.mktemp("store")) as server:
        s3 = server.client()
        for bucket in ("pictures", "data", "runs"):
            s3.create_bucket(Bucket=bucket)
        for key, content in shades():
            s3.put_object(Bucket="pictures", Key=key, Body=content)
        yield server


def shades() -> Iterator[tuple[str, bytes]]:
    """Pictures of three classes that a small net tells apart at once."""
    rng = np.random.default_rng(1)
    for label in range(3):
        for number in range(12):
            noise = rng.integers(0, 30, (32, 32, 3), np.uint8)
            file = io.BytesIO()
            Picture.fromarray(np.full((32, 32, 3), 60 + 60 * label, np.uint8) + noise).save(file, "PNG")
            yield f"class{label}/{number}.png", file.getvalue()


def manifests(server: Server, controller: Image, worker: Image) -> list[dict[str, Any]]:
    """What `kubectl apply -k` sends, with these images, this store, and one namespace to look at."""
    command = ["kubectl", "kustomize", "k8s/overlays/local-test"]
    text = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    made = list(yaml.safe_load_all(text))
    for each in made:
        if each["kind"] == "Deployment":
            [container] = each["spec"]["template"]["spec"]["containers"]
            container["image"] = controller.name
            container["args"] += [f"--namespace={NAMESPACE}"]
        if "controller-config.yaml" in each.get("data", {}):
            settings = yaml.safe_load(each["data"]["controller-config.yaml"])
            settings["images"] = dict.fromkeys(settings["images"], worker.name)
            each["data"]["controller-config.yaml"] = yaml.safe_dump(settings)
    secret = {
        "metadata": {"name": "ftjob-storage", "namespace": NAMESPACE},
        "stringData": server.environment(),
    }
    return [*made, {"apiVersion": "v1", "kind": "Secret", **secret}]


@pytest.fixture(scope="module")
def installed(
    bed: Cluster, image: Callable[[str], Image], store: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Controllers]:
    """ftjob, installed."""
    made = manifests(store, image("controller"), image("worker-caffe-cpu"))
    kinds = ("Namespace", "CustomResourceDefinition")
    bed.apply(*(each for each in made if each["kind"] in kinds))
    bed.apply(*(each for each in made if each["kind"] not in kinds), namespace=NAMESPACE)
    wait = ("wait", f"--namespace={NAMESPACE}", "--for=condition=Available", "--timeout=120s")
    bed.kubectl(*wait, "deployment/ftjob-controller")
    yield Controllers(bed, NAMESPACE, {}, tmp_path_factory.mktemp("installed"))
    bed.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


SPEC: dict[str, Any] = {
    "base": {"net": "lenet"},
    "data": {
        "train": "s3://data/shades/train",
        "val": "s3://data/shades/val",
        "crop": 28,
        "batch_size": 8,
        "scale": 1 / 256,
    },
    "solver": {"base_lr": 0.01, "max_iter": 20, "test_interval": 10, "snapshot": 10},
    "output": "s3://runs",
}


@pytest.fixture
def user(installed: Controllers, store: Server, tmp_path: Path, cache: Path) -> Callable[..., str]:
    """Somebody at a terminal: call ftjob there, `code` being what it must exit with; returns its output."""
    environment = {
        **store.environment(),
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "KUBECONFIG": str(installed.cluster.kubeconfig),
        "FTJOB_CACHE": str(cache),
    }

    def ftjob(*words: str, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "ftjob", *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    ftjob("data", "build", "s3://pictures", "s3://data/shades", "--size=32")
    return ftjob


def test_a_run_goes_from_the_store_through_the_cluster_to_a_bundle(
    installed: Controllers, store: Server, user: Callable[..., str]
) -> None:
    """Dataset in the store, FineTuneJob by kubectl, planned, trained with real Caffe, its bundle written."""
    job = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": "shades"}, "spec": SPEC}
    installed.cluster.apply(job, namespace=NAMESPACE)

    status = installed.wait("shades", lambda status: "completionTime" in status, seconds=240)
    keys = {each["Key"] for each in store.client().list_objects_v2(Bucket="runs")["Contents"]}

    assert (status["state"], status["reason"]) == ("Succeeded", "Completed"), status
    assert (status["iteration"], status["attempt"]) == (20, 1)
    assert status["accuracy"] > 0.5
    run = f"shades/{status['runId']}"
    assert {f"{run}/status.json", f"{run}/logs/attempt-1.log", f"{run}/bundle/manifest.json"} <= keys


def test_the_command_line_takes_a_run_through_the_cluster(user: Callable[..., str], tmp_path: Path) -> None:
    """submit, its log, where it stands, the bundle and its proof; the same again starts nothing."""
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump({"name": "by-hand", **SPEC}), encoding="utf-8")

    told = user("submit", "spec.yaml", "-n", NAMESPACE, "--wait")
    status = json.loads(user("status", "by-hand", "-o", "json"))
    again = json.loads(user("submit", "spec.yaml", "-n", NAMESPACE, "-o", "json"))

    assert "Succeeded 20/20" in told
    assert (status["state"], status["exit_code"], status["iteration"]) == ("Succeeded", 0, 20)
    assert not again["started"]
    assert "bundling iteration" in user("logs", "by-hand")
    assert "by-hand" in user("ls", "-n", NAMESPACE)
    user("get", "by-hand", "bundle")
    assert json.loads(user("verify", "bundle", "-o", "json"))["ok"]


def test_a_run_on_the_cluster_is_cancelled_with_a_snapshot_and_goes_on(
    user: Callable[..., str], store: Server, tmp_path: Path
) -> None:
    """cancel is graceful, wait tells it by its exit code, and retry takes it up where it was."""
    slow = {**SPEC, "solver": {**SPEC["solver"], "max_iter": 4000, "test_interval": 2000, "snapshot": 2000}}
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump({"name": "slow", **slow}), encoding="utf-8")
    user("submit", "spec.yaml", "-n", NAMESPACE)
    wait_until(lambda: json.loads(user("status", "slow", "-o", "json"))["iteration"] > 0, 240, "an iteration")

    user("cancel", "slow")
    user("wait", "slow", code=10)
    stopped = json.loads(user("status", "slow", "-o", "json"))
    kept = store.client().list_objects_v2(Bucket="runs", Prefix="slow/")["Contents"]
    user("retry", "slow")
    user("wait", "slow")
    done = json.loads(user("status", "slow", "-o", "json"))

    assert (stopped["state"], stopped["reason"]) == ("Stopped", "Cancelled")
    assert 0 < stopped["snapshot"] < 4000
    assert any(each["Key"].endswith(f"/iter_{stopped['snapshot']}.json") for each in kept)
    assert (done["state"], done["iteration"], done["attempt"]) == ("Succeeded", 4000, 2)
