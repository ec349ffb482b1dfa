"""Controllers as processes on this machine, with the rights that k8s/ gives them and no others."""

import base64
import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml
from prometheus_client.parser import text_string_to_metric_families

from ftjob.cluster.resource.figures import annotation_of
from ftjob.cluster.resource.names import ANNOTATION_PLAN, API_VERSION, GROUP, KIND, PLURAL
from ftjob.cluster.resource.request import identity_of
from ftjob.cluster.resource.status import Figures
from jobspec import SpecError, parse_spec
from tests.cluster.bed.cluster import AnyCluster, Cluster, Manifest
from tests.cluster.standin import IMAGE
from tests.forked import client
from tests.storage.processes import wait_until
from tests.storage.servers import Server

ROOT = Path(__file__).parents[2]
RUN_ID = "1f3b9c02aa"
ACCOUNT = "ftjob-controller"
SETTINGS = {
    "images": {"caffe_cpu": IMAGE, "caffe_cuda": IMAGE, "torch": IMAGE, "allow_tags": True},
    "worker": {"pull_policy": "Never", "cpu": "10m", "memory_bytes": 2**25, "disk_bytes": 2**20},
    "planner": {"cpu": "10m", "memory_bytes": 2**28, "disk_bytes": 2**28},
    "poll_seconds": 1,
    "progress_seconds": 2,
    "backoff_seconds": 1,
    "min_attempt_seconds": 5,
    "lease_seconds": 3,
}


@dataclass
class Controllers:
    """Controllers, which may be killed and started, and the jobs they look after in one namespace."""

    cluster: AnyCluster
    namespace: str
    environment: dict[str, str]
    folder: Path
    port: int = 0
    everywhere: bool = False
    """Whether they look after all namespaces, as installed controllers do."""
    settings: Manifest = field(default_factory=lambda: dict(SETTINGS))
    running: list["client.Forked | subprocess.Popen[bytes]"] = field(default_factory=list)

    def start(self) -> "client.Forked | subprocess.Popen[bytes]":
        """Start one more."""
        settings = self.folder / "settings.yaml"
        settings.write_text(yaml.safe_dump(self.settings))
        words = ["controller", f"--config={settings}", f"--port={self.port}", "--address=127.0.0.1"]
        where = [f"--lease-namespace={self.namespace}"]
        if not self.everywhere:
            where.append(f"--namespace={self.namespace}")
        with (self.folder / "log").open("ab") as log:
            process = client.popen(
                [*client.FTJOB, *words, *where],
                env=self.environment,
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )
        self.running.append(process)
        return process

    def end(self, how: signal.Signals = signal.SIGTERM) -> list[int]:
        """End all of them; return their exit codes."""
        for process in self.running:
            process.send_signal(how)
        codes = [process.wait(30) for process in self.running]
        self.running.clear()
        return codes

    def log(self) -> list[dict[str, Any]]:
        """What they have logged."""
        text = (self.folder / "log").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    def wait_to_listen(self) -> None:
        """Return when a controller has heard of everything."""
        deadline = time.monotonic() + 60
        while not any(line["message"] == "listening" for line in self.log()):
            assert time.monotonic() < deadline, "no controller is listening after 60 s"
            time.sleep(0.1)

    def page(self, name: str) -> str:
        """What the controller serves on `port`."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{name}", timeout=60) as answer:
            return str(answer.read().decode())

    def metric(self, name: str, **labels: str) -> float:
        """One figure of its metrics, as Prometheus' own parser reads it; 0 where there is none."""
        families = text_string_to_metric_families(self.page("metrics"))
        samples = [sample for family in families for sample in family.samples]
        return sum(each.value for each in samples if (each.name, each.labels) == (name, labels))

    def submit(self, name: str, **changes: Any) -> None:
        """Apply a FineTuneJob that is planned already."""
        self.cluster.apply(fine_tune(name, **changes), namespace=self.namespace)

    def patch(self, name: str, change: Manifest) -> None:
        """Change a FineTuneJob as its user may."""
        words = ("patch", "ftj", name, f"--namespace={self.namespace}", "--type=merge")
        self.cluster.kubectl(*words, f"--patch={json.dumps(change)}")

    def status(self, name: str) -> dict[str, Any]:
        return dict(self.cluster.get("finetunejobs", name, namespace=self.namespace).get("status") or {})

    def wait(self, name: str, until: Callable[[dict[str, Any]], bool], seconds: float = 90) -> dict[str, Any]:
        """Return the status that is waited for."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            status = self.status(name)
            if status and until(status):
                return status
            time.sleep(0.2)
        raise AssertionError(f"{name} after {seconds:g} s: {status}\n{self.log()[-20:]}")

    def wait_for(self, name: str, *words: str, seconds: float = 90) -> dict[str, Any]:
        """Return the status once its state, or state and reason, is this."""
        return self.wait(
            name, lambda status: [status["state"], status["reason"]][: len(words)] == [*words], seconds
        )

    def names(self, kind: str) -> set[str]:
        items = self.cluster.get(kind, namespace=self.namespace)["items"]
        return {item["metadata"]["name"] for item in items}


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def fine_tune(name: str, *, planned: bool = True, seconds: float = 0.0, **changes: Any) -> Manifest:
    """A FineTuneJob on no particular node, planned to take some seconds; sections are laid over."""
    size = {"snapshot_bytes": 1000, "memory_bytes": 2**20, "data_bytes": 1000}
    figures = Figures(run_id=RUN_ID, seconds=seconds, **size)
    spec = {
        "base": {"net": "lenet"},
        "data": {"train": "s3://data/train", "val": "s3://data/val"},
        "output": "s3://runs",
        **changes,
    }
    annotations = {}
    with suppress(SpecError):  # one that is wrong has no plan
        identity = identity_of(parse_spec(json.dumps({"name": name, **spec}), "object"))
        annotations = {ANNOTATION_PLAN: annotation_of(figures, identity)} if planned else {}
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": name, "annotations": annotations},
        "spec": spec,
    }


@contextmanager
def a_namespace(cluster: AnyCluster) -> Iterator[str]:
    """Have a namespace, with its default service account, for a while."""
    name = f"test-{uuid.uuid4().hex[:10]}"
    cluster.kubectl("create", "namespace", name)
    while not cluster.kubectl("get", "secrets", "-n", name, "-oname", check=False):
        time.sleep(0.1)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


def is_established(cluster: AnyCluster) -> bool:
    """Whether FineTuneJobs are served. `kubectl wait` and jsonpath fail until there are conditions."""
    status = cluster.get("definitions", f"{PLURAL}.{GROUP}").get("status", {})
    conditions = {each["type"]: each["status"] for each in status.get("conditions") or []}
    return conditions.get("Established") == "True"


def install(cluster: AnyCluster, namespace: str, *, everywhere: bool = False) -> None:
    """Give the cluster the definition, and a namespace what k8s/ gives its own: accounts and rights.

    The controller's right to jobs holds for that namespace alone, unless it shall work `everywhere`.
    """
    base = ROOT / "k8s" / "base"
    cluster.kubectl("apply", f"--filename={base / 'crd.yaml'}")
    wait_until(lambda: is_established(cluster), 60, "the definition is established")
    rights = list(yaml.safe_load_all((base / "rbac.yaml").read_text(encoding="utf-8")))
    cluster.apply(*(each for each in rights if each["kind"] == "ClusterRole"))
    ours = [each for each in rights if each["kind"] in ("ServiceAccount", "Role", "RoleBinding")]
    [binding] = [each for each in rights if each["kind"] == "ClusterRoleBinding"]
    if not everywhere:
        binding = {**binding, "kind": "RoleBinding", "metadata": {"name": "ftjob-jobs"}}
    worker = yaml.safe_load((base / "worker.yaml").read_text(encoding="utf-8"))
    made = json.loads(json.dumps([*ours, binding, worker]))
    for each in made:
        each["metadata"].pop("namespace", None)
        for subject in each.get("subjects", []):
            subject["namespace"] = namespace
    cluster.apply(*made, namespace=namespace)


def installed(
    cluster: Cluster, namespace: str, server: Server, folder: Path, *, everywhere: bool = False
) -> Controllers:
    """Install what k8s/ has into a namespace, and have a bucket for the runs."""
    install(cluster, namespace, everywhere=everywhere)
    s3 = server.client()
    if "runs" not in {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}:
        s3.create_bucket(Bucket="runs")
    seen = as_controller(cluster, namespace, folder)
    return Controllers(cluster, namespace, environment_of(seen, {}), folder, everywhere=everywhere)


def as_controller(cluster: AnyCluster, namespace: str, folder: Path) -> AnyCluster:
    """Return the cluster as the controller's service account sees it."""
    while not (names := _secrets(cluster, namespace)):
        time.sleep(0.1)
    secret = cluster.get("secrets", names[0], namespace=namespace)
    config = json.loads(cluster.kubectl("config", "view", "--raw", "--minify", "--output=json"))
    config["users"][0]["user"] = {"token": base64.b64decode(secret["data"]["token"]).decode()}
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config))
    return replace(cluster, kubeconfig=path)


def _secrets(cluster: AnyCluster, namespace: str) -> list[str]:
    account = cluster.get("serviceaccounts", ACCOUNT, namespace=namespace)
    return [each["name"] for each in account.get("secrets", [])]


def environment_of(cluster: AnyCluster, more: dict[str, str]) -> dict[str, str]:
    """What a controller on this machine finds in its environment."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {**kept, "KUBECONFIG": str(cluster.kubeconfig), **more}


def reasons(status: dict[str, Any]) -> list[str]:
    """How every attempt ended; empty for the one that is under way."""
    return [life.get("reason", "") for life in status["attempts"]]
