"""Where the bed keeps things: what is built once, and the folder of each cluster that is up."""

import os
from dataclasses import dataclass
from pathlib import Path

from ftjob.fs.paths import cache_dir

KUBERNETES = "1.20.2"
"""What Debian 12's source package holds, whatever its own version says."""
RECIPE = 2
"""Raise it when what is built, or how, changes."""

INSIDE = Path("/run/bed")
"""A cluster's folder as its own processes see it: short, since a socket's path has 107 bytes at most."""


def bed_dir() -> Path:
    """Return the bed's folder in the user's cache."""
    return cache_dir().absolute() / "testbed"


def tools_dir() -> Path:
    """Return the folder of the programs that a cluster is made of; whole when its file `done` is there."""
    return bed_dir() / f"kubernetes-{KUBERNETES}-{os.uname().machine}-{RECIPE}"


def kubectl_dir() -> Path:
    """Return the folder of kubectl, which is of use without a cluster too."""
    return bed_dir() / "kubectl"


def search_path(tools: Path) -> str:
    """Return $PATH with the bed's programs: Kubernetes' first, then the host's, then those unpacked."""
    root = tools / "root"
    unpacked = [root / "usr/sbin", root / "usr/bin", root / "sbin", root / "bin"]
    host = os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"
    return ":".join([str(tools.with_name("kubectl")), str(tools / "bin"), host, *map(str, unpacked)])


@dataclass(frozen=True)
class Addresses:
    """The addresses of one cluster; clusters that are up at once have different slots."""

    slot: int

    @property
    def node(self) -> str:
        """The node's address, seen from its pods and from the host alike; the API server is on port 443."""
        return f"10.199.{self.slot}.1"

    @property
    def pods(self) -> str:
        return f"10.199.{self.slot}.0/24"

    @property
    def host(self) -> str:
        """The host's end of the wire: what listens there is reached by pods."""
        return f"10.198.{self.slot}.1"

    @property
    def wire(self) -> str:
        """The cluster's end of the wire."""
        return f"10.198.{self.slot}.2"

    @property
    def api(self) -> str:
        """The Service `kubernetes`: an address of the cluster's loopback, so that no kube-proxy is needed."""
        return "10.96.0.1"

    @property
    def cgroup(self) -> str:
        """The node's control group, below which the kubelet puts the pods'."""
        return f"ftjob-bed-{self.slot}"

    @property
    def wire_name(self) -> str:
        return f"ftjob-bed{self.slot}"
