"""Where a run's folder is: `<output>/<name>/<run id>`, a path or URI, and where it is worked on and read."""

import hashlib
from pathlib import Path

from ftjob.errors import BadSpecError
from ftjob.layout import RunFolder
from ftjob.paths import cache_dir
from ftjob.storage import local_path


def location_of(output: str, name: str, run_id: str) -> str:
    """Return where a run lives: `<output>/<name>/<run id>`, a path or URI."""
    return f"{output.rstrip('/')}/{name}/{run_id}"


def names_of(location: str) -> tuple[str, str]:
    """Return the name and the id of the run at a path or URI. Raises BadSpecError where it has none."""
    _, name, run_id = _parts(location)
    return name, run_id


def work_folder(location: str) -> RunFolder:
    """Return the folder on this disk that a worker works in: the run's own, or its copy in the cache."""
    return RunFolder(local_path(location) or _copy("work", location))


def seen_folder(location: str) -> RunFolder:
    """Return the folder on this disk that a run is read from: the run's own, or a copy of what was read."""
    return RunFolder(local_path(location) or _copy("seen", location))


def _copy(kind: str, location: str) -> Path:
    output, name, run_id = _parts(location)
    digest = hashlib.sha256(output.encode()).hexdigest()[:16]
    return cache_dir() / kind / digest / name / run_id


def _parts(location: str) -> tuple[str, str, str]:
    output, name, run_id = (["", "", *location.rsplit("/", 2)])[-3:]
    if not name or not run_id or {name, run_id} & {".", ".."}:
        raise BadSpecError(f"{location}: is no run's folder: it is called OUTPUT/NAME/ID")
    return output, name, run_id
