"""`ftjob engine install caffe`: real Caffe in the user's cache, without root or compiler."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from ftjob.engine.caffe.apt import Progress
from ftjob.engine.caffe.client import probe
from ftjob.engine.caffe.debian import make_bundle
from ftjob.engine.caffe.from_image import take_from_image
from ftjob.engine.caffe.installed import CaffeInstallation, engine_dir, find_caffe, read_record, write_record
from ftjob.errors import BadSpecError, EngineError, StorageError
from ftjob.fs import flock

HOW_TO_BUILD = (
    "engine install caffe --cuda: a Caffe for GPUs is compiled in a container image: build it in a clone of "
    "ftjob (`docker build --target worker-caffe-cuda --tag worker-caffe-cuda .`), save it (`docker save "
    "worker-caffe-cuda --output caffe.tar`) and add --from caffe.tar"
)


def install_caffe(
    *,
    python: Path | None = None,
    mirror: str | None = None,
    image: Path | None = None,
    cuda: bool = False,
    progress: Progress,
) -> CaffeInstallation:
    """Install Caffe: Debian's, or the one in a saved container image, or record the pycaffe of `python`.

    Returns at once if that is already done; with `cuda`, if what is installed computes on GPUs. An
    interrupted install continues where it stopped; of two at once, the second waits for the first.
    Raises BadSpecError for a file that has no such Caffe, EngineError where this machine cannot have it, with
    what can be done; StorageError on a full disk.
    """
    if image and python:
        raise BadSpecError("engine install: --python and --from name two sources of Caffe: give one of them")
    with _alone(progress) as lock_fd:
        found = _installed()
        wanted = found and (not cuda or found.gpu) and (python is None or python.absolute() == found.python)
        if found and wanted and image is None:
            return found
        if image:
            return _from_image(image, cuda, progress)
        if cuda:
            raise BadSpecError(HOW_TO_BUILD)
        found = _bundle(mirror, progress, lock_fd) if python is None else _system(python)
        write_record(found)
        shutil.rmtree(engine_dir() / "apt", ignore_errors=True)
        return found


def _installed() -> CaffeInstallation | None:
    try:
        return find_caffe()
    except EngineError:
        return None


def _bundle(mirror: str | None, progress: Progress, lock_fd: int) -> CaffeInstallation:
    folder = engine_dir()
    python = folder / "bin" / "caffe-python"
    if not python.exists():
        make_bundle(folder, mirror, progress, lock_fd)
    progress(0, 1, "programs checked")
    try:
        version = probe(python)
        _import_whole_package(python)
    except EngineError:
        shutil.rmtree(folder / "bin")  # so that the next try does not take this bundle for a whole one
        raise
    progress(1, 1, "programs checked")
    return CaffeInstallation(python, folder / "bin", version, "bundle")


def _from_image(image: Path, cuda: bool, progress: Progress) -> CaffeInstallation:
    """Replace what is installed by an image's Caffe, once that is seen to compute."""
    folder = engine_dir().with_name("caffe.new")
    shutil.rmtree(folder, ignore_errors=True)
    try:
        take_from_image(image, folder, progress)
        found = read_record(folder)
        if cuda and not found.gpu:
            raise BadSpecError(
                f"--from {image}: its Caffe computes on processors only: save the image worker-caffe-cuda"
            )
        progress(0, 1, "programs checked")
        probe(found.python)
        shutil.rmtree(engine_dir())
        folder.rename(engine_dir())
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    progress(1, 1, "programs checked")
    return find_caffe()


def _import_whole_package(python: Path) -> None:
    """Import all of pycaffe once: it proves the libraries, and leaves its modules compiled."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [python, "-c", "import caffe"], check=False, capture_output=True, text=True, env=environment
    )
    if done.returncode:
        raise EngineError(f"the unpacked Caffe does not import: {done.stderr.strip().splitlines()[-1]}")


def _system(python: Path) -> CaffeInstallation:
    python = python.absolute()
    try:
        version = probe(python)
    except EngineError as error:
        raise EngineError(
            f"--python {python}: {error}; name one that does, or leave --python out to have Caffe unpacked"
        ) from error
    program = shutil.which("caffe")
    return CaffeInstallation(python, Path(program).parent if program else None, version, "system")


@contextlib.contextmanager
def _alone(progress: Progress) -> Iterator[int]:
    """Hold the one lock of all installs into this cache; yield its file descriptor."""
    try:
        engine_dir().mkdir(parents=True, exist_ok=True)
        stream = (engine_dir().parent / "caffe.lock").open("w")
    except OSError as error:
        raise StorageError(
            f"ftjob's cache cannot be written ({error}): set $FTJOB_CACHE to a folder that can"
        ) from error
    with stream:
        if not flock.acquire(stream.fileno(), wait=False):
            progress(0, 1, "waiting for another install")
            flock.acquire(stream.fileno(), wait=True)
            progress(1, 1, "waiting for another install")
        yield stream.fileno()
