"""Make a bundle of Caffe in a folder: download Debian's packages, unpack them, write launchers.

As a program, `python -m ftjob.engine.caffe.debian FOLDER BUILD [MIRROR]`, it is how container images get
theirs; it imports nothing but its neighbours, so that a layer of an image depends on little.
"""

import hashlib
import os
import shutil
import sys
from pathlib import Path

from ftjob.engine.caffe.apt import TRIPLETS, Apt, Progress, check_host, debian_mirror
from ftjob.engine.caffe.builds import BUILDS, CPU, Build
from ftjob.engine.caffe.unpack import drop_unused, unpack, write_launchers
from ftjob.errors import StorageError

PACKAGES = "packages.txt"
"""What a bundle is made of: a line for each .deb, its name, which has its version, and its SHA-256."""
NEEDED_MB = 950
"""The downloads and what they unpack to; about 570 stay."""


def make_bundle(
    folder: Path, mirror: str | None, progress: Progress, lock_fd: int, build: Build = CPU
) -> None:
    """Download and unpack a build into `folder`; continue where an interrupted call stopped.

    Raises EngineError where this machine cannot have it, StorageError on a full disk.
    """
    architecture = check_host()
    _check_space(folder)
    apt = Apt(folder / "apt", debian_mirror(folder / "apt", mirror), architecture, lock_fd, build)
    apt.prepare()
    progress(0, 1, "package lists read")
    apt.update()
    wanted = apt.wanted()
    progress(1, 1, "package lists read")
    apt.download(wanted, progress)
    debs = [apt.archives / each.filename for each in wanted]
    unpack(debs, folder / "root", folder / "apt" / "done", progress)
    drop_unused(folder / "root")
    lines = sorted(f"{deb.name} {hashlib.sha256(deb.read_bytes()).hexdigest()}\n" for deb in debs)
    (folder / PACKAGES).write_text("".join(lines))
    write_launchers(folder, TRIPLETS[architecture], build)


def _check_space(folder: Path) -> None:
    have = sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
    free = shutil.disk_usage(folder).free / 1e6
    if free < NEEDED_MB - have:
        raise StorageError(
            f"Caffe needs {NEEDED_MB - have:.0f} MB more under {folder} and {free:.0f} MB are free: "
            "free some, or set $FTJOB_CACHE to another disk"
        )


def main(folder: Path, build: str, mirror: str | None = None) -> None:
    """Make a bundle and remove what was needed only for making it."""
    folder.mkdir(parents=True)
    with Path(os.devnull).open("w") as nobody_waits:
        make_bundle(folder, mirror, lambda done, of, what: None, nobody_waits.fileno(), BUILDS[build])
    shutil.rmtree(folder / "apt")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
