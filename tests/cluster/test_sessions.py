"""How a cluster of the bed comes and goes: beside another, and without the help of whoever is killed."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.cluster.bed.cluster import Cluster
from tests.cluster.bed.leftovers import clean
from tests.cluster.bed.places import Addresses, tools_dir
from tests.cluster.pods import a_pod, run_pod

ROOT = Path(__file__).parents[2]
USER = """
import sys, time
from tests.cluster.bed.session import attach
with attach(sys.argv[1]) as cluster:
    print(cluster.folder, flush=True)
    time.sleep(1000)
"""


@contextmanager
def another_user(cache: Path) -> Iterator[tuple[subprocess.Popen[str], Cluster]]:
    """A process that uses a cluster of its own."""
    name = f"other-{uuid.uuid4().hex[:8]}"
    environment = {**os.environ, "FTJOB_CACHE": str(cache)}
    command = [sys.executable, "-c", USER, name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment) as user:
        assert user.stdout is not None
        folder = Path(user.stdout.readline().strip())
        slot = json.loads((folder / "session.json").read_text())["slot"]
        yield user, Cluster.of_session(folder, tools_dir(), Addresses(slot), 2)
        user.kill()


def in_the_cluster(cluster: Cluster) -> list[psutil.Process]:
    """Every process of a cluster, as it is now."""
    inside = json.loads((cluster.folder / "session.json").read_text())["inside"]
    return [psutil.Process(inside), *psutil.Process(inside).children(recursive=True)]


def gone_within(seconds: float, folder: Path) -> bool:
    """Wait for a folder to go."""
    deadline = time.monotonic() + seconds
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    return not folder.exists()


@pytest.mark.parametrize("killed", ["user", "keeper"])
def test_nothing_outlives_whoever_is_killed(killed: str, bed: Cluster, bed_cache: Path) -> None:
    """A second cluster runs beside the first; without its user or its keeper, no trace of it is left."""
    with another_user(bed_cache) as (user, other):
        assert run_pod(other, "default", a_pod("beside", other.busybox, "echo hi"))[1] == "hi\n"
        assert other.node != bed.node
        processes = in_the_cluster(other)
        record = json.loads((other.folder / "session.json").read_text())
        os.kill(user.pid if killed == "user" else record["keeper"], signal.SIGKILL)
        _, alive = psutil.wait_procs(processes, timeout=20)

    if killed == "keeper":
        clean()
    assert len(processes) > 8
    assert alive == []
    assert gone_within(20, other.folder)
    assert list(Path("/sys/fs/cgroup").glob(f"**/{other.addresses.cgroup}")) == []
    assert not Path("/sys/class/net", other.addresses.wire_name).exists()
