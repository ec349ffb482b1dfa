"""`ftjob engine install caffe`: real Caffe in the user's cache, without root, container or compiler."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from ftjob.engine.caffe.apt import Progress
from ftjob.engine.caffe.client import probe
from ftjob.engine.caffe.debian import make_bundle
from ftjob.engine.caffe.installed import CaffeInstallation, engine_dir, find_caffe, write_record
from ftjob.errors import EngineError, StorageError
from ftjob.fs import locks


def install_caffe(
    *, python: Path | None = None, mirror: str | None = None, progress: Progress
) -> CaffeInstallation:
    """Install Caffe, or record the pycaffe of `python`; return at once if that is already done.

    An interrupted install continues where it stopped; of two at once, the second waits for the first.
    Raises EngineError where this machine cannot have it, with what can be done; StorageError on a full disk.
    """
    with _alone(progress) as lock_fd:
        found = _installed()
        if found and (python is None or python.absolute() == found.python):
            return found
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
        if not locks.acquire(stream.fileno(), wait=False):
            progress(0, 1, "waiting for another install")
            locks.acquire(stream.fileno(), wait=True)
            progress(1, 1, "waiting for another install")
        yield stream.fileno()
