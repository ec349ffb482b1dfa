"""Debian packages unpacked into a folder that runs where it lies, beside the host's own libraries."""

import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ftjob.engine.caffe.apt import Progress
from ftjob.engine.caffe.builds import CPU, Build
from ftjob.errors import EngineError, StorageError

PYTHON = "python3.9"
PROGRAMS = ("caffe", "convert_imageset", "compute_image_mean")
"""What bin/ has beside caffe-python."""

UNUSED = ("locale", "man", "info", "perl", "javascript", "lintian", "proj", "gdal")
"""Folders of usr/share that nothing here reads."""

LAUNCHER = """#!/bin/sh
# Run a program of this bundle with the bundle's own loader and libraries, wherever the folder lies.
bundle=$(dirname "$(dirname "$(realpath "$0")")")
root=$bundle/root
libraries=$root/usr/lib/{triplet}
unset PYTHONPATH LD_PRELOAD
export PYTHONHOME="$root/usr" PYTHONNOUSERSITE=1
exec "$root"/lib/{triplet}/ld-2.31.so \\
    --library-path "$libraries/openblas-pthread:$root/lib/{triplet}:$libraries:$root/usr/lib{last}" \\
    "$root/usr/bin/{program}" "$@"
"""


def unpack(debs: list[Path], root: Path, done_folder: Path, progress: Progress) -> None:
    """Unpack packages, two at a time; those with a mark in `done_folder` were unpacked before."""
    done_folder.mkdir(parents=True, exist_ok=True)
    root.mkdir(parents=True, exist_ok=True)
    todo = [deb for deb in debs if not (done_folder / deb.name).exists()]
    with ThreadPoolExecutor(max_workers=2) as pool:
        jobs = [pool.submit(_unpack_package, deb, root, done_folder) for deb in todo]
        try:
            for count, job in enumerate(jobs, start=len(debs) - len(todo) + 1):
                job.result()
                progress(count, len(debs), "packages unpacked")
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _unpack_package(deb: Path, root: Path, done_folder: Path) -> None:
    done = subprocess.run(
        ["dpkg-deb", "-x", str(deb), str(root)], check=False, capture_output=True, text=True
    )
    if "No space left" in done.stderr:
        raise StorageError(
            f"the disk of {root} is full: free about 1 GB, or set $FTJOB_CACHE, and run this again"
        )
    if done.returncode:
        deb.unlink(missing_ok=True)
        raise EngineError(
            f"{deb.name} cannot be unpacked and was removed ({done.stderr.strip()}): run this again"
        )
    (done_folder / deb.name).touch()


def drop_unused(root: Path) -> None:
    """Remove documentation and translations; the packages' copyright files stay."""
    for name in UNUSED:
        shutil.rmtree(root / "usr" / "share" / name, ignore_errors=True)
    for path in (root / "usr" / "share" / "doc").glob("*/*"):
        if path.name != "copyright" and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()


def write_launchers(folder: Path, triplet: str, build: Build = CPU) -> None:
    """Write bin/, one small script for each program."""
    (folder / "bin").mkdir(exist_ok=True)
    last = build.last and f":{build.last}"
    for name, program in {"caffe-python": PYTHON, **{each: each for each in PROGRAMS}}.items():
        path = folder / "bin" / name
        path.write_text(LAUNCHER.format(triplet=triplet, program=program, last=last))
        path.chmod(0o755)
