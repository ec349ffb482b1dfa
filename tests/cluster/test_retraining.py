"""A model is kept current on a cluster: by builds elsewhere, and every night by a pod of the cluster."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from examples.digits.images import write_digits
from tests.ci.conftest import SCRIPT
from tests.ci.repository import ALIAS, BETTER, FEW, FROM_THE_FIRST, MANY, OTHERS, Repository, exchange_labels
from tests.cluster.bed.cluster import AnyCluster
from tests.cluster.bed.shelf import Image
from tests.cluster.controllers import ROOT, Controllers, install
from tests.cluster.installation import NODES, User
from tests.storage.processes import wait_until
from tests.storage.servers import Server

SAMPLES = ROOT / "k8s" / "samples"
DATASET = "s3://data/handwritten"
IN_THE_STORE = {"train": f"{DATASET}/train", "val": f"{DATASET}/val"}
NIGHTLY: dict[str, Any] = {
    "resources": ["retrain-access.yaml", "retrain-cronjob.yaml"],
    "configMapGenerator": [{"name": "ftjob-retrain", "files": ["retrain.sh", "spec.yaml"]}],
    "generatorOptions": {"disableNameSuffixHash": True},
}
"""A kustomization of the samples, with the ConfigMap that docs/ci.md has."""
CONTAINER = "/spec/jobTemplate/spec/template/spec/containers/0"
OF_THIS_CLUSTER = [
    {"op": "replace", "path": "/apiVersion", "value": "batch/v1beta1"},  # its API server is of 2020
    {"op": "replace", "path": "/spec/schedule", "value": "* * * * *"},
    {"op": "replace", "path": f"{CONTAINER}/env/0/value", "value": ALIAS},
]


def sample(folder: Path, namespace: str, image: Image | None = None) -> list[dict[str, Any]]:
    """Return what kustomize makes of the samples in a folder with a spec.yaml."""
    for path in (SCRIPT, *(SAMPLES / name for name in NIGHTLY["resources"])):
        shutil.copy(path, folder)
    name, _, tag = image.name.rpartition(":") if image else ("", "", "")
    ours = {"name": "ftjob.invalid/worker-caffe-cpu", "newName": name, "newTag": tag}
    patches = [{"target": {"kind": "CronJob"}, "patch": json.dumps(OF_THIS_CLUSTER)}]
    made = {**NIGHTLY, "namespace": namespace, "images": [ours] if image else [], "patches": patches}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(made))
    text = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True, check=True).stdout
    return list(yaml.safe_load_all(text))


@pytest.fixture
def repository(installed: tuple[Controllers, Server], tmp_path: Path, cache: Path) -> tuple[User, Repository]:
    """Somebody with a spec of data in the store, whose builds submit it to the cluster."""
    user = User(*installed, tmp_path, cache)
    (tmp_path / "nodes.yaml").write_text(NODES, encoding="utf-8")
    write_digits(tmp_path / "val", range(10), OTHERS)
    made = Repository(tmp_path, ("-n", user.namespace), user.environment)
    made.write(data=IN_THE_STORE, output="s3://runs")
    return user, made


def put_data(user: User) -> None:
    """Build the dataset in the store from the images as they are."""
    user("data", "build", "train", DATASET, "--val=val", "--size=32", "--grey")


def fine_tune_jobs(user: User) -> dict[str, dict[str, Any]]:
    """The FineTuneJobs of the builds: their status, by name."""
    items = user.installed.cluster.get("finetunejobs", namespace=user.namespace)["items"]
    jobs = {each["metadata"]["name"]: each.get("status", {}) for each in items}
    return {name: status for name, status in jobs.items() if name.startswith("digits-")}


def kill_controllers(user: User) -> None:
    """Kill both at once, the active one and its stand-by; their Deployment makes others."""
    words = ("--namespace", user.namespace, "--selector=app.kubernetes.io/component=controller")
    user.installed.cluster.kubectl("delete", "pods", *words, "--grace-period=0", "--force", "--wait=false")


@pytest.mark.torch  # not for training: where PyTorch is hidden, SciPy stumbles over the gap
@pytest.mark.timeout(900, func_only=True)
def test_a_model_is_kept_current(
    repository: tuple[User, Repository], worker_image: Image, tmp_path: Path
) -> None:
    """Two first builds at once are one run and one promotion, though the controllers are killed; unchanged,
    it costs nothing; at night, a pod trains on from the promoted model with more data; a worse one is red."""
    user, builds = repository
    write_digits(tmp_path / "train", range(10), FEW)
    put_data(user)
    begun = {name: builds.begin(name) for name in ("one", "other")}
    wait_until(lambda: any(each.get("attempts") for each in fine_tune_jobs(user).values()), 240, "an attempt")
    kill_controllers(user)
    at_once = [builds.finished(build, name) for name, build in begun.items()]
    first = at_once[0].outputs["run"]

    assert [(each.code, each.outputs["promoted"]) for each in at_once] == [(0, "true")] * 2, at_once
    assert {each.outputs["run"] for each in at_once} == {first}
    assert sorted(each.submitted["started"] for each in at_once) == [False, True]
    [trained] = fine_tune_jobs(user).values()
    assert (len(trained["attempts"]), trained["usd"] > 0) == (1, True)
    assert builds.promoted("s3://runs") == [first]

    again = builds.build()
    assert (again.code, again.outputs["run"], again.submitted["started"]) == (0, first, False), again.log
    [unchanged] = fine_tune_jobs(user).values()
    assert unchanged["usd"] == trained["usd"]
    assert builds.promoted("s3://runs") == [first]

    write_digits(tmp_path / "train", range(10), MANY)
    put_data(user)
    builds.write(base=FROM_THE_FIRST, accept=BETTER, data=IN_THE_STORE, output="s3://runs")
    second = promoted_by_night(user, builds, sample(tmp_path, user.namespace, worker_image))
    runs = builds.ftjob("lineage", f"alias:s3://runs/models/{ALIAS}")["runs"]
    assert [f"{each['name']}/{each['run_id']}" for each in runs] == [second, first]

    exchange_labels(tmp_path / "train")
    put_data(user)
    worse = builds.build()
    assert (worse.code, worse.outputs["promoted"]) == (11, "false"), worse.log
    assert f"worse than {second}" in worse.comment
    assert builds.promoted("s3://runs") == [first, second]
    assert len(fine_tune_jobs(user)) == 3


def promoted_by_night(user: User, builds: Repository, nightly: list[dict[str, Any]]) -> str:
    """Have the CronJob begin one Job and wait for its end; return the run that it promoted."""
    cluster, here = user.installed.cluster, f"--namespace={user.namespace}"
    before = builds.promoted("s3://runs")
    cluster.apply(*nightly, namespace=user.namespace)

    def night() -> dict[str, Any]:
        """The CronJob's Job; empty before there is one."""
        jobs = cluster.get("jobs", namespace=user.namespace)["items"]
        return next((each for each in jobs if each["metadata"]["name"].startswith("ftjob-retrain-")), {})

    wait_until(night, 120, "the CronJob's Job")
    cluster.kubectl("patch", "cronjob", "ftjob-retrain", here, '--patch={"spec": {"suspend": true}}')
    wait_until(lambda: "conditions" in night()["status"], 300, "the end of the nightly Job")
    log = cluster.kubectl("logs", f"job/{night()['metadata']['name']}", here)
    assert night()["status"]["conditions"][0]["type"] == "Complete", log
    [*earlier, newest] = builds.promoted("s3://runs")
    assert earlier == before
    return newest


def test_the_pipelines_account_may_submit_and_nothing_else(
    cluster: AnyCluster, namespace: str, tmp_path: Path
) -> None:
    """By the API server's word on the samples' account: in its namespace, and in no other."""
    install(cluster, namespace)
    (tmp_path / "spec.yaml").touch()
    access = [each for each in sample(tmp_path, namespace) if each["kind"] != "CronJob"]
    cluster.apply(*access, namespace=namespace)
    who = f"--as=system:serviceaccount:{namespace}:ftjob-retrain"

    def rights(there: str) -> dict[str, set[str]]:
        """What the account may do in a namespace, by resource, beyond what every account may."""
        text = cluster.kubectl("auth", "can-i", "--list", who, f"--namespace={there}", "--no-headers")
        rows = [line.split(maxsplit=1) for line in text.splitlines() if not line.startswith(" ")]
        verbs = {resource: set(rest.rpartition("[")[2].strip("]").split()) for resource, rest in rows}
        return {name: allowed for name, allowed in verbs.items() if not name.startswith("selfsubject")}

    assert rights(namespace) == {"finetunejobs.ftjob.dev": {"get", "list", "watch", "create", "patch"}}
    assert rights("default") == {}
