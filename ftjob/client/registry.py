"""Finding runs: what was submitted on this machine, and what a name on the command line means."""

import time
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from ftjob.errors import BadSpecError, StorageError
from ftjob.fs import documents, files
from ftjob.fs.paths import cache_dir, expanded
from ftjob.models.alias import MODELS, Alias, AliasReference
from ftjob.models.current import PromotedModel, current_model, models_in
from ftjob.models.history import History, history_of
from ftjob.runfolder.address import RunAddress, RunReference
from ftjob.runfolder.layout import RunFolder
from ftjob.runfolder.status import Moment
from ftjob.storage import Store, local_path
from jobspec.grammar import ALIAS_REFERENCE

SEARCH_SECONDS = 10.0
"""How long a store may be unreachable while several are searched for an alias."""


def remember(location: str, output: str = "") -> None:
    """Record a submitted run, so that its name is enough from now on; of one on a cluster also the `output`
    of its spec. Raises StorageError."""
    address = RunAddress.parse(location)
    note = {"folder": location, "submitted": time.time(), **({"output": output} if output else {})}
    files.write_json(_notes() / address.name / f"{address.run_id}.json", note)


@dataclass(frozen=True)
class RunNote:
    """What is remembered of a run."""

    folder: str
    """Its path or URI."""
    submitted: Moment
    output: str = ""
    """Of a run on a cluster, the output that its spec names."""

    @property
    def root(self) -> str:
        """The output that the run is in; empty where that is not known here."""
        address = RunAddress.parse(self.folder)
        return self.output if address.cluster else address.output


def known_runs(name: str = "*") -> list[str]:
    """Return the paths and URIs of the runs submitted on this machine, oldest submit first.

    Those whose folders are gone from this disk are left out.
    """
    return read_notes(name)[0]


def read_notes(name: str = "*") -> tuple[list[str], list[str]]:
    """Return what `known_runs` does, and a sentence for each note that cannot be read."""
    notes, unreadable = _read_notes(name)
    return [note.folder for note in notes], unreadable


def known_outputs() -> list[str]:
    """Return the outputs of the runs submitted on this machine, each once, the last used first."""
    roots = (note.root for note in reversed(_read_notes("*")[0]))
    return [*dict.fromkeys(root for root in roots if root)]


def _read_notes(name: str) -> tuple[list[RunNote], list[str]]:
    """Return the notes of runs that are there, oldest submit first, and a sentence for each unreadable."""
    found: list[RunNote] = []
    unreadable = []
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
                    found.append(note)
        except StorageError as error:
            unreadable.append(str(error))
    return sorted(found, key=lambda note: (note.submitted, note.folder)), unreadable


def find_run(reference: str) -> str:
    """Return the path or URI of the run that NAME (its newest), NAME/ID, an ID's beginning, a run folder's
    path or URI, or alias:NAME means.

    Raises BadSpecError where there is none, or more than one, StorageError where an alias cannot be read.
    """
    if reference.startswith(ALIAS_REFERENCE):
        return find_model(reference).location
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


def find_model(reference: str, output: str | None = None) -> PromotedModel:
    """Return the model that alias:NAME or alias:NAME@NUMBER means: in an output, or by `find_alias`.

    Its `location` is the folder of its run. Raises BadSpecError, StorageError.
    """
    asked = AliasReference.parse(reference)
    alias = find_alias(asked) if output is None else Alias(output, asked.name)
    return current_model(alias, asked.number)


def find_history(reference: str) -> History:
    """Return the history of the alias that NAME or its folder means. Raises BadSpecError, StorageError."""
    return history_of(named_alias(reference))


def named_alias(reference: str) -> Alias:
    """Return the alias that NAME or its folder means. Raises BadSpecError, StorageError."""
    return find_alias(AliasReference.parse(reference))


def find_alias(reference: AliasReference) -> Alias:
    """Return the alias that NAME, in an output of a run submitted here, or OUTPUT/models/NAME means.

    Raises BadSpecError where no output is known, or several have an alias of that name; StorageError where
    none has it, but not all can be read.
    """
    if reference.output is not None:
        return Alias(_rooted(reference.output), reference.name)
    outputs = known_outputs()
    if not outputs:
        raise BadSpecError(
            f"alias:{reference.name}: no run was submitted on this machine yet: give the alias's folder, "
            f"OUTPUT/{MODELS}/{reference.name}"
        )
    aliases = [Alias(output, reference.name) for output in outputs]
    if len(aliases) == 1:
        return aliases[0]
    found, in_use, unreadable = [], [], []
    for alias in aliases:
        try:
            newest = history_of(alias, patience=SEARCH_SECONDS).newest()
        except StorageError as error:
            unreadable.append(str(error))
        else:
            found += [alias] if newest else []
            in_use += [alias] if newest and not newest.removed else []
    if len(found) == 1 or len(in_use) == 1:
        return (in_use or found)[0]
    if found:
        places = ", ".join(alias.location for alias in found)
        raise BadSpecError(f"alias:{reference.name}: is in several outputs: give {places}")
    if unreadable:
        raise StorageError(f"alias:{reference.name}: {unreadable[0]}")
    raise history_of(aliases[0]).unknown()


def known_aliases(output: str | None = None) -> tuple[list[PromotedModel], list[str]]:
    """Return the newest promotion or removal of every alias of an output, or else of all outputs of the runs
    submitted here, and a sentence for each output or alias that cannot be read.

    Raises StorageError where the output that is given cannot be read.
    """
    if output is not None:
        return models_in(_rooted(output))
    found, unreadable = [], []
    for each in known_outputs():
        try:
            models, problems = models_in(each, patience=SEARCH_SECONDS)
        except StorageError as error:
            problems = [str(error)]
        else:
            found += models
        unreadable += problems
    return found, unreadable


def _rooted(output: str) -> str:
    """Return an output as users write it with its path made absolute."""
    return output.rstrip("/") if local_path(output) is None else str(expanded(output).absolute())


def newest_run(store: Store) -> str | None:
    """Return the id of the run below a name whose status changed last. Raises StorageError."""
    statuses = [
        entry for entry in store.list() if entry.key.count("/") == 1 and entry.key.endswith("/status.json")
    ]
    return max(statuses, key=lambda entry: entry.modified).key.partition("/")[0] if statuses else None


def _notes() -> Path:
    return cache_dir() / "runs"
