"""The first process of a cluster's namespaces: mounts, network, and the programs, which it keeps running.

It is process 1 there, so that its end, in whatever way, ends every process of the cluster, and with them go
the mounts and the network. It ends when its standard input does, that is, with whoever started it.
A program whose name stands in the folder `stopped` is stopped; any other that ends is started again.
"""

import os
import select
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.bed import settings
from tests.cluster.bed.places import INSIDE, Addresses

AGAIN_AFTER = 1.0
"""Seconds before a program that ended is started again."""
TURN = 0.1
"""Seconds between two looks at what is wanted and what runs."""
COVERED = ("/var/lib/kubelet", "/var/log/pods", "/var/log/containers")
"""What the kubelet writes to whatever its settings say: each cluster has its own."""


@dataclass
class Program:
    """One program of the cluster and its process, if it runs."""

    name: str
    command: list[str]
    process: subprocess.Popen[bytes] | None = None
    not_before: float = 0.0

    def keep(self, now: float) -> None:
        """Start it, stop it or bury it, as is due."""
        stopped = (INSIDE / "stopped" / self.name).exists()
        if self.process and self.process.poll() is not None:
            self._bury(now)
        if self.process and stopped:
            self.process.kill()
        elif not self.process and not stopped and now >= self.not_before:
            self._start()

    def _start(self) -> None:
        with (INSIDE / "log" / self.name).open("ab") as log:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        (INSIDE / "running" / self.name).touch()

    def _bury(self, now: float) -> None:
        (INSIDE / "running" / self.name).unlink(missing_ok=True)
        self.process = None
        self.not_before = now + AGAIN_AFTER


def run(folder: Path, slot: int, gpus: int) -> None:
    """Bring the node up and keep it so until standard input ends."""
    addresses = Addresses(slot)
    mount(folder)
    connect(addresses)
    print("here", flush=True)  # noqa: T201
    programs = [
        Program("etcd", settings.etcd_command()),
        Program("containerd", ["containerd", f"--config={INSIDE}/containerd.toml"]),
        Program("apiserver", settings.apiserver_command(addresses)),
        Program("controller-manager", settings.controller_manager_command()),
        Program("scheduler", settings.scheduler_command()),
        Program("kubelet", settings.kubelet_command(addresses)),
        Program("gpus", [sys.executable, "-m", "tests.cluster.bed.gpus", str(gpus)]),
    ]
    while not select.select([sys.stdin], [], [], TURN)[0]:
        for program in programs:
            program.keep(time.monotonic())
        collect_orphans({program.process.pid for program in programs if program.process})


def mount(folder: Path) -> None:
    """Put the cluster's folder where its settings say, and folders of its own over what the host has."""
    _run("mount", "--make-rshared", "/")
    _run("mount", "-t", "tmpfs", "bed", "/run")
    INSIDE.mkdir()
    _run("mount", "--bind", str(folder), str(INSIDE))
    for place in COVERED:
        own = folder / "over" / place.replace("/", "-")
        own.mkdir(parents=True)
        Path(place).mkdir(parents=True, exist_ok=True)
        _run("mount", "--bind", str(own), place)


def connect(addresses: Addresses) -> None:
    """Set up the network: loopback with the API's address, and the bridge that pods hang on."""
    _run("ip", "link", "set", "lo", "up")
    _run("ip", "addr", "add", f"{addresses.api}/32", "dev", "lo")
    _run("ip", "link", "add", "cni0", "type", "bridge")
    _run("ip", "addr", "add", f"{addresses.node}/24", "dev", "cni0")
    _run("ip", "link", "set", "cni0", "up")
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


def collect_orphans(ours: set[int]) -> None:
    """Collect the ends of processes whose parents went before them, such as containers' shims."""
    while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        if ended.si_pid in ours:
            return  # its own Popen asks for it at the next turn
        os.waitpid(ended.si_pid, 0)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")


if __name__ == "__main__":
    run(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
