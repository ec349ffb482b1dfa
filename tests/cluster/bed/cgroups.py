"""The node's control group, in every hierarchy of version 1 or in the one of version 2."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
CONTROLLERS = ("cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "hugetlb")
GIVE_UP_AFTER = 20.0
"""Seconds for the kernel to let go of a group whose processes were killed."""


def make_cgroup(name: str) -> None:
    """Make the group below which the kubelet puts its pods'."""
    if (ROOT / "cgroup.controllers").exists():
        _enable_all(ROOT)
    for group in _groups(name):
        group.mkdir(exist_ok=True)
        for inherited in ("cpuset.cpus", "cpuset.mems"):
            if (group / inherited).exists() and not (ROOT / "cgroup.controllers").exists():
                (group / inherited).write_text((group.parent / inherited).read_text())


def remove_cgroup(name: str) -> None:
    """Remove the group and all below it, once their processes are gone."""
    deadline = time.monotonic() + GIVE_UP_AFTER
    for group in _groups(name):
        while group.exists() and not _removed(group):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{group} still has processes")
            time.sleep(0.05)


def _groups(name: str) -> Iterator[Path]:
    if (ROOT / "cgroup.controllers").exists():
        yield ROOT / name
        return
    for hierarchy in (*CONTROLLERS, "systemd", "unified"):
        if (ROOT / hierarchy).is_dir() and not (ROOT / hierarchy).is_symlink():
            yield ROOT / hierarchy / name


def _enable_all(root: Path) -> None:
    """Pass every controller on to the groups below, which version 2 does on request only.

    In a container the root is a group like others: it must have no processes of its own then.
    """
    if (root / "cgroup.type").exists():  # the host's root has none
        (root / "others").mkdir(exist_ok=True)
        for pid in (root / "cgroup.procs").read_text().split():
            (root / "others" / "cgroup.procs").write_text(pid)
    wanted = (root / "cgroup.controllers").read_text().split()
    (root / "cgroup.subtree_control").write_text(" ".join(f"+{each}" for each in wanted))


def _removed(group: Path) -> bool:
    try:
        for folder, _, _ in os.walk(group, topdown=False):
            Path(folder).rmdir()
    except OSError:
        return False
    return True
