"""Where a run lives while a worker is at it: a folder on this disk, or one in a store with a copy here."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from ftjob.errors import StorageError
from ftjob.fs import files
from ftjob.runfolder import snapshots
from ftjob.runfolder.layout import RunFolder
from ftjob.runfolder.lease import claim, take
from ftjob.runfolder.lock import only_worker
from ftjob.runfolder.snapshots import Snapshot
from ftjob.runfolder.store import RunStore, working
from ftjob.storage import Store
from ftjob.worker.admission import Arrival, Standing, settle
from ftjob.worker.publish import Publisher, StorePublisher
from ftjob.worker.snapshot_upload import SnapshotSaver


def nothing_to_check() -> None:
    """Hold a directory: its lock alone says who writes it."""


@dataclass(frozen=True)
class ClaimedRun:
    """A run whose one worker this process is."""

    run: RunStore
    found: list[Snapshot]
    """The snapshots that were complete when the worker came, oldest first."""
    standing: Standing
    """How the run stood when the worker had it for itself."""
    attempt: int
    """The number of this attempt in the folder, where those of an earlier owner count too."""
    check: Callable[[], None] = nothing_to_check
    """Raises LeaseLostError where this worker may not write any more."""
    publisher: Publisher = field(default_factory=Publisher)

    @property
    def folder(self) -> RunFolder:
        """Where the worker works, on this disk."""
        return self.run.folder


class Home:
    """A run's folder and what keeps it: the same to train in, wherever the run lives."""

    def __init__(self, claimed: ClaimedRun, saved: Callable[[Snapshot, Snapshot | None], None]) -> None:
        """`saved` gets every snapshot that is complete, and the best one so far, from another thread."""
        self.run, self.found, self._publisher = claimed.run, claimed.found, claimed.publisher
        self.saver = SnapshotSaver(
            claimed.run, claimed.found, check=claimed.check, publish=self._publisher.send, saved=saved
        )

    @property
    def folder(self) -> RunFolder:
        """Where the worker works, on this disk."""
        return self.run.folder

    def check(self) -> None:
        """Raise what goes wrong beside the training: nothing can be written, or another took over."""
        self.saver.check()
        self._publisher.check()

    def snapshots_folder(self) -> Path:
        """Return where the engine writes snapshots; it is there then. Raises StorageError."""
        with files.explained(self.folder.snapshots):
            self.folder.snapshots.mkdir(parents=True, exist_ok=True)
        return self.folder.snapshots

    def newest(self, warn: Callable[[str], None]) -> Snapshot | None:
        """Return the snapshot to go on from, its files on this disk and sound. Raises StorageError."""
        newest = self.run.newest_sound(self.found, warn)
        self.found = [each for each in self.found if newest and each.iteration <= newest.iteration]
        self.saver.keep_only(self.found)
        return newest

    def refresh_found(self) -> None:
        """Take what was saved meanwhile for what was found. Raises StorageError."""
        self.saver.settle()
        self.found = list(self.saver.complete)

    def best(self) -> Snapshot:
        """Return the best snapshot once all are complete, its files on this disk. Raises StorageError."""
        self.saver.settle()
        best = snapshots.best(self.saver.complete)
        if best is None or best.accuracy is None:
            raise StorageError(f"{self.folder.snapshots}: no tested snapshot is left: submit again to go on")
        self.run.bring_snapshot(best)
        return best

    def settle(self) -> None:
        """Return when all but the last status is where the run lives. Raises StorageError."""
        self.saver.settle()
        self._publisher.bundle()

    def close(self) -> None:
        """Bring the last status to where the run lives, and end the threads. Raises StorageError."""
        self.saver.close()
        self._publisher.close()


@contextmanager
def claim_run(
    location: str, store: Store, arrival: Arrival, log: Callable[[str], None]
) -> Iterator[ClaimedRun]:
    """Be the one worker of the run at a path or URI, whose store that is.

    Raises BadSpecError where it is another's, StorageError where another worker is at it, or it cannot be
    read.
    """
    run = working(location, store)
    folder = run.folder
    with only_worker(folder):
        if not run.is_copy:
            claimed = _arrived(run, arrival)
            with files.explained(folder.logs):
                folder.logs.mkdir(exist_ok=True)
            yield claimed
            return
        with take(store, claim(folder, arrival.attempt)) as lease:
            if left := store.abort_uploads():
                log(f"{left} uploads that a killed worker left were removed")
            claimed = _arrived(run, arrival)
            with own_log(folder, claimed.attempt) as echo:
                publisher = StorePublisher(run, claimed.attempt, lease.check, echo)
                yield replace(claimed, check=lease.check, publisher=publisher)


def _arrived(run: RunStore, arrival: Arrival) -> ClaimedRun:
    """Have the run's folder keep its owner and spec, and return it as it stands then."""
    standing = settle(run.store, arrival)
    attempt = standing.owner.attempts_before + arrival.attempt
    return ClaimedRun(run, run.refresh(), standing, attempt)


@contextmanager
def own_log(folder: RunFolder, attempt: int) -> Iterator[BinaryIO | None]:
    """Have stdout and stderr go into the attempt's log; give what stderr was, where it was not that."""
    path = folder.log(attempt)
    with files.explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        log = path.open("ab")
    with log:
        if os.path.sameopenfile(log.fileno(), sys.stderr.fileno()):
            yield None
            return
        sys.stderr.flush()
        before = os.dup(sys.stderr.fileno())
        for stream in (sys.stdout, sys.stderr):
            os.dup2(log.fileno(), stream.fileno())
        with os.fdopen(before, "wb") as echo:
            try:
                yield echo
            finally:
                sys.stderr.flush()
                for stream in (sys.stdout, sys.stderr):
                    os.dup2(before, stream.fileno())
