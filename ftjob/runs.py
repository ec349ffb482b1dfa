"""Finding runs: what was submitted on this machine, and what a name on the command line means."""

import hashlib
import json
import time
from pathlib import Path

from ftjob import files
from ftjob.errors import BadSpecError
from ftjob.layout import RunFolder
from ftjob.paths import cache_dir
from ftjob.storage import is_remote


def run_folder(output: str, name: str, run_id: str) -> RunFolder:
    """Return where a run lives: `<output>/<name>/<run id>/`."""
    return RunFolder(Path(output) / name / run_id)


def work_folder(location: str) -> RunFolder:
    """Return where on this disk a run at a path or URI is worked on: there, or in the cache."""
    if not is_remote(location):
        return RunFolder(Path(location).absolute())
    output, name, run_id = location.rsplit("/", 2)
    digest = hashlib.sha256(output.encode()).hexdigest()[:16]
    return RunFolder(cache_dir() / "work" / digest / name / run_id)


def remember(folder: RunFolder) -> None:
    """Note a submitted run, so that its name is enough from now on. Raises StorageError."""
    note = _notes() / folder.root.parent.name / f"{folder.root.name}.json"
    files.write_json(note, {"folder": str(folder.root), "submitted": time.time()})


def known_runs(name: str = "*") -> list[RunFolder]:
    """Return the runs submitted on this machine whose folders are still there, oldest submit first."""
    found = []
    for note in _notes().glob(f"{name}/*.json"):
        told = json.loads(note.read_text(encoding="utf-8"))
        folder = RunFolder(Path(told["folder"]))
        if folder.spec.exists():
            found.append((told["submitted"], folder))
    return [folder for _, folder in sorted(found, key=lambda pair: pair[0])]


def find_run(reference: str) -> RunFolder:
    """Return the run that NAME (its newest), NAME/ID, an ID's beginning or a run folder's path means.

    Raises BadSpecError where there is none, or more than one.
    """
    path = Path(reference).expanduser()
    if (path / "spec.yaml").is_file():
        return RunFolder(path.absolute())
    name, _, prefix = reference.partition("/")
    runs = known_runs()
    named = [run for run in runs if run.root.parent.name == name and run.root.name.startswith(prefix)]
    matches = named[-1:] if named and not prefix else named
    matches = matches or [run for run in runs if run.root.name.startswith(reference)]
    if len(matches) == 1:
        return matches[0]
    names = sorted({run.root.parent.name for run in runs})
    if matches:
        ids = ", ".join(f"{run.root.parent.name}/{run.root.name}" for run in matches)
        raise BadSpecError(f"{reference}: means several runs ({ids}): give more of the id")
    known = f"known here: {', '.join(names)}" if names else "none was submitted on this machine yet"
    raise BadSpecError(f"{reference}: no such run ({known}): give NAME, NAME/ID or a run's folder")


def _notes() -> Path:
    return cache_dir() / "runs"
