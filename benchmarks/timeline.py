"""Where a small run on a cluster spends its time, from `ftjob submit` to its end: the images' own programs.

On a cluster of the test bed: ftjob installed as `kubectl apply -k` does it, from images built here; net,
dataset and runs in an S3 store inside the cluster's network; real Caffe trains the demo's net for 200
iterations on 867 digits, as the demo's first spec says. What happens is heard by watches in this process and
read from the run's metrics: all is on one machine, and so by one clock. The figure of a moment is its median
over $ROUNDS (3) runs.
"""

import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from threading import Thread
from typing import Any

from urllib3.exceptions import HTTPError

from benchmarks.controller.server import FINE_TUNES, Object, Server
from ftjob.cluster.resource.names import LABEL_JOB
from ftjob.cluster.resource.objects import read_pod
from ftjob.concurrency import processors
from tests.cluster.bed.images import build_image, open_store
from tests.cluster.bed.session import attach
from tests.cluster.installation import NODES, User, fill, install, manifests
from tests.cluster.store import store_in

ROUNDS = int(os.environ.get("ROUNDS", "3"))
BED = os.environ.get("BED", "bench")
NAMESPACE = "timeline"
LONGEST = 300.0
MOMENTS = {
    "object": "the FineTuneJob is made: its plan was made on the user's machine",
    "job": "the controller has made the Job",
    "scheduled": "the pod has its node",
    "running": "the worker's container runs",
    "tested": "data fetched, Caffe started, the first test is done",
    "iteration": "the first iteration is done",
    "ended": "trained, evaluated, bundle in the store, pod done",
    "succeeded": "state Succeeded",
}


class Story:
    """When what happened to one run, in seconds since 1970; the first news of each counts."""

    def __init__(self, server: Server, name: str) -> None:
        self.name, self.at = name, dict[str, float]()
        chosen = f"?labelSelector={LABEL_JOB}={name}"
        collections = {
            FINE_TUNES.format(NAMESPACE): self._fine_tune,
            f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs{chosen}": self._job,
            f"/api/v1/namespaces/{NAMESPACE}/pods{chosen}": self._pod,
        }
        for path, hear in collections.items():
            Thread(target=self._listen, args=(server, path, hear), daemon=True).start()

    def wait(self) -> None:
        """Return when the run has ended."""
        deadline = time.time() + LONGEST
        while "succeeded" not in self.at:
            if time.time() > deadline:
                raise RuntimeError(f"{self.name} did not end in {LONGEST:.0f} s: {self.at}")
            time.sleep(0.05)

    def _listen(self, server: Server, path: str, hear: Any) -> None:
        try:
            for _, item in server.watch(path):
                hear(item)
        except HTTPError:
            if "succeeded" not in self.at:  # afterwards the cluster goes
                raise

    def _fine_tune(self, item: Object) -> None:
        if item["metadata"]["name"] == self.name:
            self._note("object")
            if "completionTime" in item.get("status", {}):
                self._note("succeeded")

    def _job(self, _: Object) -> None:
        self._note("job")

    def _pod(self, item: Object) -> None:
        pod = read_pod(item)
        happened = {"scheduled": pod.node, "running": pod.running or pod.over, "ended": pod.over}
        for moment in (moment for moment, has in happened.items() if has):
            self._note(moment)

    def _note(self, moment: str) -> None:
        self.at.setdefault(moment, time.time())


def main() -> None:
    """Run it; print a table and, last, one JSON object."""
    with (
        tempfile.TemporaryDirectory() as folder,
        attach(BED) as cluster,
        store_in(cluster, Path(folder) / "store") as store,
    ):
        fill(store)
        images = [build_image(target, open_store()) for target in ("controller", "worker-caffe-cpu")]
        for image in images:
            cluster.pull_image(image)
        made = manifests(NAMESPACE, store, *images)
        (Path(folder) / "nodes.yaml").write_text(NODES)
        installed = install(cluster, made, NAMESPACE, Path(folder))
        user = User(installed, store, Path(folder), Path(folder) / "cache")
        rounds = [run(user, f"digits-{number}") for number in range(ROUNDS)]
        cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    medians = {moment: round(statistics.median(each[moment] for each in rounds), 2) for moment in MOMENTS}
    for moment, description in MOMENTS.items():
        print(f"{medians[moment]:6.1f} s  {description}")
    spans = {moment: [round(each[moment], 2) for each in rounds] for moment in MOMENTS}
    load = round(os.getloadavg()[0], 2)
    print(json.dumps({"cores": processors.share(), "rounds": ROUNDS, "load": load, **medians, "all": spans}))


def run(user: User, name: str) -> dict[str, float]:
    """Submit a run, wait for its end, and return the moments in seconds from the submit."""
    user.write_demo(name)
    story = Story(Server(user.installed.cluster.kubeconfig), name)
    time.sleep(1.0)  # until the watches are there
    began = time.time()
    user.submit()
    story.wait()
    moments = {**story.at, **metrics(user, name)}
    return {moment: moments[moment] - began for moment in MOMENTS}


def metrics(user: User, name: str) -> dict[str, float]:
    """Return when the first test and the first iteration were done, as the run's metrics have it."""
    first = {}
    for kind in ("test", "train"):
        [key] = [key for key in user.keys(f"{name}/") if key.endswith(f"metrics/{kind}.jsonl")]
        text = user.store.client().get_object(Bucket="runs", Key=key)["Body"].read().decode()
        first[kind] = json.loads(text.splitlines()[0])
    tested = float(first["test"]["time"])
    return {"tested": tested, "iteration": tested + float(first["train"]["seconds"])}


if __name__ == "__main__":
    main()
