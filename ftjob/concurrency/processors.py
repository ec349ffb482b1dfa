"""How many processors a process has for itself: the machine's, its affinity's, or its container's share."""

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

SELF = Path("/proc/self")
QUOTA_FILES = {"cgroup2": ("cpu.max",), "cgroup": ("cpu.cfs_quota_us", "cpu.cfs_period_us")}
"""The files of a group's folder that hold its quota and period, in that order, by type of file system."""


def share(proc: Path = SELF) -> int:
    """Return how many threads it takes to use all that this process may: its affinity, or a smaller quota.

    A part of a processor counts as one: of a quota of 1.5, a single thread would leave a third unused. How
    busy the machine is does not count, so the same container always gets the same number.
    """
    return max(1, math.ceil(min(len(os.sched_getaffinity(0)), quota(proc))))


def quota(proc: Path = SELF) -> float:
    """Return the time, in processors, that control groups grant a process; infinity where they set no limit.

    `proc` is the process's folder in /proc. The smallest quota counts, of its own group and those around it.
    """
    return min((_granted(kind, group) for kind, group in groups(proc)), default=math.inf)


def _granted(kind: str, group: Path) -> float:
    """Return the time that one group grants; infinity where it sets no limit, or has no files for one."""
    try:
        text = " ".join((group / name).read_text() for name in QUOTA_FILES[kind])
        microseconds, period = map(int, text.split())
    except (OSError, ValueError):  # version 2 writes "max"
        return math.inf
    return microseconds / period if microseconds > 0 and period > 0 else math.inf  # version 1 writes -1


def groups(proc: Path) -> Iterator[tuple[str, Path]]:
    """Yield the folders of a process's groups, outwards as far as they are mounted, each with its version."""
    own = _memberships(proc)
    for mount in _lines(proc / "mountinfo"):  # proc_pid_mountinfo(5)
        place, _, source = mount.partition(" - ")
        root, point = map(_unescaped, place.split(" ")[3:5])
        kind, _, options = source.split(" ", 2)
        controlled = kind == "cgroup2" or "cpu" in options.split(",")
        if kind in own and controlled and own[kind].is_relative_to(root):
            inside = own[kind].relative_to(root)
            if ".." not in inside.parts:  # of a group outside of this namespace nothing is mounted
                yield from ((kind, Path(point, each)) for each in (inside, *inside.parents))


def _memberships(proc: Path) -> dict[str, PurePosixPath]:
    """Return the groups that limit a process's time, by version: cgroups(7)."""
    groups = {}
    for line in _lines(proc / "cgroup"):
        _, controllers, group = line.split(":", 2)
        if not controllers:
            groups["cgroup2"] = PurePosixPath(group)
        elif "cpu" in controllers.split(","):
            groups["cgroup"] = PurePosixPath(group)
    return groups


def _lines(path: Path) -> list[str]:
    """Return a file's lines; none where it cannot be read, as in a sandbox without /proc."""
    try:
        return [line for line in os.fsdecode(path.read_bytes()).split("\n") if line]
    except OSError:
        return []


def _unescaped(path: str) -> str:
    r"""Return a path as it is: mountinfo writes blanks as \040."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), path)
