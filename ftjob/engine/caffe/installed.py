"""Which Caffe this machine has: the record that `ftjob engine install caffe` leaves in the cache."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from ftjob.engine.caffe.gpucode import GpuCode
from ftjob.errors import EngineError
from ftjob.fs.paths import cache_dir

INSTALL_HINT = "run `ftjob engine install caffe`"


@dataclass(frozen=True)
class CaffeInstallation:
    """A Caffe that was tested and works."""

    python: Path
    """The Python that can import it."""
    binaries: Path | None
    """The folder of `caffe`, `convert_imageset` and the like, if there is one."""
    version: str
    origin: str
    """`bundle` where ftjob unpacked it, `system` where it was there before."""
    gpu: GpuCode | None = None
    """What a bundle has for GPUs; None without any, and where it is not known."""

    def program(self, name: str) -> Path:
        """Return the path of one of Caffe's own programs, such as `caffe` or `convert_imageset`."""
        found = shutil.which(name, path=str(self.binaries)) if self.binaries else None
        if found is None:
            raise EngineError(f"the installed Caffe has no program {name}: {INSTALL_HINT} without --python")
        return Path(found)


def engine_dir() -> Path:
    """Return Caffe's folder, below $FTJOB_ENGINES or in the cache. It need not exist yet.

    Container images have their engines in a folder that is part of them, and a cache that is empty.
    """
    engines = os.environ.get("FTJOB_ENGINES")
    return (Path(engines) if engines else cache_dir() / "engines").absolute() / "caffe"


def record_path() -> Path:
    """Return the record's path: written last, so Caffe is installed when this exists."""
    return engine_dir() / "installed.json"


def has_caffe() -> bool:
    """Return whether Caffe was installed on this machine; `find_caffe` checks that it is whole."""
    return record_path().exists()


def find_caffe() -> CaffeInstallation:
    """Return the installed Caffe, or raise EngineError saying how to install it."""
    found = read_record(engine_dir())
    if not found.python.exists():
        raise EngineError(f"the installed Caffe's {found.python} is gone: {INSTALL_HINT} again")
    return found


def read_record(folder: Path) -> CaffeInstallation:
    """Return the Caffe that an engine's folder records. Raises EngineError where it records none."""
    path = folder / record_path().name
    try:
        record = json.loads(path.read_text())
        binaries = record["binaries"]
        return CaffeInstallation(
            python=folder / record["python"],
            binaries=folder / binaries if binaries else None,
            version=record["version"],
            origin=record["origin"],
            gpu=GpuCode.from_record(record["cuda"]) if "cuda" in record else None,
        )
    except FileNotFoundError:
        raise EngineError(f"Caffe is not installed on this machine: {INSTALL_HINT}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EngineError(f"{path} cannot be read ({error}): {INSTALL_HINT} again") from error


def write_record(found: CaffeInstallation) -> None:
    """Record an installation, atomically; paths inside the cache are kept relative, so it may be moved."""
    record = {
        "python": _relative(found.python),
        "binaries": _relative(found.binaries) if found.binaries else None,
        "version": found.version,
        "origin": found.origin,
        **({"cuda": found.gpu.to_record()} if found.gpu else {}),
    }
    partial = record_path().with_suffix(".partial")
    partial.write_text(json.dumps(record, indent=2) + "\n")
    partial.replace(record_path())


def _relative(path: Path) -> str:
    return str(path.relative_to(engine_dir()) if path.is_relative_to(engine_dir()) else path)
