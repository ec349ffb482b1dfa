"""ftjob as it is installed: the controller from its image, in the cluster, and a worker that trains."""

import io
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


def test_a_run_goes_from_the_store_through_the_cluster_to_a_bundle(
    installed: Controllers, store: Server, tmp_path: Path
) -> None:
    """Dataset in the store, FineTuneJob by kubectl, planned, trained with real Caffe, its bundle written."""
    environment = {**store.environment(), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    build = ["data", "build", "s3://pictures", "s3://data/shades", "--size=32"]
    subprocess.run([sys.executable, "-m", "ftjob", *build], cwd=ROOT, env=environment, check=True)
    spec = {
        "base": {"net": "lenet"},
        "data": {
            "train": "s3://data/shades/train",
            "val": "s3://data/shades/val",
            "crop": 28,
            "batch_size": 8,
        },
        "solver": {"base_lr": 0.01, "max_iter": 20, "test_interval": 10, "snapshot": 10},
        "output": "s3://runs",
    }
    spec["data"]["scale"] = 1 / 256
    job = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": "shades"}, "spec": spec}
    installed.cluster.apply(job, namespace=NAMESPACE)

    status = installed.wait("shades", lambda status: "completionTime" in status, seconds=240)
    keys = {each["Key"] for each in store.client().list_objects_v2(Bucket="runs")["Contents"]}

    assert (status["state"], status["reason"]) == ("Succeeded", "Completed"), status
    assert (status["iteration"], status["attempt"]) == (20, 1)
    assert status["accuracy"] > 0.5
    run = f"shades/{status['runId']}"
    assert {f"{run}/status.json", f"{run}/logs/attempt-1.log", f"{run}/bundle/manifest.json"} <= keys
