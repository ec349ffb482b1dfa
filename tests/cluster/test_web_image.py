"""k8s/overlays/ui and k8s/samples/serve.yaml in pods of their image, as kubectl applies them."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ftjob.cluster.resource.names import API_VERSION
from ftjob.web.bearer import ALIVE, MISSING
from tests.bundle.conftest import made as made
from tests.cluster.bed.cluster import Cluster, Manifest
from tests.cluster.bed.shelf import Image
from tests.cluster.callers import ask, crowd
from tests.cluster.controllers import ROOT, fine_tune
from tests.cluster.installation import fill
from tests.cluster.store import store_in
from tests.cluster.test_reviews import let_read, token_of
from tests.forked import client
from tests.hostile_runs import finished
from tests.storage.processes import wait_until
from tests.storage.servers import Server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600, func_only=True)]


@pytest.fixture(scope="module")
def store(needs_store: None, bed: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The store that both read, in the cluster's network."""
    with store_in(bed, tmp_path_factory.mktemp("store")) as server:
        fill(server)
        yield server


@pytest.fixture
def web(bed: Cluster, image: Callable[[str], Image], store: Server, namespace: str) -> Image:
    """The image, on the node, and the store's credentials where its pods look for them."""
    secret = {"metadata": {"name": "ftjob-storage"}, "stringData": store.environment()}
    bed.apply({"apiVersion": "v1", "kind": "Secret", **secret}, namespace=namespace)
    return image("web")


def put(server: Server, folder: Path, bucket: str, prefix: str) -> None:
    """Upload a folder."""
    for path in folder.rglob("*"):
        if path.is_file():
            key = f"{prefix}/{path.relative_to(folder).as_posix()}"
            server.client().put_object(Bucket=bucket, Key=key, Body=path.read_bytes())


def addresses(bed: Cluster, namespace: str, service: str) -> list[str]:
    """Return HOST:PORT of the pods that are ready behind a Service; the bed has no kube-proxy."""
    words = ("get", "endpoints", service, f"--namespace={namespace}", "--output=json")
    subsets = json.loads(bed.kubectl(*words)).get("subsets", [])
    return [
        f"{each['ip']}:{subset['ports'][0]['port']}"
        for subset in subsets
        for each in subset.get("addresses", [])
    ]


def ready(bed: Cluster, namespace: str, name: str) -> str:
    """Wait for a Deployment's one pod, and return its address behind the Service of the same name."""
    wait = ("wait", f"--namespace={namespace}", "--for=condition=Available", "--timeout=180s")
    try:
        bed.kubectl(*wait, f"deployment/{name}")
    except RuntimeError as error:
        log = bed.kubectl("logs", f"deployment/{name}", f"--namespace={namespace}", check=False)
        raise AssertionError(f"{error}\n{log}") from None
    wait_until(lambda: addresses(bed, namespace, name), 30, "the Service finds the pod")
    [address] = addresses(bed, namespace, name)
    return address


@pytest.fixture
def pages(bed: Cluster, web: Image, namespace: str, tmp_path: Path) -> Iterator[str]:
    """The address of k8s/overlays/ui, copied and changed as its first lines have it."""
    shutil.copytree(ROOT / "k8s" / "overlays" / "ui", tmp_path / "overlay")
    path = tmp_path / "overlay" / "kustomization.yaml"
    ours = yaml.safe_load(path.read_text(encoding="utf-8"))
    [named] = ours["images"]
    name, tag = web.name.rsplit(":", 1)
    ours |= {"namespace": namespace, "nameSuffix": f"-{namespace}"}
    ours["images"] = [{"name": named["name"], "newName": name, "newTag": tag}]
    path.write_text(yaml.safe_dump(ours), encoding="utf-8")
    bed.kubectl("apply", f"--filename={ROOT / 'k8s' / 'base' / 'crd.yaml'}")
    bed.kubectl("apply", f"--kustomize={path.parent}")
    yield ready(bed, namespace, f"ftjob-ui-{namespace}")
    bed.kubectl("delete", f"--kustomize={path.parent}", "--wait=false")


def have_run(bed: Cluster, namespace: str, store: Server, folder: Path) -> str:
    """Have a FineTuneJob that succeeded, with its folder in the store; return its id."""
    root = finished(folder).root
    put(store, root, "runs", f"emotions/{root.name}")
    bed.apply(fine_tune("emotions"), namespace=namespace)
    status = {
        "state": "Succeeded",
        "reason": "Completed",
        "runId": root.name,
        "observedGeneration": 1,
        "folder": f"s3://runs/emotions/{root.name}",
        "iteration": 4000,
        "maxIter": 4000,
        "accuracy": 0.75,
        "usd": 0.5,
    }
    there = {**bed.get("finetunejobs", "emotions", namespace=namespace), "status": status}
    path = f"/apis/{API_VERSION}/namespaces/{namespace}/finetunejobs/emotions/status"
    bed.kubectl("replace", "--raw", path, "--filename=-", stdin=json.dumps(there))
    return root.name


def test_the_pages_show_a_namespaces_runs_to_whom_the_cluster_lets(
    bed: Cluster, pages: str, namespace: str, store: Server, tmp_path: Path, cache: Path
) -> None:
    """By their bearer tokens: none, a wrong one, one without the right, and one with it, which opens every
    page of a run; what is not in the FineTuneJob comes from its folder in the store."""
    run = f"/runs/emotions/{have_run(bed, namespace, store, tmp_path / 'made')}"
    reader, stranger = (token_of(bed, namespace, name) for name in ("reader", "stranger"))
    let_read(bed, namespace, "reader")

    refused = ask(
        bed,
        pages,
        (ALIVE, {}),
        ("/", {}),
        ("/", {"Authorization": "Bearer nobody"}),
        ("/", {"Authorization": f"Bearer {stranger}"}),
    )
    paths = ("/", run, f"{run}/log", f"{run}/log.txt", f"{run}/report.html", "/static/plotly.min.js")
    shown = ask(bed, pages, *((path, {"Authorization": f"Bearer {reader}"}) for path in paths))

    assert [status for status, _ in refused] == [200, 401, 401, 403], refused
    assert refused[1][1].strip() == MISSING
    assert f"stranger may not get finetunejobs in namespace {namespace}" in refused[3][1]
    texts = dict(zip(paths, (text for _, text in shown), strict=True))
    assert [status for status, _ in shown] == [200] * len(paths), texts
    assert "emotions" in texts["/"]
    assert "4000/4000" in texts["/"]
    assert "$0.50" in texts[run]
    for path in paths[2:4]:
        assert "attempt 2 begins" in texts[path]


@pytest.fixture
def answers(bed: Cluster, web: Image, made: Path, store: Server, namespace: str) -> str:
    """The address of k8s/samples/serve.yaml, its bundle where it looks for it, on this bed's old Kubernetes:
    1.20 has neither preStop's sleep nor policy/v1."""
    text = (ROOT / "k8s" / "samples" / "serve.yaml").read_text(encoding="utf-8")
    sample: list[Manifest] = list(yaml.safe_load_all(text))
    deployment, _, budget = sample
    for each in sample:
        each["metadata"]["namespace"] = namespace
    budget["apiVersion"] = "policy/v1beta1"
    deployment["spec"]["replicas"] = 1
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    container["image"] = web.name
    container["resources"]["requests"]["cpu"] = "100m"
    stop = container["lifecycle"]["preStop"]
    stop["exec"] = {"command": ["sleep", str(stop.pop("sleep")["seconds"])]}
    bucket, _, prefix = container["args"][1].removeprefix("s3://").partition("/")
    store.client().create_bucket(Bucket=bucket)
    put(store, made, bucket, prefix)
    bed.apply(*sample, namespace=namespace)
    return ready(bed, namespace, "ftjob-serve")


@pytest.mark.torch  # not for computing: its bundle is of the demo's digits
def test_a_served_bundle_answers_as_classify_and_its_pod_goes_without_a_loss(
    bed: Cluster, answers: str, made: Path, namespace: str, tmp_path: Path, cache: Path
) -> None:
    """A crowd that asks on and on is answered until nobody can connect any more, and the Service has left the
    pod out before that."""
    picture = made / "golden" / "00.png"
    words = ("classify", str(made), str(picture), "--engine=onnx", "-o", "json")
    classified = client.run([*client.FTJOB, *words], tmp_path)
    [expected] = json.loads(classified.stdout)["answers"]

    with crowd(bed, answers, "/classify", picture) as running:
        assert running.stdout is not None
        answer = json.loads(running.stdout.readline())
        bed.kubectl("scale", "deployment/ftjob-serve", "--replicas=0", f"--namespace={namespace}")
        wait_until(lambda: not addresses(bed, namespace, "ftjob-serve"), 30, "the Service knows no pod")
        went_on = running.poll() is None
        result: dict[str, Any] = json.loads(running.stdout.readline())

    assert answer["answers"][0]["classes"] == expected["classes"]
    assert went_on
    assert result["lost"] == []
    assert set(result["answers"]) == {"200"}
    assert result["answers"]["200"] > 10
