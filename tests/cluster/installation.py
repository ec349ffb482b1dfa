"""ftjob as it is installed on a cluster: from its manifests and images, with a store and a user."""

import io
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image as Picture

from examples.digits import demo, recipe
from examples.digits.images import write_digits
from examples.digits.net import build
from ftjob.engine import threads
from ftjob.net.prototxt import to_text
from tests.cluster.bed.cluster import Cluster
from tests.cluster.bed.shelf import Image
from tests.cluster.controllers import ROOT, Controllers
from tests.forked import client
from tests.storage.servers import Server

USD_PER_HOUR = 0.72
"""The made-up price of the one node there is."""
_BUILT_IN = yaml.safe_load((ROOT / "ftjob" / "nodes" / "nodes.yaml").read_text(encoding="utf-8"))
NODES = yaml.safe_dump({"local": {**_BUILT_IN["local"], "price": {"on_demand": USD_PER_HOUR}}})
"""What its user's nodes file says of it."""
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


def shades() -> Iterator[tuple[str, bytes]]:
    """Pictures of three classes that a small net tells apart at once."""
    rng = np.random.default_rng(1)
    for label in range(3):
        for number in range(12):
            noise = rng.integers(0, 30, (32, 32, 3), np.uint8)
            file = io.BytesIO()
            Picture.fromarray(np.full((32, 32, 3), 60 + 60 * label, np.uint8) + noise).save(file, "PNG")
            yield f"class{label}/{number}.png", file.getvalue()


def fill(server: Server) -> None:
    """Put the pictures into a store, and make room for what comes of them."""
    s3 = server.client()
    for bucket in ("pictures", "data", "runs"):
        s3.create_bucket(Bucket=bucket)
    for key, content in shades():
        s3.put_object(Bucket="pictures", Key=key, Body=content)


def manifests(namespace: str, server: Server, controller: Image, worker: Image) -> list[dict[str, Any]]:
    """What `kubectl apply -k` sends, for a namespace of its own, with these images, this store, a price."""
    command = ["kubectl", "kustomize", "k8s/overlays/local-test"]
    text = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    made = list(yaml.safe_load_all(text.replace("namespace: ftjob\n", f"namespace: {namespace}\n")))
    for each in made:
        settings = each.get("data", {})
        if each["kind"] == "Namespace":
            each["metadata"]["name"] = namespace
        if each["kind"] == "ClusterRoleBinding":
            each["metadata"]["name"] += f"-{namespace}"
        if each["kind"] == "Deployment":
            [container] = each["spec"]["template"]["spec"]["containers"]
            container["image"] = controller.name
            container["args"] += [f"--namespace={namespace}"]
        if name := next((name for name in settings if name == "controller-config.yaml"), None):
            wanted = yaml.safe_load(settings[name])
            wanted["images"] |= dict.fromkeys(("caffe_cpu", "caffe_cuda", "torch"), worker.name)
            # Other tests need the processors, and Caffe gains nothing by more threads for nets so small.
            wanted.setdefault("worker", {}).setdefault("env", {})[threads.GENERAL] = "1"
            settings[name] = yaml.safe_dump(wanted)
        if name := next((name for name in settings if name == "nodes.yaml"), None):
            nodes = yaml.safe_load(settings[name])
            nodes["local"]["price"] = {"on_demand": USD_PER_HOUR}
            settings[name] = yaml.safe_dump(nodes)
    secret = {
        "metadata": {"name": "ftjob-storage", "namespace": namespace},
        "stringData": server.environment(),
    }
    return [*made, {"apiVersion": "v1", "kind": "Secret", **secret}]


def install(bed: Cluster, made: list[dict[str, Any]], namespace: str, folder: Path) -> Controllers:
    """Apply the manifests, and return when a controller is at work."""
    kinds = ("Namespace", "CustomResourceDefinition")
    bed.apply(*(each for each in made if each["kind"] in kinds))
    bed.apply(*(each for each in made if each["kind"] not in kinds), namespace=namespace)
    wait = ("wait", f"--namespace={namespace}", "--for=condition=Available", "--timeout=120s")
    bed.kubectl(*wait, "deployment/ftjob-controller")
    return Controllers(bed, namespace, {}, folder)


@dataclass(frozen=True)
class User:
    """Somebody at a terminal, with the store's credentials, a kubeconfig and a folder."""

    installed: Controllers
    store: Server
    folder: Path
    cache: Path

    @property
    def namespace(self) -> str:
        return self.installed.namespace

    @property
    def environment(self) -> dict[str, str]:
        """What ftjob finds in its environment."""
        return {
            **self.store.environment(),
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "KUBECONFIG": str(self.installed.cluster.kubeconfig),
            "FTJOB_CACHE": str(self.cache),
            "FTJOB_NODES": str(self.folder / "nodes.yaml"),
            "PYTHONPATH": str(ROOT),
        }

    def __call__(self, *words: str, code: int = 0) -> str:
        """Call ftjob, which must exit with `code`; return its output, and its stderr after a failure."""
        done = client.run([*client.FTJOB, *words], self.folder, self.environment)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + (done.stderr if code else "")

    def json(self, *words: str, code: int = 0) -> Any:
        """Call ftjob, which must exit with `code`, and return what it prints as JSON."""
        return json.JSONDecoder().raw_decode(self(*words, "-o", "json", code=code))[0]

    def status(self, name: str) -> dict[str, Any]:
        """Return a run's status."""
        return dict(self.json("status", name))

    def run_status(self, name: str) -> dict[str, Any]:
        """Return what a run's worker reports of itself; nothing before its first report."""
        found = sorted(key for key in self.keys(f"{name}/") if key.endswith("/status.json"))
        if not found:
            return {}
        return dict(json.load(self.store.client().get_object(Bucket="runs", Key=found[0])["Body"]))

    def text(self, key: str) -> str:
        """Return a text in the store of runs."""
        return str(self.store.client().get_object(Bucket="runs", Key=key)["Body"].read().decode())

    def write(self, name: str, **changes: dict[str, Any] | list[dict[str, Any]]) -> None:
        """Write spec.yaml: the small run, with some sections changed."""
        self._write({"name": name, **SPEC}, changes)

    def write_demo(self, name: str, **changes: dict[str, Any]) -> None:
        """Put the demo's net and its digits 0 to 5 into the store, and write the spec with which the demo
        learns them, some sections changed."""
        write_digits(self.folder / "first", demo.FIRST, slice(None))
        self("data", "build", "first", "s3://data/digits", "--val-split", "0.2", "--size", "32", "--grey")
        net = to_text(build()).encode()
        self.store.client().put_object(Bucket="data", Key="digits.prototxt", Body=net)
        settings = {"weights": "", "freeze": "none", "batch_size": 32, "base_lr": 0.02, "head_lr_mult": 1}
        places = {"train": "s3://data/digits/train", "val": "val: s3://data/digits/val"}
        spec = yaml.safe_load(demo.SPEC.format(name=name, max_iter=200, **settings, **places))
        spec |= {"base": {"net": "s3://data/digits.prototxt"}, "output": "s3://runs"}
        self._write(spec, changes)

    def write_recipe(self, name: str) -> None:
        """Put the net and the two training sets of the digits' recipe into the store, and write its spec."""
        spec = yaml.safe_load(recipe.write_recipe(self.folder).read_text(encoding="utf-8"))
        for part in ("few", "many"):
            kept = ("--val", "judges", "--size", "32", "--grey")
            self("data", "build", part, f"s3://data/{name}-{part}", *kept)
        net = (self.folder / "net.prototxt").read_bytes()
        self.store.client().put_object(Bucket="data", Key=f"{name}.prototxt", Body=net)
        spec |= {"name": name, "base": {"net": f"s3://data/{name}.prototxt"}, "output": "s3://runs"}
        spec["data"] |= {"train": f"s3://data/{name}-few/train", "val": f"s3://data/{name}-few/val"}
        spec["stages"][1]["data"]["train"] = f"s3://data/{name}-many/train"
        del spec["data"]["resize"]
        self._write(spec, {})

    def _write(
        self, spec: dict[str, Any], changes: Mapping[str, dict[str, Any] | list[dict[str, Any]]]
    ) -> None:
        for section, change in changes.items():
            spec[section] = {**spec.get(section, {}), **change} if isinstance(change, dict) else change
        (self.folder / "spec.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")

    def submit(self, *words: str) -> str:
        """Submit spec.yaml to the cluster."""
        return self("submit", "spec.yaml", "-n", self.namespace, *words)

    def keys(self, prefix: str) -> set[str]:
        """Return the keys in the store of runs."""
        listed = self.store.client().list_objects_v2(Bucket="runs", Prefix=prefix)
        return {each["Key"] for each in listed.get("Contents", ())}
