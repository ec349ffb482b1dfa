"""Names of runs: as users write them, as folders, and as addresses on a cluster."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ftjob.errors import BadSpecError
from ftjob.fs.paths import cache_dir
from ftjob.runfolder.layout import RunFolder
from ftjob.storage import local_path

CLUSTER = "ftj://"
"""Begins the address of a run on a cluster: ftj://CONTEXT/NAMESPACE/NAME/RUN-ID, the context perhaps empty,
or with slashes, as those of EKS have."""


@dataclass(frozen=True)
class RunAddress:
    """Where one run is: `<output>/<name>/<run id>`."""

    output: str
    """A directory's path, a store's URI, or the cluster and namespace."""
    name: str
    run_id: str

    def __str__(self) -> str:
        return f"{self.output.rstrip('/')}/{self.name}/{self.run_id}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the address that a path, a URI or a note has. Raises BadSpecError where it has none."""
        parts = text.rsplit("/", 2)
        output, name, run_id = parts if len(parts) == 3 else (".", *["", *parts][-2:])
        if not name or not run_id or {name, run_id} & {".", ".."}:
            raise BadSpecError(f"{text}: is no run's folder: it is called OUTPUT/NAME/ID")
        if text.startswith(CLUSTER) and not all(output.removeprefix(CLUSTER).rpartition("/")[1:]):
            raise BadSpecError(
                f"{text}: is no run on a cluster: it is called {CLUSTER}CONTEXT/NAMESPACE/NAME/ID"
            )
        return cls(output, name, run_id)

    @classmethod
    def on_cluster(cls, context: str | None, namespace: str, name: str, run_id: str) -> Self:
        """Return the address of a FineTuneJob's run."""
        return cls(f"{CLUSTER}{context or ''}/{namespace}", name, run_id)

    @property
    def cluster(self) -> tuple[str | None, str] | None:
        """The context and the namespace of a run on a cluster; None where the address is a folder's."""
        if not self.output.startswith(CLUSTER):
            return None
        context, _, namespace = self.output.removeprefix(CLUSTER).rpartition("/")
        return context or None, namespace

    @property
    def reference(self) -> "RunReference":
        """The reference to this very run, as users write it."""
        return RunReference(self.name, self.run_id)


@dataclass(frozen=True)
class RunReference:
    """A reference to a run as users write it: NAME, NAME/ID, or the beginning of an ID."""

    name: str
    run_id: str = ""
    """An ID or its beginning; empty for whichever run has the name now."""

    def __str__(self) -> str:
        return f"{self.name}/{self.run_id}" if self.run_id else self.name

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the reference in a text that is neither a path nor a URI."""
        name, _, run_id = text.partition("/")
        return cls(name, run_id)

    def among(self, known: Iterable[RunAddress]) -> list[RunAddress]:
        """Return the runs it refers to among those known, oldest first: for a name alone the newest."""
        known = list(known)
        named = [each for each in known if each.name == self.name and each.run_id.startswith(self.run_id)]
        meant = named if self.run_id else named[-1:]
        return meant or [each for each in known if each.run_id.startswith(str(self))]


def location_of(output: str, name: str, run_id: str) -> str:
    """Return where a run lives: `<output>/<name>/<run id>`, a path or URI."""
    return str(RunAddress(output, name, run_id))


def names_of(location: str) -> tuple[str, str]:
    """Return the name and the id of the run at a path or URI. Raises BadSpecError where it has none."""
    address = RunAddress.parse(location)
    return address.name, address.run_id


def snapshot_of(reference: str) -> tuple[str, int | None]:
    """Return the run and the iteration that NAME[@ITERATION] means; no iteration for the bundled weights."""
    name, _, iteration = reference.partition("@")
    return name, int(iteration) if iteration else None


def work_folder(location: str) -> RunFolder:
    """Return the folder on this disk that a worker works in: the run's own, or its copy in the cache."""
    return RunFolder(local_path(location) or _copy("work", location))


def seen_folder(location: str) -> RunFolder:
    """Return the folder on this disk that a run is read from: the run's own, or a copy of what was read."""
    return RunFolder(local_path(location) or _copy("seen", location))


def _copy(kind: str, location: str) -> Path:
    address = RunAddress.parse(location)
    digest = hashlib.sha256(address.output.encode()).hexdigest()[:16]
    return cache_dir() / kind / digest / address.name / address.run_id
