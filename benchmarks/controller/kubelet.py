"""A node that is none: its pods start, live and end as pods do, and run nothing.

python -m benchmarks.controller.kubelet KUBECONFIG SECONDS keeps the node's Lease, acts every pod that the
scheduler puts there, and the worker in it: its status.json goes into the store that this process serves.
Prints the store's port when the node is ready.
"""

import heapq
import itertools
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.controller.server import MERGE, STRATEGIC, Object, Server
from benchmarks.controller.store import MemoryStore
from ftjob.cluster.resource.names import CONTAINER, LABEL_ATTEMPT
from ftjob.cluster.resource.times import render_time
from ftjob.runfolder.status import State, Status, render

NODE = "bench"
LABEL = {"ftjob.dev/bench": "true"}
TAINT = {"key": "ftjob.dev/bench", "value": "true", "effect": "NoSchedule"}
STARTING = 0.5
"""Seconds from a pod's coming to the node to its container's running."""
STATUS_SECONDS = 10.0
"""Seconds between two writes of a worker's status.json."""
BEAT = 8.0
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"


class Kubelet:
    """Acts the pods of one node, each for so many seconds."""

    def __init__(self, server: Server, store: MemoryStore, seconds: float) -> None:
        self.server, self.store, self.seconds = server, store, seconds
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers, self._changed = itertools.count(), threading.Condition()
        self._pool = ThreadPoolExecutor(8, thread_name_prefix="pod")
        self._known: set[str] = set()

    def run(self) -> None:
        """Be the node, until the process ends."""
        threading.Thread(target=self._work, daemon=True).start()
        self._after(0, self._beat)
        for kind, pod in self.server.watch(f"/api/v1/pods?fieldSelector=spec.nodeName={NODE}"):
            if kind != "DELETED":
                self._see(pod)

    def register(self) -> None:
        """Make the node, with room for everything."""
        metadata = {"name": NODE, "labels": LABEL}
        node = {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {"taints": [TAINT]}}
        self.server.ask("DELETE", f"/api/v1/nodes/{NODE}")
        self.server.ask("POST", "/api/v1/nodes", node)
        room = {"cpu": "100000", "memory": "1000000Gi", "ephemeral-storage": "1000000Gi", "pods": "100000"}
        now = _since(time.time())
        ready = {"type": "Ready", "status": "True", "lastHeartbeatTime": now["lastTransitionTime"], **now}
        status = {"capacity": room, "allocatable": room, "conditions": [ready]}
        self.server.ask("PATCH", f"/api/v1/nodes/{NODE}/status", {"status": status}, STRATEGIC)
        self.server.ask("DELETE", f"{LEASES}/{NODE}")
        lease = {"holderIdentity": NODE, "leaseDurationSeconds": 40}
        self.server.ask("POST", LEASES, {"metadata": {"name": NODE}, "spec": lease})

    def _beat(self) -> None:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime())
        self.server.ask("PATCH", f"{LEASES}/{NODE}", {"spec": {"renewTime": stamp}}, MERGE)
        self._after(BEAT, self._beat)

    def _see(self, pod: Object) -> None:
        uid = pod["metadata"]["uid"]
        if "deletionTimestamp" in pod["metadata"]:
            self._after(0, lambda: self._remove(pod))
        elif uid not in self._known:
            self._known.add(uid)
            self._after(0, lambda: self._create(pod))

    def _create(self, pod: Object) -> None:
        self._patch_pod(pod, "Pending", {"waiting": {"reason": "ContainerCreating"}}, ready=False)
        self._after(STARTING, lambda: self._start(pod))

    def _start(self, pod: Object) -> None:
        began = time.time()
        self._write(pod, State.RUNNING, began)
        self._patch_pod(pod, "Running", {"running": {"startedAt": render_time(began)}}, ready=True)
        self._after(min(STATUS_SECONDS, self.seconds), lambda: self._go_on(pod, began))

    def _go_on(self, pod: Object, began: float) -> None:
        left = began + self.seconds - time.time()
        if left <= 0:
            self._end(pod, began)
            return
        self._write(pod, State.RUNNING, began)
        self._after(min(STATUS_SECONDS, left), lambda: self._go_on(pod, began))

    def _end(self, pod: Object, began: float) -> None:
        self._write(pod, State.SUCCEEDED, began)
        now = {"startedAt": render_time(began), "finishedAt": render_time(time.time())}
        self._patch_pod(
            pod, "Succeeded", {"terminated": {"exitCode": 0, "reason": "Completed", **now}}, ready=False
        )

    def _remove(self, pod: Object) -> None:
        self.server.ask("DELETE", _path(pod), {"gracePeriodSeconds": 0})

    def _patch_pod(self, pod: Object, phase: str, state: Object, *, ready: bool) -> None:
        """Write a pod's status, as a kubelet does."""
        now = _since(time.time())
        conditions = [
            {"type": kind, "status": str(kind == "Initialized" or ready), **now}
            for kind in ("Initialized", "Ready", "ContainersReady")
        ]
        image = pod["spec"]["containers"][0]["image"]
        container = {"name": CONTAINER, "state": state, "ready": ready, "restartCount": 0}
        container |= {"image": image, "imageID": ""}
        status = {"phase": phase, "conditions": conditions, "containerStatuses": [container]}
        if phase == "Pending":
            status["startTime"] = render_time(time.time())
        self.server.ask("PATCH", f"{_path(pod)}/status", {"status": status}, STRATEGIC)

    def _write(self, pod: Object, state: State, began: float) -> None:
        """Write the status of the run as the worker in a pod would."""
        folder, now = pod["spec"]["containers"][0]["args"][1], time.time()
        _, _, path = folder.partition("://")
        name, run_id = path.split("/")[1:3]
        done = min(1.0, (now - began) / self.seconds) if self.seconds else 1.0
        ended: dict[str, Any] = {"ended": now, "exit_code": 0, "reason": "Completed"}
        status = Status(
            name,
            run_id,
            state,
            attempt=int(pod["metadata"]["labels"][LABEL_ATTEMPT]),
            iteration=int(1000 * done),
            max_iter=1000,
            loss=1.0 - 0.9 * done,
            updated=now,
            **(ended if state is State.SUCCEEDED else {}),
        )
        self.store.objects[f"/{path}/status.json"] = render(status).encode()

    def _after(self, seconds: float, doing: Callable[[], object]) -> None:
        with self._changed:
            heapq.heappush(self._due, (time.monotonic() + seconds, next(self._numbers), doing))
            self._changed.notify()

    def _work(self) -> None:
        while True:
            with self._changed:
                wait = self._due[0][0] - time.monotonic() if self._due else None
                if wait is None or wait > 0:
                    self._changed.wait(wait)
                    continue
                _, _, doing = heapq.heappop(self._due)
            self._pool.submit(doing).add_done_callback(
                lambda done: done.result()
            )  # so that errors are raised


def _path(pod: Object) -> str:
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"


def _since(now: float) -> Object:
    return {"lastTransitionTime": render_time(now)}


def main() -> None:
    """Be a node."""
    store = MemoryStore()
    kubelet = Kubelet(Server(Path(sys.argv[1])), store, float(sys.argv[2]))
    kubelet.register()
    sys.stdout.write(f"{store.port}\n")
    sys.stdout.flush()
    kubelet.run()


if __name__ == "__main__":
    main()
