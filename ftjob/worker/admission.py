"""Whether a worker may work in a run's folder, and what it writes there first: its owner and its spec.

The worker decides both with its own credentials. One that is refused changes nothing in the folder.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from ftjob.errors import BadSpecError, StorageError
from ftjob.fs.documents import SMALL, UnreadableError, check_size, parse_as, read_as
from ftjob.fs.user import user_name
from ftjob.runfolder.layout import RunFolder
from ftjob.runfolder.status import State, Status
from ftjob.storage import MissingError, Store
from ftjob.worker.owner import JobOwner, Owner, UserOwner, owner_after, parse_owner
from ftjob.worker.pod.context import PodContext
from jobspec import FREE_SECTIONS, JobSpec, SpecError, dump_spec, load_spec, parse_spec
from jobspec.load import MAX_BYTES
from jobspec.locations import run_references
from jobspec.spec import FREE_OF_STAGE

_NAMES = RunFolder(Path())
OWNER, SPEC, STATUS = (_NAMES.key(path) for path in (_NAMES.owner, _NAMES.spec, _NAMES.status))
T = TypeVar("T")


@dataclass(frozen=True)
class Arrival:
    """What a worker brings to a run's folder."""

    attempt: int
    """As its owner counts: a cluster's begins at 1 with every FineTuneJob."""
    owner: Owner
    spec: JobSpec | None = None
    """None where the submitter wrote it into the folder."""
    accounted: tuple[float, float] = (0.0, 0.0)
    """Seconds and dollars of its owner's earlier pods, as the cluster has them."""


@dataclass(frozen=True)
class Standing:
    """The state of a run's folder when a worker opens it."""

    owner: Owner
    """The owner once that worker has the folder."""
    status: Status | None
    """The last status; None before the first attempt."""

    def done(self, run_id: str) -> Status | None:
        """Return the last status if this very run has already succeeded."""
        status = self.status
        return status if status and status.state is State.SUCCEEDED and status.run_id == run_id else None


def arrival_of(attempt: int, spec: Path | None, owner: Path | None, pod: PodContext) -> Arrival:
    """Return what a worker brings; without an owner's file this user is the owner. Raises BadSpecError."""
    mine = read_job_owner(owner) if owner else this_user()
    return Arrival(attempt, mine, read_spec(spec) if spec else None, pod.spent)


def read_spec(path: Path) -> JobSpec:
    """Return the spec in a file. Raises BadSpecError."""
    try:
        return load_spec(path)
    except SpecError as error:
        raise BadSpecError(str(error)) from error


def read_job_owner(path: Path) -> JobOwner:
    """Return the FineTuneJob that a pod's file names. Raises BadSpecError."""
    try:
        return read_as(JobOwner, path)
    except (OSError, UnreadableError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise BadSpecError(
            f"{path}: names no FineTuneJob ({why}): the controller gives it to its pods"
        ) from None


def this_user() -> UserOwner:
    """Return the user of this process, by number where the machine has no name for it."""
    return UserOwner(user=user_name())


def standing_of(store: Store, arrival: Arrival) -> Standing:
    """Return the state of a run's folder for a worker, without changing it.

    Raises BadSpecError for another's folder, StorageError where it cannot be read.
    """
    return _read_standing(store, arrival)[1]


def owner_there(store: Store) -> Owner | None:
    """Return the owner of a run's folder, None without one. Raises StorageError."""
    return _read(store, OWNER, parse_owner)


def own(store: Store, arrival: Arrival) -> Standing:
    """Write the owner into a run's folder, and return how it stands. Raises as `standing_of` does."""
    found, standing = _read_standing(store, arrival)
    if standing.owner != found:
        store.write(OWNER, standing.owner.render())
    return standing


def settle(store: Store, arrival: Arrival) -> Standing:
    """Write the owner and the worker's spec into a run's folder; return how it stands.

    Of a second spec only the sections that may change during a run are taken over: the rest is the run's
    identity. Raises as `standing_of` does, and BadSpecError for a spec that refers to another run.
    """
    standing = own(store, arrival)
    if arrival.spec is not None:
        before = _spec_there(store)
        spec = arrival.spec if before is None else brought_up_to_date(before, arrival.spec)
        refuse_references(spec)
        if spec != before:
            store.write(SPEC, dump_spec(spec).encode())
    return standing


def brought_up_to_date(before: JobSpec, spec: JobSpec) -> JobSpec:
    """Return the earlier spec with the free sections of the new one; an `accept` that refers to a run stays
    what it was resolved to."""
    fresh = {section: getattr(spec, section) for section in FREE_SECTIONS}
    if "accept.not_below" in run_references(spec):
        fresh["accept"] = before.accept
    if before.stages and spec.stages:
        fresh["stages"] = [
            stage.model_copy(update={section: getattr(new, section) for section in FREE_OF_STAGE})
            for stage, new in zip(before.stages, spec.stages, strict=False)
        ]
    return before.model_copy(update=fresh)


def refuse_references(spec: JobSpec) -> None:
    """Raise BadSpecError for a spec that refers to another run: a pod sees only its own."""
    for field, value in run_references(spec).items():
        raise BadSpecError(f"{field}: {value} is known only where it was submitted: `ftjob submit` the spec")


def _read_standing(store: Store, arrival: Arrival) -> tuple[Owner | None, Standing]:
    """Return the present owner of the folder, and its state for the worker."""
    found = owner_there(store)
    status = _read(store, STATUS, partial(parse_as, Status))
    return found, Standing(
        owner_after(found, arrival.owner, status, store.location, arrival.accounted, arrival.attempt), status
    )


def _spec_there(store: Store) -> JobSpec | None:
    return _read(store, SPEC, lambda data: parse_spec(data.decode(), f"{store.location}/{SPEC}"), MAX_BYTES)


def _read(store: Store, key: str, parse: Callable[[bytes], T], largest: int = SMALL) -> T | None:
    """Return a document of the folder, None where it is not there. Raises StorageError."""
    try:
        entry = store.stat(key)
        if entry is None:
            return None
        check_size(entry.size, largest)
        return parse(store.read(key))
    except MissingError:
        return None
    except ValueError as error:  # UnreadableError, SpecError, UnicodeDecodeError
        raise StorageError(f"{store.location}/{key}: cannot be read ({error}): remove it") from None
