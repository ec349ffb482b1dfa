"""A run's folder while its worker runs: on this disk, or in a store with a copy here."""

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
from ftjob.worker.transfer.folder_upload import Publisher, StorePublisher
from ftjob.worker.transfer.snapshot_upload import SnapshotSaver


def nothing_to_check() -> None:
    """Check nothing: the lock alone protects a directory."""


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

    def stage(self, run_id: str) -> "ClaimedRun":
        """Return an earlier stage of the run, brought up to date. Raises StorageError."""
        run = self.run.stage(run_id)
        # one without a solverstate is left of a stage that was not copied to its end
        found = [each for each in run.refresh() if len(each.files) > 1]
        publisher = StorePublisher(run, self.attempt, self.check) if run.is_copy else Publisher()
        return replace(self, run=run, found=found, publisher=publisher)


class Home:
    """A run's folder with its snapshots and uploads; training uses it the same way wherever the run lives."""

    def __init__(self, claimed: ClaimedRun, saved: Callable[[Snapshot, Snapshot | None], None]) -> None:
        """`saved` is called from another thread with each complete snapshot and the best one so far."""
        self._claimed, self._saved = claimed, saved
        self.run, self.found, self._publisher = claimed.run, claimed.found, claimed.publisher
        self.saver = SnapshotSaver(
            claimed.run, claimed.found, check=claimed.check, publish=self._publisher.send, saved=saved
        )

    @property
    def folder(self) -> RunFolder:
        """Where the worker works, on this disk."""
        return self.run.folder

    def stage(self, run_id: str) -> "Home":
        """Return the home of an earlier stage of the run; to be closed before this one. Raises
        StorageError."""
        return Home(self._claimed.stage(run_id), self._saved)

    def check(self) -> None:
        """Raise what went wrong in a thread beside the training: a failed write, or a lost lease."""
        self.saver.check()
        self._publisher.check()

    def snapshots_folder(self) -> Path:
        """Return the folder for the engine's snapshots, making it if necessary. Raises StorageError."""
        with files.explained(self.folder.snapshots):
            self.folder.snapshots.mkdir(parents=True, exist_ok=True)
        return self.folder.snapshots

    def newest(self, warn: Callable[[str], None]) -> Snapshot | None:
        """Return the newest sound snapshot, its files on this disk. Raises StorageError."""
        newest = self.run.newest_sound(self.found, warn)
        self.found = [each for each in self.found if newest and each.iteration <= newest.iteration]
        self.saver.keep_only(self.found)
        return newest

    def refresh_found(self) -> None:
        """Count the snapshots of this attempt among those to resume from. Raises StorageError."""
        self.saver.settle()
        self.found = list(self.saver.complete)

    def best(self) -> Snapshot:
        """Return the best snapshot once all are complete, its files on this disk. Raises StorageError."""
        self.saver.settle()
        best = snapshots.best(self.saver.complete)
        if best is None or best.accuracy is None:
            raise StorageError(f"{self.folder.snapshots}: no tested snapshot is left: submit again to resume")
        self.run.bring_snapshot(best)
        return best

    def settle(self) -> None:
        """Wait until everything but the last status is where the run lives. Raises StorageError."""
        self.saver.settle()
        self._publisher.bundle()

    def close(self) -> None:
        """Write the last status to where the run lives, and end the threads. Raises StorageError."""
        self.saver.close()
        self._publisher.close()


@contextmanager
def claim_run(
    location: str, store: Store, arrival: Arrival, log: Callable[[str], None]
) -> Iterator[ClaimedRun]:
    """Yield the run at a path or URI, with this process as its only worker.

    Raises BadSpecError for a run with another owner, StorageError where another worker holds the run or its
    folder cannot be read.
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
                log(f"removed {left} unfinished uploads of a killed worker")
            claimed = _arrived(run, arrival)
            with own_log(folder, claimed.attempt) as echo:
                publisher = StorePublisher(run, claimed.attempt, lease.check, echo)
                yield replace(claimed, check=lease.check, publisher=publisher)


def _arrived(run: RunStore, arrival: Arrival) -> ClaimedRun:
    """Write owner and spec into the run's folder, and return the run as it stands then."""
    standing = settle(run.store, arrival)
    attempt = standing.owner.attempts_before + arrival.attempt
    return ClaimedRun(run, run.refresh(), standing, attempt)


@contextmanager
def own_log(folder: RunFolder, attempt: int) -> Iterator[BinaryIO | None]:
    """Redirect stdout and stderr into the attempt's log; yield the former stderr unless it was that log."""
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
