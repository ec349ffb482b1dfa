"""Finding runs: what was submitted on this machine, and what a name on the command line means."""

import time
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from ftjob.errors import BadSpecError, StorageError
from ftjob.fs import documents, files
from ftjob.fs.paths import cache_dir, expanded
from ftjob.runfolder.address import RunAddress, RunReference
from ftjob.runfolder.layout import RunFolder
from ftjob.runfolder.status import Moment
from ftjob.storage import Store, local_path


def remember(location: str) -> None:
    """Record a submitted run, so that its name is enough from now on. Raises StorageError."""
    address = RunAddress.parse(location)
    files.write_json(
        _notes() / address.name / f"{address.run_id}.json", {"folder": location, "submitted": time.time()}
    )


@dataclass(frozen=True)
class RunNote:
    """What is remembered of a run."""

    folder: str
    """Its path or URI."""
    submitted: Moment


def known_runs(name: str = "*") -> list[str]:
    """Return the paths and URIs of the runs submitted on this machine, oldest submit first.

    Those whose folders are gone from this disk are left out.
    """
    return read_notes(name)[0]


def read_notes(name: str = "*") -> tuple[list[str], list[str]]:
    """Return what `known_runs` does, and a sentence for each note that cannot be read."""
    found, unreadable = [], []
    for path in sorted(_notes().glob("*/*.json")):
        if not fnmatch(path.parent.name, name):
            continue
        try:
            with documents.explained(path):
                note = documents.read_as(RunNote, path)
                if not note.folder.endswith(f"/{path.parent.name}/{path.stem}") or "\0" in note.folder:
                    raise documents.UnreadableError("folder: belongs to another run")
                here = local_path(note.folder)
                if here is None or RunFolder(here).spec.exists():
                    found.append((note.submitted, note.folder))
        except StorageError as error:
            unreadable.append(str(error))
    return [location for _, location in sorted(found)], unreadable


def find_run(reference: str) -> str:
    """Return the path or URI of the run that NAME (its newest), NAME/ID, an ID's beginning, or a run folder's
    path or URI means.

    Raises BadSpecError where there is none, or more than one.
    """
    if local_path(reference) is None:
        location = reference.rstrip("/")
        RunAddress.parse(location)
        return location
    with suppress(OSError, ValueError):  # no path: too long, a NUL
        path = expanded(reference)
        if (path / "spec.yaml").is_file():
            return str(path.resolve())
    locations = {RunAddress.parse(location): location for location in known_runs()}
    matches = RunReference.parse(reference).among(locations)
    if len(matches) == 1:
        return locations[matches[0]]
    names = sorted({address.name for address in locations})
    if matches:
        ids = ", ".join(str(address.reference) for address in matches)
        raise BadSpecError(f"{reference}: matches several runs ({ids}): give more of the id")
    known = f"known here: {', '.join(names)}" if names else "none was submitted on this machine yet"
    raise BadSpecError(f"{reference}: no such run ({known}): give NAME, NAME/ID or a run's folder or URI")


def newest_run(store: Store) -> str | None:
    """Return the id of the run below a name whose status changed last. Raises StorageError."""
    statuses = [
        entry for entry in store.list() if entry.key.count("/") == 1 and entry.key.endswith("/status.json")
    ]
    return max(statuses, key=lambda entry: entry.modified).key.partition("/")[0] if statuses else None


def _notes() -> Path:
    return cache_dir() / "runs"
