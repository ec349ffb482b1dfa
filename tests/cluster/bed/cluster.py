"""A cluster as tests see it."""

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

from ftjob.cluster.resource.names import API_VERSION
from tests.cluster.bed.places import Addresses, search_path
from tests.cluster.bed.settings import BUSYBOX, CONTAINERD
from tests.cluster.bed.shelf import Image

Manifest = dict[str, Any]
PATHS = {
    "nodes": "/api/v1/nodes",
    "definitions": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "jobs": "/apis/batch/v1/namespaces/{namespace}/jobs",
    "finetunejobs": f"/apis/{API_VERSION}/namespaces/{{namespace}}/finetunejobs",
    **{
        kind: f"/api/v1/namespaces/{{namespace}}/{kind}"
        for kind in ("events", "pods", "secrets", "serviceaccounts")
    },
}
"""Where the API server has the kinds that tests read."""
IMPORT = ("--namespace=k8s.io", "images", "import", "--snapshotter=overlayfs")


def program_environment(tools: Path) -> dict[str, str]:
    """Return the environment that the bed's programs run in."""
    libraries = [str(tools / "root" / top / f"{os.uname().machine}-linux-gnu") for top in ("usr/lib", "lib")]
    inherited = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
    return {**inherited, "PATH": search_path(tools), "LD_LIBRARY_PATH": ":".join(libraries)}


@dataclass(frozen=True)
class AnyCluster:
    """A cluster that is spoken to by its API alone."""

    kubeconfig: Path
    environment: dict[str, str]
    gpus: int
    """How many `nvidia.com/gpu` its nodes have."""
    busybox: str
    """An image with a shell."""

    def kubectl(self, *words: str, stdin: str | None = None, check: bool = True) -> str:
        """Return what kubectl prints; a failure is an error, or empty where it is not to be checked."""
        command = ["kubectl", f"--kubeconfig={self.kubeconfig}", *words]
        done = subprocess.run(command, env=self.environment, input=stdin, capture_output=True, text=True)
        if done.returncode and check:
            raise RuntimeError(f"kubectl {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout if done.returncode == 0 else ""

    def apply(self, *manifests: Manifest, namespace: str = "default") -> None:
        """Send manifests to the API server."""
        items = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
        self.kubectl("apply", f"--namespace={namespace}", "--filename=-", stdin=json.dumps(items))

    def get(self, kind: str, name: str = "", *, namespace: str = "default", labels: str = "") -> Manifest:
        """Return an object, or without a name a list of them, by a connection that stays open.

        Who waits asks five times a second, and a kubectl each time would take half a processor.
        """
        path = f"{PATHS[kind].format(namespace=namespace)}/{name}".rstrip("/")
        api = _api(self.kubeconfig)
        query = [("labelSelector", labels)] if labels else []
        request = api.param_serialize("GET", path, query_params=query, auth_settings=["BearerToken"])
        answer = api.call_api(*request, _request_timeout=60)
        content = json.loads(answer.read())
        if answer.status != HTTPStatus.OK:
            raise RuntimeError(f"GET {path}: {content['message']}")
        return dict(content)


@dataclass(frozen=True)
class Cluster(AnyCluster):
    """A cluster of the bed, whose node is at hand."""

    folder: Path = field(kw_only=True)
    addresses: Addresses = field(kw_only=True)

    @classmethod
    def of_session(cls, folder: Path, tools: Path, addresses: Addresses, gpus: int) -> "Cluster":
        """Return the cluster of a session's folder."""
        return cls(
            kubeconfig=folder / "kubeconfigs" / "admin",
            environment=program_environment(tools),
            gpus=gpus,
            busybox=BUSYBOX,
            folder=folder,
            addresses=addresses,
        )

    @property
    def node(self) -> str:
        """The node's address, for pods and the host alike."""
        return self.addresses.node

    def load_image(self, archive: Path) -> None:
        """Give the node an image from a docker or OCI archive."""
        self.ctr(*IMPORT, str(archive.absolute()))

    def pull_image(self, image: Image) -> None:
        """Give the node an image from the shelf: what it has not got of it."""
        got = set(self.ctr("--namespace=k8s.io", "content", "ls", "-q").split())
        with subprocess.Popen(
            self._ctr(*IMPORT, "-"),
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        ) as importing:
            assert importing.stdin is not None
            with contextlib.suppress(BrokenPipeError):  # ctr itself reports why it ended
                image.write(importing.stdin, without=got)
            _, errors = importing.communicate()
        if importing.returncode:
            raise RuntimeError(f"ctr {' '.join(IMPORT)}: {errors.decode().strip()}")

    def has_image(self, name: str) -> bool:
        """Return whether the node has an image."""
        return name in self.ctr("--namespace=k8s.io", "images", "ls", "-q").split()

    def ctr(self, *words: str, check: bool = True) -> str:
        """Call containerd's own client on the node."""
        done = subprocess.run(self._ctr(*words), env=self.environment, capture_output=True, text=True)
        if done.returncode and check:
            raise RuntimeError(f"ctr {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout if done.returncode == 0 else ""

    def _ctr(self, *words: str) -> list[str]:
        node = f"/proc/{self._inside()}/ns"
        enter = ["nsenter", f"--mount={node}/mnt", f"--net={node}/net", "--"]
        return [*enter, "ctr", f"--address={CONTAINERD}", *words]

    def in_namespace(self, *command: str) -> list[str]:
        """Return a command line that runs `command` in the cluster's network, where pods reach it."""
        return ["nsenter", f"--net=/proc/{self._inside()}/ns/net", "--", *command]

    def stop(self, *programs: str) -> None:
        """Kill programs of the cluster, such as `apiserver` or `kubelet`, and keep them down."""
        for program in programs:
            (self.folder / "stopped" / program).touch()
        self._wait(programs, running=False)

    def start(self, *programs: str) -> None:
        """Start programs that were stopped."""
        for program in programs:
            (self.folder / "stopped" / program).unlink()
        self._wait(programs, running=True)

    def _wait(self, programs: Iterable[str], *, running: bool) -> None:
        deadline = time.monotonic() + 10
        while any((self.folder / "running" / each).exists() != running for each in programs):
            if time.monotonic() > deadline:
                raise RuntimeError(
                    f"{', '.join(programs)}: not {'started' if running else 'stopped'} in 10 s"
                )
            time.sleep(0.05)

    def _inside(self) -> int:
        return int(json.loads((self.folder / "session.json").read_text())["inside"])


@lru_cache
def _api(kubeconfig: Path) -> Any:
    from kubernetes import config

    return config.new_client_from_config(config_file=str(kubeconfig))
