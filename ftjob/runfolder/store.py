"""A run's folder, wherever it lives, with the requested files brought to this disk."""

import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self

from ftjob.errors.outcomes import Reason
from ftjob.fs import files
from ftjob.fs.documents import LARGE, SMALL, explained
from ftjob.runfolder import lock, snapshots
from ftjob.runfolder.address import seen_folder, work_folder
from ftjob.runfolder.layout import RunFolder
from ftjob.runfolder.lease import BEAT_SECONDS, key_of, newest_lease, place_of
from ftjob.runfolder.records.snapshot import write_snapshot
from ftjob.runfolder.records.stage_record import StageRecord, parse_stage
from ftjob.runfolder.snapshots import Snapshot
from ftjob.runfolder.status import State, Status
from ftjob.runfolder.tail import bring_parts
from ftjob.storage import DamagedError, MissingError, Store, local_path, open_store, wrong_digest

SILENT_SECONDS = 90.0
"""A worker whose lease is older than this is gone: three times what another worker waits, since here the
store's clock is compared with this machine's."""
WORKER_GONE = "its worker is gone: submit the same spec to resume from the last snapshot"


@dataclass(frozen=True)
class RunStore:
    """A run's folder where it lives, and where its files lie on this disk.

    For a run in a directory the two are the same, and nothing is copied.
    Every method raises StorageError where the store cannot be read or written.
    """

    store: Store
    folder: RunFolder
    """The run's own folder, or a copy of the requested files."""

    is_copy: ClassVar[bool] = False
    """Whether `folder` is a copy."""
    poll_seconds: ClassVar[float] = 0.25
    """How long to wait between two reads of what its worker writes."""

    @property
    def location(self) -> str:
        """The path or URI of the run."""
        return self.store.location

    def bring(self, *paths: Path) -> None:
        """Bring small files to this disk as they are now, deleting here those that the store lacks."""

    def bring_growing(self, *paths: Path) -> None:
        """Bring growing files to this disk, as far as the store has them."""

    def put(self, path: Path) -> None:
        """Upload a file of the folder to where the run lives, whole or not at all."""

    def write(self, path: Path, text: str) -> None:
        """Write a small file of the run, whole or not at all."""
        files.write_text(path, text)

    def forget(self, snapshot: Snapshot) -> None:
        """Remove a snapshot where the run lives, its record first."""
        record, *others = map(self.folder.key, snapshot.paths(self.folder))
        self.store.delete([record])
        self.store.delete(others)

    def has(self, path: Path) -> bool:
        """Return whether the run has a file of the folder."""
        return self.store.stat(self.folder.key(path)) is not None

    def stage(self, run_id: str) -> Self:
        """Return the folder of an earlier stage of the run, as a run of its own."""
        folder = self.folder.stage(run_id)
        return type(self)(self.store.child(self.folder.key(folder.root)), folder)

    def stage_record(self) -> StageRecord | None:
        """Return the record of the stage that this is the folder of; None while it is not complete."""
        key = self.folder.key(self.folder.stage_record)
        try:
            with explained(f"{self.location}/{key}"):
                return parse_stage(self.store.read(key, largest=SMALL))
        except MissingError:
            return None

    def place(self, path: Path) -> str:
        """Return the path or URI of a file of the folder where the run lives."""
        return f"{self.location}/{self.folder.key(path)}"

    def status(self) -> Status:
        """Return the run's status; Interrupted where its worker is gone without having ended it.

        Raises MissingError where it has no status.
        """
        status = self._status()
        if status.state is State.RUNNING and not self.is_held():
            status = self._status()  # it may have ended in between
            if status.state is State.RUNNING:
                return replace(
                    status, state=State.INTERRUPTED, reason=Reason.WORKER_GONE, message=WORKER_GONE
                )
        return status

    def _status(self) -> Status:
        key = self.folder.key(self.folder.status)
        with explained(f"{self.location}/{key}"):
            return Status.parse(self.store.read(key, largest=SMALL))

    def attempts(self) -> list[int]:
        """Return the numbers of the attempts that left a log."""
        names = [entry.key.rpartition("/")[2] for entry in self.store.list(self.folder.key(self.folder.logs))]
        return sorted({number for name in names if (number := self.folder.attempt_of(name))})

    def log_paths(self) -> list[Path]:
        """Bring the logs of all attempts to this disk; return their paths, oldest first."""
        paths = [self.folder.log(number) for number in self.attempts()]
        self.bring_growing(*paths)
        return paths

    def snapshots(self) -> list[Snapshot]:
        """Return the complete snapshots, oldest first."""
        return snapshots.list_snapshots(self.store, self.folder)

    def refresh(self) -> list[Snapshot]:
        """Bring the work folder up to date with the store, but for the snapshots' own files.

        Returns the complete snapshots, oldest first. What an earlier worker left here without uploading it is
        discarded: the store is the truth. Raises MissingError for a run without spec.
        """
        return self.snapshots()

    def is_held(self) -> bool:
        """Return whether a worker holds the run."""
        return lock.is_held(self.folder)

    def shows_life(self) -> bool:
        """Return whether a worker holds the run, waiting some seconds for its next sign of life where only
        that proves it."""
        return self.is_held()

    def bring_snapshot(self, snapshot: Snapshot) -> None:
        """Bring a snapshot's files to this disk, each with the digest in its record.

        Raises DamagedError, which names the file, where one is not what was written.
        """
        for name in snapshot.files:
            self._bring_file(snapshot, self.folder.snapshots / name)

    def bring_caffemodel(self, snapshot: Snapshot) -> Path:
        """Bring a snapshot's caffemodel alone to this disk; return its path. Raises as `bring_snapshot`."""
        path = self.folder.caffemodel(snapshot.iteration)
        self._bring_file(snapshot, path)
        return path

    def _bring_file(self, snapshot: Snapshot, path: Path) -> None:
        digest, expected = files.sha256(path) if path.is_file() else "", snapshot.files[path.name].sha256
        if digest != expected:
            self._bring_whole(path, digest, expected)

    def newest_sound(self, found: Iterable[Snapshot], warn: Callable[[str], None]) -> Snapshot | None:
        """Return the newest snapshot that is not damaged, its files on this disk; `warn` is called with a
        sentence for each damaged one."""
        for snapshot in sorted(found, key=lambda each: each.iteration, reverse=True):
            try:
                self.bring_snapshot(snapshot)
            except DamagedError as error:
                warn(f"{error}; resuming from the snapshot before it")
            else:
                return snapshot
        return None

    def _bring_whole(self, path: Path, digest: str, expected: str) -> None:
        raise wrong_digest(str(path), digest, expected)


class CopiedRunStore(RunStore):
    """A run's folder in a store, with a copy on this disk."""

    is_copy = True
    poll_seconds = 2.0  # its worker writes to the store at that interval

    def bring(self, *paths: Path) -> None:
        """Bring small files to this disk as they are now, deleting here those that the store lacks."""
        for path in paths:
            try:
                data = self.store.read(self.folder.key(path), largest=LARGE)
            except MissingError:
                path.unlink(missing_ok=True)
                continue
            with files.whole(path) as temporary:
                temporary.write_bytes(data)

    def bring_growing(self, *paths: Path) -> None:
        """Bring growing files to this disk, as far as the store has them."""
        for path in paths:
            bring_parts(self.store, self.folder.key(path), path)

    def refresh(self) -> list[Snapshot]:
        """Bring the work folder up to date with the store, but for the snapshots' own files."""
        folder = self.folder
        made = (folder.predictions, folder.mistakes, folder.on_evaluation.parent, folder.acceptance)
        for stale in (folder.metrics, folder.events, folder.bundle, folder.curves, folder.report, *made):
            shutil.rmtree(stale) if stale.is_dir() else stale.unlink(missing_ok=True)
        self.bring(folder.spec, folder.status, folder.evaluation, folder.plan)
        self.bring_growing(folder.train_metrics, folder.test_metrics)
        found = self.snapshots()
        snapshots.prune(folder, {snapshot.iteration for snapshot in found})
        return found

    def is_held(self) -> bool:
        """Return whether a worker holds the run: it has the newest lease and has renewed it lately."""
        newest = newest_lease(self.store)
        if newest is None:
            return False
        number, claim = newest
        here = place_of(work_folder(self.location))  # the lock was checked before: no worker here holds it
        entry = self.store.stat(key_of(number))
        gone = claim.released or claim.place == here
        return not gone and entry is not None and time.time() - entry.modified < SILENT_SECONDS

    def shows_life(self) -> bool:
        """Return whether a worker renews its lease within two beats, for callers that cannot wait longer."""
        seen, begin = newest_lease(self.store), time.monotonic()
        if not self.is_held():
            return False
        while time.monotonic() - begin < 2.5 * BEAT_SECONDS:
            time.sleep(1)
            now = newest_lease(self.store)
            if now != seen:
                return now is not None and not now[1].released
        return False

    def put(self, path: Path) -> None:
        """Upload a file of the folder to where the run lives, whole or not at all."""
        self.store.upload(path, self.folder.key(path))

    def write(self, path: Path, text: str) -> None:
        """Write a small file of the run, whole or not at all."""
        self.store.write(self.folder.key(path), text.encode())
        path.unlink(missing_ok=True)

    def bring_snapshot(self, snapshot: Snapshot) -> None:
        """Bring a snapshot's files to this disk, and then its record, which makes them a snapshot here."""
        super().bring_snapshot(snapshot)
        write_snapshot(self.folder.snapshot_record(snapshot.iteration), snapshot.record)

    def _bring_whole(self, path: Path, digest: str, expected: str) -> None:
        self.store.download(self.folder.key(path), path, sha256=expected)


def working(location: str, store: Store | None = None) -> RunStore:
    """Return the run at a path or URI as its worker has it, with its work folder."""
    return _run_store(location, store or open_store(location), work_folder(location))


def stored(location: str) -> RunStore:
    """Return the run at a path or URI as it is kept there, read into a folder on this disk."""
    return _run_store(location, open_store(location), seen_folder(location))


def in_folder(folder: RunFolder) -> RunStore:
    """Return the run whose folder is on this disk."""
    return RunStore(open_store(str(folder.root)), folder)


def reading(location: str) -> RunStore:
    """Return the run at a path or URI as it is read.

    That is the stored run, unless a worker on this machine holds it: its work folder is ahead of the store.
    """
    work = work_folder(location)
    if local_path(location) is None and lock.is_held(work) and work.status.exists():
        return in_folder(work)
    return stored(location)


def _run_store(location: str, store: Store, folder: RunFolder) -> RunStore:
    return RunStore(store, folder) if local_path(location) else CopiedRunStore(store, folder)
