"""The bed itself: what tests of the cluster rely on is really there, and goes away."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cluster.bed.cluster import AnyCluster, Cluster
from tests.cluster.pods import a_job, a_pod, run_pod

SERVER = """
import socket, sys
server = socket.create_server((sys.argv[1], 0))
print(server.getsockname()[1], flush=True)
while True:
    server.accept()[0].sendall(sys.argv[2].encode() + b"\\n")
"""


@contextmanager
def serving(word: str, address: str, enter: list[str]) -> Iterator[int]:
    """Serve a word to whoever connects, in the network that `enter` leads to; yield the port."""
    command = [*enter, sys.executable, "-c", SERVER, address, word]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield int(server.stdout.readline())
        server.kill()


def test_a_job_gets_the_gpu_it_asks_for(cluster: AnyCluster, namespace: str) -> None:
    """It runs to Complete, its log can be read, and the device plugin has told it which GPU is its own."""
    limits = {"resources": {"limits": {"nvidia.com/gpu": 1}}}
    pod = a_pod("one", cluster.busybox, "echo got $NVIDIA_VISIBLE_DEVICES", container=limits)
    cluster.apply(a_job("one", pod), namespace=namespace)
    cluster.kubectl("wait", "-n", namespace, "--for=condition=complete", "job/one", "--timeout=60s")

    assert cluster.kubectl("logs", "-n", namespace, "job/one").startswith("got GPU-")


def test_a_pod_waits_for_a_gpu_that_nobody_has(cluster: AnyCluster, namespace: str) -> None:
    """The scheduler counts GPUs, and says why a pod is pending."""
    limits = {"resources": {"limits": {"nvidia.com/gpu": cluster.gpus + 1}}}
    cluster.apply(a_pod("big", cluster.busybox, "true", container=limits), namespace=namespace)
    cluster.kubectl("wait", "-n", namespace, "--for=condition=PodScheduled=false", "pod/big", "--timeout=30s")
    [condition] = cluster.get("pods", "big", namespace=namespace)["status"]["conditions"]

    assert condition["reason"] == "Unschedulable"
    assert "Insufficient nvidia.com/gpu" in condition["message"]


def test_too_much_memory_is_reported_as_oomkilled(cluster: AnyCluster, namespace: str) -> None:
    """The kernel's limit is the pod's, and the kubelet reports who was killed.

    Not in its first moment: containerd begins to listen for that when a container has started.
    """
    limits = {"resources": {"limits": {"memory": "16Mi"}}}
    pod = a_pod("fat", cluster.busybox, "sleep 2; exec tail /dev/zero", container=limits)

    ended, _ = run_pod(cluster, namespace, pod)

    assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)


def test_an_exit_code_is_kept(cluster: AnyCluster, namespace: str) -> None:
    """What a worker ends with is what the controller reads."""
    ended, log = run_pod(cluster, namespace, a_pod("seven", cluster.busybox, "echo bye; exit 7"))

    assert (ended["exitCode"], log) == (7, "bye\n")


def with_token(cluster: AnyCluster, token: str, folder: Path) -> AnyCluster:
    """Return the cluster as whoever has this token sees it."""
    config = json.loads(cluster.kubectl("config", "view", "--raw", "--minify", "--output=json"))
    config["users"][0]["user"] = {"token": token}
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config))
    return replace(cluster, kubeconfig=path)


def test_a_token_opens_what_rbac_grants_and_nothing_else(
    cluster: AnyCluster, namespace: str, tmp_path: Path
) -> None:
    """The service account's token is in its pods; it may not even list them until a role says so."""
    script = "cat /var/run/secrets/kubernetes.io/serviceaccount/token"
    _, token = run_pod(cluster, namespace, a_pod("who", cluster.busybox, script))
    pod_itself = with_token(cluster, token, tmp_path)

    with pytest.raises(RuntimeError, match=f"{namespace}:default.* cannot list resource"):
        pod_itself.kubectl("get", "pods", "-n", namespace)
    cluster.kubectl("create", "role", "reader", "-n", namespace, "--verb=list", "--resource=pods")
    bound = ("--role=reader", f"--serviceaccount={namespace}:default")
    cluster.kubectl("create", "rolebinding", "reader", "-n", namespace, *bound)
    assert pod_itself.kubectl("get", "pods", "-n", namespace, "-oname") == "pod/who\n"


def test_a_pod_may_go_without_a_token(cluster: AnyCluster, namespace: str) -> None:
    """A pod that asks for no token carries none."""
    script = "ls /var/run/secrets/kubernetes.io 2>&1 || echo none"
    pod = a_pod("bare", cluster.busybox, script, automountServiceAccountToken=False)

    assert run_pod(cluster, namespace, pod)[1].endswith("none\n")


def test_pods_reach_servers_of_the_host_and_of_the_namespace(bed: Cluster, namespace: str) -> None:
    """Both on addresses that the cluster gives, so that object stores may run on either side."""
    near, far = (bed.addresses.host, []), (bed.node, bed.in_namespace())
    with serving("here", *near) as here, serving("there", *far) as there:
        script = f"nc {bed.addresses.host} {here}; nc {bed.node} {there}"
        _, log = run_pod(bed, namespace, a_pod("caller", bed.busybox, script))

        assert log == "here\nthere\n"
        with socket.create_connection((bed.node, there), timeout=60) as from_host:
            assert from_host.recv(10) == b"there\n"


def test_the_host_reaches_pods(bed: Cluster, namespace: str) -> None:
    """By their own addresses: metrics and probes can be looked at from a test."""
    bed.apply(a_pod("server", bed.busybox, "echo hello | nc -l -p 9000"), namespace=namespace)
    bed.kubectl("wait", "-n", namespace, "--for=condition=Ready", "pod/server", "--timeout=30s")
    address = bed.get("pods", "server", namespace=namespace)["status"]["podIP"]

    with socket.create_connection((address, 9000), timeout=60) as connection:
        assert connection.recv(10) == b"hello\n"
