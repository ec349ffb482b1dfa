"""Debian's promtool, which checks and tries Prometheus' rules."""

import fcntl
import shutil
from pathlib import Path

from tests.cluster.bed.packages import RELEASE, Apt
from tests.cluster.bed.places import bed_dir


def ensure_promtool() -> Path:
    """Return its path; the first call of a machine downloads its package, 40 MB."""
    program = bed_dir() / "promtool" / "promtool"
    bed_dir().mkdir(parents=True, exist_ok=True)
    with (bed_dir() / "promtool.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            work = bed_dir() / "promtool.partial"
            shutil.rmtree(work, ignore_errors=True)
            apt = Apt(work)
            apt.prepare()
            apt.unpack([f"prometheus/{RELEASE}"], work / "root", alone=True)
            program.parent.mkdir(exist_ok=True)
            (work / "root/usr/bin/promtool").rename(program)
            shutil.rmtree(work)
    return program
