"""Reading a run that lives in a store: what is asked for is brought to this disk, and read there."""

import dataclasses
import time
from collections.abc import Iterable
from pathlib import Path

from ftjob.documents import SMALL, explained
from ftjob.layout import RunFolder
from ftjob.outcomes import Reason
from ftjob.status import State, Status
from ftjob.storage import Store
from ftjob.worker.lease import BEAT_SECONDS, key_of, newest_lease, place_of
from ftjob.worker.tail import bring_parts

SILENT_SECONDS = 90.0
"""A worker whose lease was not renewed for so long is gone: three times what another worker waits, since here
the store's clock is held against this machine's."""


def bring_growing(store: Store, folder: RunFolder, paths: Iterable[Path]) -> None:
    """Bring growing files as far as the store has them. Raises StorageError."""
    for path in paths:
        bring_parts(store, folder.key(path), path)


def bring_logs(store: Store, folder: RunFolder) -> None:
    """Bring the logs of all attempts. Raises StorageError."""
    bring_growing(store, folder, (folder.log(number) for number in attempts(store, folder)))


def attempts(store: Store, folder: RunFolder) -> list[int]:
    """Return the numbers of the attempts that left a log. Raises StorageError."""
    names = [entry.key.rpartition("/")[2] for entry in store.list(folder.key(folder.logs))]
    return sorted(number for name in names if (number := folder.attempt_of(name)))


def read_status(store: Store, folder: RunFolder) -> Status:
    """Return a run's status; Interrupted where it says Running and its worker gave no sign for long.

    Raises StorageError.
    """
    key = folder.key(folder.status)
    with explained(f"{store.location}/{key}"):
        status = Status.parse(store.read(key, largest=SMALL))
    if status.state is State.RUNNING and not is_held(store, folder):
        told = "its worker is gone: submit the same spec to go on from the last snapshot"
        return dataclasses.replace(status, state=State.INTERRUPTED, reason=Reason.WORKER_GONE, message=told)
    return status


def is_held(store: Store, folder: RunFolder) -> bool:
    """Return whether a worker is at a run. `folder` is where one on this machine would be; none is there."""
    newest = newest_lease(store)
    if newest is None:
        return False
    number, held = newest
    entry = store.stat(key_of(number))
    gone = held.released or held.place == place_of(folder)
    return not gone and entry is not None and time.time() - entry.modified < SILENT_SECONDS


def is_beating(store: Store, folder: RunFolder) -> bool:
    """Return whether a worker shows a sign of life within two beats, for who must not wait a lease's time."""
    seen, begin = newest_lease(store), time.monotonic()
    if not is_held(store, folder):
        return False
    while time.monotonic() - begin < 2.5 * BEAT_SECONDS:
        time.sleep(1)
        now = newest_lease(store)
        if now != seen:
            return now is not None and not now[1].released
    return False


def newest_run(store: Store) -> str | None:
    """Return the id of the run below a name whose status changed last. Raises StorageError."""
    told = [
        entry for entry in store.list() if entry.key.count("/") == 1 and entry.key.endswith("/status.json")
    ]
    return max(told, key=lambda entry: entry.modified).key.partition("/")[0] if told else None
