"""Pods and Jobs for tests: one container of the cluster's busybox, changed where it matters."""

import time
from typing import Any

from tests.cluster.bed.cluster import AnyCluster, Manifest

RESTRICTED = {
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "readOnlyRootFilesystem": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""What Pod Security calls restricted, and a root file system that cannot be written."""


def a_pod(name: str, image: str, script: str, *, container: Manifest | None = None, **spec: Any) -> Manifest:
    """Return a pod that runs a shell script once; `container` and `spec` change those two."""
    only = {"name": "main", "image": image, "command": ["sh", "-ec", script], **(container or {})}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 1,
            "containers": [only],
            **spec,
        },
    }


def a_job(name: str, pod: Manifest) -> Manifest:
    """Return a Job that tries a pod once."""
    template = {"spec": pod["spec"]}
    spec = {"backoffLimit": 0, "template": template}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}


def wait_for_end(cluster: AnyCluster, namespace: str, name: str, seconds: float = 120) -> Manifest:
    """Return a pod's status once it has succeeded or failed."""
    deadline = time.monotonic() + seconds
    while True:
        status = dict(cluster.get("pods", name, namespace=namespace)["status"])
        if status["phase"] in ("Succeeded", "Failed"):
            return status
        if time.monotonic() > deadline:
            raise AssertionError(f"pod {name} has not ended after {seconds:.0f} s: {status}")
        time.sleep(0.1)


def run_pod(cluster: AnyCluster, namespace: str, pod: Manifest) -> tuple[Manifest, str]:
    """Run a pod to its end; return its container's last state and its log."""
    name = pod["metadata"]["name"]
    cluster.apply(pod, namespace=namespace)
    status = wait_for_end(cluster, namespace, name)
    ended = status["containerStatuses"][0]["state"]["terminated"]
    return ended, cluster.kubectl("logs", name, f"--namespace={namespace}")
