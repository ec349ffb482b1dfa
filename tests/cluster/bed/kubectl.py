"""A kubectl that knows today's kustomizations, the same on every machine: that of the next Debian."""

import fcntl
import shutil
from pathlib import Path

from tests.cluster.bed.packages import Apt
from tests.cluster.bed.places import bed_dir, kubectl_dir

RELEASE = "trixie"


def ensure_kubectl() -> Path:
    """Return the folder that has it; the first call of a machine downloads it, in ten seconds."""
    folder = kubectl_dir()
    bed_dir().mkdir(parents=True, exist_ok=True)
    with (bed_dir() / "kubectl.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "kubectl").exists():
            _fetch(folder)
    return folder


def _fetch(folder: Path) -> None:
    work = folder.with_name("kubectl.partial")
    shutil.rmtree(work, ignore_errors=True)
    apt = Apt(work, RELEASE)
    apt.prepare()
    apt.unpack([f"kubectl/{RELEASE}"], work / "root", alone=True)
    folder.mkdir(exist_ok=True)
    (work / "root/usr/bin/kubectl").rename(folder / "kubectl")
    shutil.rmtree(work)
