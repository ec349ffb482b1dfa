"""The process that a cluster lives by: brings it up, keeps it while somebody uses it, takes it down.

Started by `session.attach` as `python -m tests.cluster.bed.keeper FOLDER GPUS`. It holds two locks: on its
session's file `alive`, inherited, which shows others that it lives, and on its slot, which gives addresses.
"""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.cluster.bed import settings
from tests.cluster.bed.archive import write_archives
from tests.cluster.bed.certificates import NODE, write_certificates, write_kubeconfigs
from tests.cluster.bed.cgroups import make_cgroup
from tests.cluster.bed.cluster import Cluster
from tests.cluster.bed.gpus import RESOURCE
from tests.cluster.bed.leftovers import Record, remove_session
from tests.cluster.bed.places import Addresses, bed_dir, tools_dir

SLOTS = range(200)
READY_WITHIN = 180.0
"""Seconds; it takes about 12."""
LOOK_EVERY = 0.3


def main(folder: Path, gpus: int) -> None:
    """Bring the cluster up, wait until nobody uses it, and leave nothing behind."""
    slot, lock = take_slot()
    tools = tools_dir()
    with lock, (folder / "users").open("r+") as users:
        keeper = Keeper(folder, Cluster.of_session(folder, tools, Addresses(slot), gpus), users)
        try:
            keeper.bring_up(tools, gpus)
            (folder / "ready").touch()
            keeper.wait_until_unused()
        except Exception as error:  # noqa: BLE001, who waits is told, whatever it is
            (folder / "failed").write_text(f"{error}\n{last_words(folder)}")
            time.sleep(2)  # for them to read it
        finally:
            keeper.take_down()


def take_slot() -> tuple[int, IO[str]]:
    """Return the first slot that no other cluster has and whose addresses the host does not use, locked."""
    slots = bed_dir() / "slots"
    slots.mkdir(exist_ok=True)
    routes = subprocess.run(["ip", "-o", "route"], capture_output=True, text=True, check=True).stdout
    for slot in SLOTS:
        if f"10.199.{slot}." in routes or f"10.198.{slot}." in routes:
            continue
        lock = (slots / str(slot)).open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
        else:
            return slot, lock
    raise RuntimeError("all addresses of the test bed are in use: `python -m tests.cluster.bed down`")


def last_words(folder: Path) -> str:
    """Return the end of every program's log."""
    logs = sorted((folder / "log").glob("*"))
    return "\n".join(f"--- {log.name}\n{log.read_text(errors='replace')[-1500:]}" for log in logs)


@dataclass
class Keeper:
    """One cluster, from nothing to nothing."""

    folder: Path
    cluster: Cluster
    users: IO[str]
    inside: subprocess.Popen[str] | None = None

    def bring_up(self, tools: Path, gpus: int) -> None:
        """Start everything and wait until pods can run."""
        addresses = self.cluster.addresses
        for sub in ("log", "running", "stopped"):
            (self.folder / sub).mkdir()
        for late in ("kubelet", "gpus"):  # a kubelet that finds no API server waits for seconds
            (self.folder / "stopped" / late).touch()
        write_certificates(self.folder / "keys", addresses, self.cluster.environment)
        write_kubeconfigs(self.folder / "kubeconfigs", self.folder / "keys", addresses)
        settings.write_settings(self.folder, tools, addresses)
        Record(os.getpid(), None, addresses.slot).write(self.folder)
        make_cgroup(addresses.cgroup)
        self.enter(addresses, gpus)
        self.wire(addresses)
        self.fill(tools)
        self.wait_for_node(gpus)

    def enter(self, addresses: Addresses, gpus: int) -> None:
        """Start the first process of new namespaces."""
        inside = [sys.executable, "-m", "tests.cluster.bed.inside", self.folder, addresses.slot, gpus]
        with (self.folder / "log" / "inside").open("wb") as log:
            self.inside = subprocess.Popen(
                ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
                + [str(word) for word in inside],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=self.cluster.environment,
            )
        assert self.inside.stdout is not None
        if self.inside.stdout.readline() != "here\n":
            raise RuntimeError("the namespaces could not be made: this needs root with all capabilities")
        Record(os.getpid(), self.inside.pid, addresses.slot).write(self.folder)

    def wire(self, addresses: Addresses) -> None:
        """Lay the wire between host and cluster, with routes at both ends."""
        assert self.inside is not None
        near, far = addresses.wire_name, "host0"
        self._ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", str(self.inside.pid))
        self._ip("addr", "add", f"{addresses.host}/30", "dev", near)
        self._ip("link", "set", near, "up")
        there = self.cluster.in_namespace
        for words in (
            ["addr", "add", f"{addresses.wire}/30", "dev", far],
            ["link", "set", far, "up"],
            ["route", "add", "default", "via", addresses.host],
        ):
            self._run(there("ip", *words))
        self._ip("route", "add", addresses.pods, "via", addresses.wire)

    def fill(self, tools: Path) -> None:
        """Give containerd the images that every cluster has."""
        self._until("containerd", lambda: self.cluster.ctr("version", check=False) != "")
        for archive in write_archives(tools / "root/bin/busybox", self.folder):
            self.cluster.load_image(archive)

    def wait_for_node(self, gpus: int) -> None:
        """Wait for the API server, then for the node with its GPUs and the default service account."""
        kubectl = self.cluster.kubectl
        self._until("the API server", lambda: kubectl("get", "--raw=/readyz", check=False) == "ok")
        for late in ("kubelet", "gpus"):
            (self.folder / "stopped" / late).unlink()
        ready = '{.status.conditions[?(@.type=="Ready")].status}'
        count = "{.status.allocatable." + RESOURCE.replace(".", r"\.") + "}"
        query = ("get", "node", NODE, f"-ojsonpath={ready} {count}")
        self._until("the node", lambda: kubectl(*query, check=False) == f"True {gpus}")
        account = ("get", "serviceaccount", "default", "-oname")
        self._until("the service account", lambda: kubectl(*account, check=False) != "")

    def wait_until_unused(self) -> None:
        """Wait until no process holds the file `users` and nobody asked to keep the cluster."""
        assert self.inside is not None
        while self.inside.poll() is None:
            if not (self.folder / "keep").exists() and self._have_users_to_ourselves():
                return
            time.sleep(LOOK_EVERY)
        raise RuntimeError("the cluster's first process ended by itself")

    def take_down(self) -> None:
        """End every process of the cluster and everything that tests left in its network."""
        if self.inside is not None and self.inside.poll() is None:
            for pid in processes_in_network_of(self.inside.pid):
                with contextlib.suppress(ProcessLookupError):  # it went with one killed before
                    os.kill(pid, signal.SIGKILL)
            self.inside.wait()
        remove_session(self.folder)

    def _have_users_to_ourselves(self) -> bool:
        """Take the lock that users share, and keep it: nobody is to come in any more."""
        try:
            fcntl.flock(self.users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _until(self, what: str, happened: Callable[[], bool]) -> None:
        assert self.inside is not None
        deadline = time.monotonic() + READY_WITHIN
        while not happened():
            if self.inside.poll() is not None:
                raise RuntimeError("the cluster's first process ended by itself")
            if time.monotonic() > deadline:
                raise RuntimeError(f"{what} did not get ready within {READY_WITHIN:.0f} s")
            time.sleep(0.1)

    def _ip(self, *words: str) -> None:
        self._run(["ip", *words])

    def _run(self, command: list[str]) -> None:
        subprocess.run(command, env=self.cluster.environment, check=True)


def processes_in_network_of(pid: int) -> list[int]:
    """Return the processes that share a process' network namespace, as the host numbers them."""
    ours = Path(f"/proc/{pid}/ns/net").stat().st_ino
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "ns/net").stat().st_ino == ours:
                found.append(int(entry.name))
        except OSError:  # it ended meanwhile
            continue
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
