"""How many processors a process has for itself, by /proc and control groups as the kernel writes them."""

import contextlib
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftjob.concurrency import processors

QUOTAS = st.none() | st.integers(1, 64)
"""In tenths of a processor; None is no limit."""
VERSIONS = (1, 2)


class Machine:
    """A /proc and the control groups of a process, in a folder."""

    def __init__(self, folder: Path, version: int) -> None:
        self.proc = folder / "proc"
        self.groups = folder / "control groups"  # mountinfo escapes blanks
        self.version = version
        self.proc.mkdir(parents=True)

    def mount(self, root: str = "/", options: str = "rw,cpu,cpuacct") -> None:
        """Mount the group `root`, and what is below it."""
        self.groups.mkdir(exist_ok=True)
        point = str(self.groups).replace(" ", r"\040")
        kind = "cgroup2 cgroup2 rw,nsdelegate" if self.version == 2 else f"cgroup cgroup {options}"
        with (self.proc / "mountinfo").open("a") as stream:
            stream.write("22 27 0:21 / /proc rw,relatime - proc proc rw\n")
            stream.write(f"31 23 0:28 {root} {point} ro,nosuid shared:9 master:7 - {kind}\n")

    def enter(self, group: str, controllers: str = "cpu,cpuacct") -> None:
        """Put the process into a group, which need not be there."""
        line = f"0::{group}" if self.version == 2 else f"4:{controllers}:{group}"
        (self.proc / "cgroup").write_text(f"9:name=systemd:/elsewhere\n7:cpuset:/\n{line}\n")

    def limit(self, group: str, tenths: int | None, period: int = 100_000) -> None:
        """Give a group, as a path below the mount, a quota."""
        folder = self.groups / group.lstrip("/")
        folder.mkdir(parents=True, exist_ok=True)
        time = None if tenths is None else tenths * period // 10
        if self.version == 2:
            (folder / "cpu.max").write_text(f"{'max' if time is None else time} {period}\n")
        else:
            (folder / "cpu.cfs_quota_us").write_text(f"{-1 if time is None else time}\n")
            (folder / "cpu.cfs_period_us").write_text(f"{period}\n")


@pytest.fixture(params=VERSIONS)
def machine(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine of eight processors with control groups of either version."""
    give_processors(monkeypatch, 8)
    return Machine(tmp_path, request.param)


def give_processors(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Let the scheduler allow that many."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(count)))


@pytest.mark.parametrize(
    ("tenths", "threads"),
    [(1, 1), (9, 1), (10, 1), (11, 2), (15, 2), (20, 2), (79, 8), (80, 8), (640, 8), (None, 8)],
)
def test_a_part_of_a_processor_counts_as_one(machine: Machine, tenths: int | None, threads: int) -> None:
    """Never none, and never more than there are."""
    machine.mount()
    machine.enter("/pod")
    machine.limit("pod", tenths)

    assert processors.share(machine.proc) == threads


@settings(deadline=None)
@given(
    version=st.sampled_from(VERSIONS),
    limits=st.lists(QUOTAS, min_size=1, max_size=5),
    period=st.sampled_from([1_000, 100_000, 1_000_000]),
    affinity=st.integers(1, 8),
)
def test_the_smallest_of_all_limits_counts(
    version: int, limits: list[int | None], period: int, affinity: int
) -> None:
    """Of its own group, every group around it and its affinity; what lies beside it or below is not asked."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as monkeypatch:
        give_processors(monkeypatch, affinity)
        machine = Machine(Path(folder), version)
        path = "/".join(f"level{depth}" for depth in range(len(limits) - 1))
        machine.mount()
        machine.enter(f"/{path}")
        for depth, tenths in enumerate(limits):
            machine.limit("/".join(path.split("/")[:depth]), tenths, period)
        machine.limit("beside", 1)
        machine.limit(f"{path}/below", 1)
        quotas = [tenths / 10 for tenths in limits if tenths is not None]

        assert processors.quota(machine.proc) == pytest.approx(min(quotas, default=math.inf))
        assert processors.share(machine.proc) == max(1, math.ceil(min([affinity, *quotas])))


def test_a_container_without_a_namespace_sees_its_own_group_at_the_mount(machine: Machine) -> None:
    """/proc names the group from the host's root, and the mount begins at it."""
    machine.mount(root="/docker/0a1b")
    machine.enter("/docker/0a1b/inner")
    machine.limit("", 20)
    machine.limit("inner", 30)

    assert processors.quota(machine.proc) == 2


@pytest.mark.parametrize("group", ["/gone", "/gone/further (deleted)", "/with:colon"])
def test_a_group_that_is_not_to_be_seen_has_the_limits_around_it(machine: Machine, group: str) -> None:
    """As where /proc is the host's and the mount is the container's."""
    machine.mount()
    machine.enter(group)
    machine.limit("", 20)

    assert processors.quota(machine.proc) == 2


@pytest.mark.parametrize(("root", "group"), [("/docker/0a1b", "/docker/0a1bc"), ("/", "/../beside")])
def test_a_group_that_is_not_mounted_limits_nothing(machine: Machine, root: str, group: str) -> None:
    """It is another than what is mounted, or outside of the process's namespace."""
    machine.mount(root)
    machine.enter(group)
    machine.limit("", 20)
    machine.limit("../beside", 20)

    assert processors.quota(machine.proc) == math.inf


@pytest.mark.parametrize("options", ["rw,cpuset", "rw,cpuacct", "rw,name=cpu"])
def test_other_controllers_limit_no_time(
    tmp_path: Path, options: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Version 1 has a tree of groups for each."""
    machine = Machine(tmp_path, 1)
    machine.mount(options=options)
    machine.enter("/pod")
    machine.limit("pod", 20)

    assert processors.quota(machine.proc) == math.inf


def test_both_versions_may_be_mounted(tmp_path: Path) -> None:
    """Either may hold the cpu controller; the other has no files for it."""
    for holder in VERSIONS:
        old, new = Machine(tmp_path / f"old{holder}", 1), Machine(tmp_path / f"new{holder}", 2)
        for machine in (old, new):
            machine.mount()
            machine.enter("/pod")
            if machine.version == holder:
                machine.limit("pod", 25)
        for name in ("cgroup", "mountinfo"):
            with (old.proc / name).open("a") as stream:
                stream.write((new.proc / name).read_text())

        assert processors.quota(old.proc) == 2.5


@pytest.mark.parametrize("content", ["", "max\n", "\n", "nonsense\n", "100000 0\n", "0 100000\n"])
def test_what_cannot_be_read_is_no_limit(machine: Machine, content: str) -> None:
    """Counting processors never ends a run."""
    machine.mount()
    machine.enter("/")
    for name in ("cpu.max", "cpu.cfs_quota_us"):
        (machine.groups / name).write_text(content)

    assert processors.share(machine.proc) == 8


@pytest.mark.parametrize("missing", ["cgroup", "mountinfo", "both", "proc"])
def test_without_proc_the_affinity_counts(machine: Machine, missing: str) -> None:
    """As in a sandbox, or on a kernel without control groups."""
    machine.mount()
    machine.enter("/")
    machine.limit("", 20)
    for name in ("cgroup", "mountinfo"):
        if missing in (name, "both"):
            (machine.proc / name).write_text("")
        elif missing == "proc":
            (machine.proc / name).unlink()

    assert processors.share(machine.proc) == 8


COUNT = "from ftjob.concurrency import processors; print(processors.share())"


def test_a_real_affinity_counts() -> None:
    """That of a process that may run on one processor."""
    pinned = f"import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]); {COUNT}"

    assert subprocess.run([sys.executable, "-c", pinned], capture_output=True, text=True).stdout == "1\n"


@pytest.fixture
def half_a_processor() -> Iterator[Path]:
    """A control group within this process's own that grants 0.5, where the kernel lets one be made."""
    inside = [folder for _, folder in processors.groups(processors.SELF) if folder.exists()]
    with contextlib.ExitStack() as stack:
        try:
            group = inside[0] / f"ftjob-test-{os.getpid()}"
            group.mkdir()
            stack.callback(group.rmdir)
            if (group / "cpu.max").exists():
                (group / "cpu.max").write_text("50000 100000")
            else:
                (group / "cpu.cfs_quota_us").write_text("50000")
        except (OSError, IndexError) as error:
            pytest.skip(f"no control group can be given a quota here: {error}")
        yield group


def test_a_real_quota_counts(half_a_processor: Path) -> None:
    """Half a processor is one thread, on a machine of however many."""
    join = f'echo $$ > "{half_a_processor}/cgroup.procs" && exec "$0" "$@"'
    what = "from ftjob.concurrency import processors; print(processors.quota(), processors.share())"
    done = subprocess.run(["sh", "-c", join, sys.executable, "-c", what], capture_output=True, text=True)

    assert done.stdout == "0.5 1\n", done.stderr
