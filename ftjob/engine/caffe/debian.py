"""Make a bundle of Caffe in a folder: download Debian's packages, unpack them, write launchers.

As a program it makes the bundles of container images; it imports nothing but its neighbours, so that a
layer of an image depends on little:

    python -m ftjob.engine.caffe.debian cpu FOLDER             Debian's own Caffe
    python -m ftjob.engine.caffe.debian toolchain FOLDER       a compiler for Caffe with CUDA, Caffe's source
    python -m ftjob.engine.caffe.debian cuda FOLDER COMPILED   Debian's, with what was compiled laid over it
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

from ftjob.engine.caffe.apt import TRIPLETS, Apt, Progress, check_host, debian_mirror
from ftjob.engine.caffe.builds import CPU, CUDA, TOOLCHAIN, Build
from ftjob.engine.caffe.unpack import drop_unused, unpack, write_launchers
from ftjob.errors import StorageError

PACKAGES = "packages.txt"
"""What a bundle is made of: a line for each .deb, its name, which has its version, and its SHA-256."""
NEEDED_MB = 950
"""The downloads and what they unpack to; about 570 stay."""
RECORD = "installed.json"
CODE = "cuda.json"
"""Which GPUs a compiled Caffe has code for, as tools/compile-caffe found it in libcaffe.so."""


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


def make_toolchain(folder: Path) -> None:
    """Unpack a root file system that can compile Caffe with CUDA, with Caffe's source packages in its /src.

    No package is configured: what its scripts would set up, a compiler does not need.
    """
    apt_folder = folder.with_name(f"{folder.name}.apt")
    with Path(os.devnull).open("w") as nobody_waits:
        mirror = debian_mirror(apt_folder, None)
        apt = Apt(apt_folder, mirror, check_host(), nobody_waits.fileno(), TOOLCHAIN)
        apt.prepare()
        apt.update()
        wanted = apt.wanted()
        apt.download(wanted, _silent)
        names = [
            each.filename
            for each in wanted
            if not any(fnmatch(each.filename, name) for name in TOOLCHAIN.unneeded)
        ]
        unpack([apt.archives / name for name in names], folder, apt_folder / "done", _silent)
        (folder / "src").mkdir()
        apt.download_sources(folder / "src")
    shutil.rmtree(apt_folder)


def make_image_bundle(folder: Path, compiled: Path | None) -> None:
    """Make a bundle with its record, and remove what was needed only for making it.

    `compiled` has files to lay over Debian's, at their places below its `root`, and CODE.
    """
    folder.mkdir(parents=True)
    with Path(os.devnull).open("w") as nobody_waits:
        make_bundle(folder, None, _silent, nobody_waits.fileno(), CUDA if compiled else CPU)
    shutil.rmtree(folder / "apt")
    code = {}
    if compiled:
        shutil.copytree(compiled / "root", folder / "root", dirs_exist_ok=True)
        code = {"cuda": json.loads((compiled / CODE).read_text())}
    python = folder / "bin" / "caffe-python"
    version = subprocess.run(
        [python, "-c", "import caffe; print(caffe.__version__)"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout.strip()
    record = {"python": "bin/caffe-python", "binaries": "bin", "version": version, "origin": "bundle", **code}
    (folder / RECORD).write_text(json.dumps(record, indent=2) + "\n")


def _silent(done: float, of: float, what: str) -> None:
    """Show nothing of a build's progress: an image's builder has its own."""


def main(build: str, folder: Path, compiled: Path | None = None) -> None:
    """Make what the command line names."""
    if build == "toolchain":
        make_toolchain(folder)
    else:
        make_image_bundle(folder, compiled)


if __name__ == "__main__":
    main(sys.argv[1], *map(Path, sys.argv[2:]))
