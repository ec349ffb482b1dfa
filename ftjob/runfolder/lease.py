"""One writer per run folder in a store: numbered leases, each made once, the newest of which counts.

The store need only create an object where there is none, which all of them can (docs/storage.md lists which
do so atomically). A worker takes the number after the newest; the holder of an older number finds the newer
one at its next beat and stops. A holder rewrites its own lease every few seconds: one that has not
changed for LEASE_SECONDS belongs to a worker that is gone.
"""

import json
import os
import socket
import threading
import time
import uuid
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Annotated, Self

from annotated_types import Interval

from ftjob.concurrency.periodic import Periodic
from ftjob.errors import StorageError
from ftjob.errors.outcomes import Reason
from ftjob.fs.documents import UnreadableError, parse_as
from ftjob.runfolder.layout import RunFolder
from ftjob.runfolder.lock import boot_id
from ftjob.runfolder.status import Count
from ftjob.storage import Store

BEAT_SECONDS = 5.0
LEASE_SECONDS = 30.0
"""Six beats: long enough to survive a store's hiccup, short enough to wait for at a restart."""
LARGEST = 4096
"""Bytes of a lease."""


class LeaseLostError(StorageError):
    """Another worker holds the run."""

    reason = Reason.LEASE_LOST


@dataclass(frozen=True)
class Claim:
    """The content of a lease: the worker that holds it."""

    attempt: Count
    host: str
    place: str
    """Boot, and the work folder as the disk knows it (its path is the same in every pod): of two workers with
    the same place, the folder's lock tells them apart."""
    token: str = field(default_factory=lambda: uuid.uuid4().hex)
    beat: Annotated[int, Interval(ge=0, le=2**53)] = 0
    released: bool = False

    def render(self) -> bytes:
        """Return the bytes of the lease's object."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read `render`'s bytes. Raises UnreadableError."""
        return parse_as(cls, data)


def claim(folder: RunFolder, attempt: int) -> Claim:
    """Return the claim of this process, which works in that folder and holds its lock."""
    return Claim(attempt, socket.gethostname(), place_of(folder))


def place_of(folder: RunFolder) -> str:
    """Return the name of a work folder on this machine in a lease; empty where there is no folder."""
    try:
        found = folder.root.stat()
    except FileNotFoundError:
        return ""
    return f"{boot_id()} {found.st_dev} {found.st_ino}"


class Lease:
    """The right to write a run's folder, kept by a thread until it is released or lost."""

    def __init__(self, store: Store, number: int, mine: Claim) -> None:
        self._store, self._number, self._claim = store, number, mine
        self._beat_seconds = BEAT_SECONDS
        self._lock = threading.Lock()
        self._confirmed = time.monotonic()
        self._lost: str | None = None
        self._beats: Periodic | None = None

    def __enter__(self) -> Self:
        self._beats = Periodic(self._keep, self._beat_seconds, "lease").start()
        return self

    def __exit__(self, *_: object) -> None:
        """Release the lease, so that nobody has to wait for it."""
        if self._beats:
            self._beats.close()
        if not self._lost:
            self._beat(released=True)

    def check(self) -> None:
        """Check that this worker is still the writer, with a beat of its own where one is overdue.

        Raises LeaseLostError where another took over, StorageError where the store does not answer.
        """
        if self._lost is None and time.monotonic() - self._confirmed > 2 * self._beat_seconds:
            self._beat()
        if self._lost:
            raise LeaseLostError(self._lost)

    def _keep(self) -> None:
        with suppress(StorageError):  # `check` tries again before anything is written
            if not self._lost:
                self._beat()

    def _beat(self, *, released: bool = False) -> None:
        """Read the newest lease, and renew it if it is this worker's."""
        with self._lock:
            newest = newest_lease(self._store)
            if newest is None or newest[0] < self._number:
                raise StorageError(
                    f"{self._store.location}: the worker's lease is gone: was the run deleted?"
                )
            number, held = newest
            if number > self._number or held.token != self._claim.token:
                self._lost = conflict(self._store, held, "took over this run, so this one stops")
                return
            self._claim = Claim(**{**asdict(self._claim), "beat": held.beat + 1, "released": released})
            self._store.write(key_of(self._number), self._claim.render())
            self._confirmed = time.monotonic()


def take(store: Store, mine: Claim, *, lease_seconds: float = LEASE_SECONDS, poll: float = 1.0) -> Lease:
    """Become the writer of a run's folder.

    Raises LeaseLostError where another worker is alive. One that gave no sign of life for `lease_seconds`
    counts as dead, and so does one that released its lease or worked in this very folder, whose lock the
    caller holds.
    """
    newest = newest_lease(store)
    number = 1
    if newest:
        number, held = newest[0] + 1, newest[1]
        if not held.released and held.place != mine.place:
            wait_for_death(store, newest, lease_seconds, poll)
    if store.create(key_of(number), mine.render()):
        now = newest_lease(store)
        if now and now[1].token == mine.token:
            return Lease(store, number, mine)
    raise LeaseLostError(conflict(store, None, "began at the same moment"))


def wait_for_death(store: Store, seen: tuple[int, Claim], seconds: float, poll: float) -> None:
    """Return when a lease is released, or unchanged for that long. Raises LeaseLostError where it changed."""
    begin = time.monotonic()
    while time.monotonic() - begin < seconds - idle_seconds(store, seen[0]):
        time.sleep(poll)
        now = newest_lease(store)
        if now and now[0] == seen[0] and now[1].released:
            return
        if now != seen:
            raise LeaseLostError(conflict(store, seen[1], "is running this run: wait for it or cancel it"))


def idle_seconds(store: Store, number: int) -> float:
    """Return how long ago a lease was written, by the store's own clock: that of an object written now."""
    probe = f"{RunFolder.writers}/.clock-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    store.write(probe, b"")
    now, then = store.stat(probe), store.stat(key_of(number))
    store.delete([probe])
    return now.modified - then.modified if now and then else 0.0


def newest_lease(store: Store) -> tuple[int, Claim] | None:
    """Return the number and the claim of the newest lease, or None. Raises StorageError."""
    numbers = [int(entry.key[-11:-5]) for entry in store.list(RunFolder.writers) if is_lease(entry.key)]
    if not numbers:
        return None
    data = store.read(key_of(max(numbers)), largest=LARGEST)
    try:
        return max(numbers), Claim.parse(data)
    except UnreadableError as error:
        raise StorageError(
            f"{store.location}/{key_of(max(numbers))}: is no lease of ftjob ({error}): delete it"
        ) from error


def key_of(number: int) -> str:
    """Return the key of a lease."""
    return f"{RunFolder.writers}/{number:06}.json"


def is_lease(key: str) -> bool:
    """Return whether a key is that of a lease."""
    name = key.rpartition("/")[2]
    return len(name) == 11 and name.isascii() and name[:6].isdecimal() and name.endswith(".json")


def conflict(store: Store, held: Claim | None, doing: str) -> str:
    """Return the message that another worker holds the run."""
    who = f"another worker (attempt {held.attempt} on {held.host})" if held else "another worker"
    return f"{store.location}: {who} {doing}"
