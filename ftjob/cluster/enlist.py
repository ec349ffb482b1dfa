"""A run's folder, as the cluster touches it: the spec that a worker finds, the status that it leaves."""

import json
from functools import lru_cache
from pathlib import Path

from ftjob.cluster.request import FREE_SECTIONS
from ftjob.errors import StorageError
from ftjob.layout import RunFolder
from ftjob.prepare import Context, absolute
from ftjob.status import Status
from ftjob.storage import MissingError, Store, is_remote, open_store
from jobspec import JobSpec, SpecError, dump_spec, parse_spec

_NAMES = RunFolder(Path())
SPEC, STATUS = _NAMES.key(_NAMES.spec), _NAMES.key(_NAMES.status)


def store_of(folder: str) -> Store:
    """Return the store at a run's folder; every bucket is connected to once, which takes its time."""
    if not is_remote(folder):
        return open_store(folder)
    scheme, _, path = folder.partition("://")
    bucket, _, prefix = path.partition("/")
    return _connected(f"{scheme}://{bucket}").child(prefix)


@lru_cache(maxsize=64)
def _connected(bucket: str) -> Store:
    return open_store(bucket)


def enlist(folder: str, spec: JobSpec, context: Context) -> None:
    """Have a run's folder hold the spec to be worked on; doing it again changes nothing.

    Where one is there already, only what may change during a run is taken over: the rest is the run's
    identity. Raises StorageError, or BadSpecError where a run it refers to is not known.
    """
    before = _spec_there(folder)
    written = absolute(spec, context) if before is None else _brought_up_to_date(before, spec)
    if written != before:
        store_of(folder).write(SPEC, dump_spec(written).encode())


def read_run(folder: str) -> Status | None:
    """Return a run's status; None where the run was never begun. Raises StorageError."""
    try:
        text = store_of(folder).read(STATUS)
    except MissingError:
        return None
    try:
        return Status.from_json(json.loads(text))
    except (ValueError, KeyError, TypeError) as error:
        raise StorageError(f"{folder}/{STATUS}: is no run's status ({error}): remove it") from None


def _brought_up_to_date(before: JobSpec, spec: JobSpec) -> JobSpec:
    """Return the spec that is there with what may change; what a run is measured by stays."""
    fresh = {section: getattr(spec, section) for section in FREE_SECTIONS}
    if spec.accept.not_below is not None:
        fresh["accept"] = before.accept
    return before.model_copy(update=fresh)


def _spec_there(folder: str) -> JobSpec | None:
    try:
        return parse_spec(store_of(folder).read(SPEC).decode(), f"{folder}/{SPEC}")
    except MissingError:
        return None
    except (SpecError, UnicodeDecodeError) as error:
        raise StorageError(f"{folder}/{SPEC}: cannot be read ({error}): remove it") from None
