"""Caffe with CUDA, compiled as the Dockerfile does and kept on this machine: too long for every run."""

import hashlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from ftjob.engine.caffe.from_image import INSIDE, take_from_image
from tests.cluster.bed.build import Progress, print_progress

if TYPE_CHECKING:
    from tests.cluster.bed.images import Buildah

ROOT = Path(__file__).parents[3]
STAND_IN = Path(__file__).parent / "caffe-cuda"
"""Has the place of a bundle that was not compiled here: its record, and no program."""
ARCH, PTX = "37", "60"
"""A K80's machine code, and PTX: half of the time that all architectures take."""
MODULES = ("apt", "builds", "debian", "unpack")
MADE_OF = ("tools/compile-caffe", *(f"ftjob/engine/caffe/{name}.py" for name in MODULES))


def bundle(bed: Path) -> Path | None:
    """Return the folder whose opt/engines has this tree's bundle; None where it was not compiled here."""
    folder = _folder(bed)
    return folder if (folder / INSIDE / "installed.json").exists() else None


def compile_bundle(buildah: "Buildah", progress: Progress = print_progress) -> Path:
    """Return that folder, compiled by the Dockerfile's own stages if need be."""
    if found := bundle(buildah.bed):
        return found
    folder = _folder(buildah.bed)
    shutil.rmtree(folder.parent, ignore_errors=True)  # those of earlier trees
    partial = folder.with_name("partial")
    partial.mkdir(parents=True)
    name, archive = "test.local/caffe-cuda:new", partial / "image.tar"
    buildah.ensure_base(progress)
    progress(f"compiling Caffe with CUDA for sm_{ARCH} and PTX {PTX}: 15 minutes on two cores")
    buildah.build(
        "caffe-cuda", name, f"--build-arg=CUDA_ARCH={ARCH}", f"--build-arg=CUDA_PTX={PTX}", "--layers=false"
    )
    buildah.run("push", "--quiet", name, f"docker-archive:{archive}")
    take_from_image(archive, partial / INSIDE, lambda done, of, what: None)
    archive.unlink()
    buildah.run("rmi", name)
    partial.rename(folder)
    return folder


def _folder(bed: Path) -> Path:
    """The bundle's place, beside the bed: a program of it is Caffe, not the cluster's (tests/tiers.py)."""
    stages = (ROOT / "Dockerfile").read_text().partition("AS bundles")[2].partition("AS torch")[0]
    digest = hashlib.sha256(f"{ARCH} {PTX} {stages}".encode())
    for name in MADE_OF:
        digest.update((ROOT / name).read_bytes())
    return bed.with_name("caffe-cuda") / digest.hexdigest()[:12]
