"""A whole Ceph on the loopback: one monitor, one disk in a sparse file, one S3 gateway.

`python -m tests.storage.ceph_cluster FOLDER` makes one below FOLDER, writes server.json when it answers, and
takes all away again when nobody holds a lock on FOLDER/users any more. So several test processes share one,
and it goes with the last of them, also when they are killed.
"""

import json
import shutil
import subprocess
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path

from tests.storage.ceph_packages import Ceph, unpacked
from tests.storage.processes import die_with_parent, free_ports, listens, wait_until, wait_until_free

ACCESS_KEY, SECRET_KEY = "testkey", "testsecret"
GUEST_KEY, GUEST_SECRET = "guestkey", "guestsecret"
"""Of a user who owns nothing."""
CONFIG = """
[global]
fsid = {fsid}
mon host = v2:127.0.0.1:{monitor_port}
public addr = 127.0.0.1
ms bind msgr1 = false
keyring = {folder}/keyring
run dir = {folder}
admin socket = {folder}/$name.sock
pid file =
log file =
log to stderr = false
auth allow insecure global id reclaim = false
plugin dir = {libraries}/ceph
erasure code dir = {libraries}/ceph/erasure-code
osd class dir = {libraries}/rados-classes
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000
mon data avail crit = 0
[mon]
mon data = {folder}/mon
mon cluster log file = /dev/null
[osd]
osd data = {folder}/osd
osd objectstore = bluestore
osd memory target = 1073741824
bluestore block create = true
bluestore block size = 21474836480
[client]
rgw frontends = beast endpoint=127.0.0.1:{port}
rgw data = {folder}/rgw
rgw thread pool size = 64
rgw enable usage log = false
rgw run sync thread = false
rgw gc obj min wait = 60
"""


@dataclass(frozen=True)
class Cluster:
    """A cluster's folder and programs."""

    folder: Path
    ceph: Ceph
    port: int

    def daemon(self, program: str, *words: str) -> subprocess.Popen[bytes]:
        """Start one of Ceph's servers."""
        return subprocess.Popen(
            [program, *self.settings, "--setuser", "root", "--setgroup", "root", "-f", *words],
            env=self.ceph.environment(),
            stdout=subprocess.DEVNULL,
            stderr=(self.folder / f"{program}.log").open("ab"),
            preexec_fn=die_with_parent,
        )

    def call(self, program: str, *words: str) -> str:
        """Run one of Ceph's tools to its end."""
        return self.ceph.call(program, *self.settings, *words)

    @property
    def settings(self) -> tuple[str, str]:
        return ("-c", str(self.folder / "ceph.conf"))


def configured(folder: Path, ceph: Ceph) -> Cluster:
    """Write settings, keys and the map of monitors for a new cluster."""
    for name in ("mon", "osd", "rgw"):
        (folder / name).mkdir()
    port, monitor_port = free_ports(2)
    cluster, fsid = Cluster(folder, ceph, port), str(uuid.uuid4())
    names = {"folder": folder, "fsid": fsid, "port": port, "monitor_port": monitor_port}
    (folder / "ceph.conf").write_text(CONFIG.format(libraries=ceph.libraries, **names))
    keyring, allow = str(folder / "keyring"), ("--cap", "mon", "allow *")
    ceph.call("ceph-authtool", "--create-keyring", keyring, "--gen-key", "-n", "mon.", *allow)
    for name in ("client.admin", "client.rgw", "osd.0"):
        ceph.call("ceph-authtool", keyring, "--gen-key", "-n", name, *allow, "--cap", "osd", "allow *")
    monitors, address = str(folder / "monmap"), f"[v2:127.0.0.1:{monitor_port}]"
    ceph.call("monmaptool", "--create", "--fsid", fsid, "--addv", "a", address, monitors)
    cluster.call("ceph-mon", "--mkfs", "-i", "a", "--monmap", monitors, "--keyring", keyring)
    return cluster


def start(cluster: Cluster) -> list[subprocess.Popen[bytes]]:
    """Start a new cluster's servers, each as soon as it can, and make the user of the tests."""
    monitor = cluster.daemon("ceph-mon", "-i", "a")
    disk = str(uuid.uuid4())
    cluster.call("ceph", "osd", "new", disk)
    cluster.call("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", disk, "--no-mon-config")
    cluster.call("ceph", "osd", "crush", "add", "osd.0", "1.0", "root=default", "host=here")
    osd = cluster.daemon("ceph-osd", "-i", "0")
    add_user(cluster, "test", ACCESS_KEY, SECRET_KEY)
    add_user(cluster, "guest", GUEST_KEY, GUEST_SECRET)
    gateway = cluster.daemon("radosgw", "-n", "client.rgw")
    wait_until(lambda: listens(cluster.port), 60, "Ceph's S3 gateway listens")
    return [gateway, osd, monitor]


def add_user(cluster: Cluster, name: str, access_key: str, secret_key: str) -> None:
    """Make a user of the S3 gateway."""
    keys = (f"--access-key={access_key}", f"--secret-key={secret_key}")
    names = (f"--uid={name}", f"--display-name={name}")
    cluster.call("radosgw-admin", "-n", "client.rgw", "user", "create", *names, *keys)


def main(folder: Path, cache: Path) -> None:
    """Keep a cluster up while somebody uses it."""
    servers: list[subprocess.Popen[bytes]] = []
    try:
        cluster = configured(folder, unpacked(cache))
        servers = start(cluster)
        draft = folder / "server.json.partial"
        draft.write_text(json.dumps({"port": cluster.port}))
        draft.rename(folder / "server.json")
        wait_until_free(folder / "users")  # and hold it, so that who comes now starts another
    finally:
        for server in servers:
            server.kill()
            server.wait()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
