"""The snapshots of a run: which are complete, which are kept, and which is the best."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from ftjob.fs import documents, files
from ftjob.runfolder.layout import RunFolder
from ftjob.runfolder.records.evaluation import Evaluation
from ftjob.runfolder.records.snapshot import SnapshotFile, SnapshotRecord, parse_snapshot, write_snapshot
from ftjob.storage import MissingError, Store, open_store

KEEP_NEWEST = 2
LARGEST_RECORD = 512 * 2**20
"""Bytes of a record, which includes the confusion of all classes: it fits a worker's memory."""


@dataclass(frozen=True)
class Snapshot:
    """A complete snapshot, from its record."""

    iteration: int
    accuracy: float | None
    """Of the test at this very iteration; None where there was none."""
    record: SnapshotRecord

    @property
    def files(self) -> dict[str, SnapshotFile]:
        """The caffemodel and the solverstate, by name."""
        return self.record.files

    @property
    def evaluation(self) -> Evaluation:
        """The test at this very iteration, where there was one."""
        assert self.record.evaluation is not None, f"iteration {self.iteration} was not tested"
        return self.record.evaluation

    def paths(self, folder: RunFolder) -> tuple[Path, Path, Path]:
        """Return its record, caffemodel and solverstate in a folder."""
        iteration = self.iteration
        return folder.snapshot_record(iteration), folder.caffemodel(iteration), folder.solverstate(iteration)


def complete(folder: RunFolder, iteration: int, images_seen: int, test: Evaluation | None) -> Snapshot:
    """Write the record that makes a caffemodel and a solverstate on disk a snapshot. Raises StorageError."""
    if test is not None and test.iteration != iteration:
        test = None
    record = SnapshotRecord(
        iteration=iteration,
        images_seen=images_seen,
        files={
            path.name: SnapshotFile(files.sha256(path), path.stat().st_size)
            for path in (folder.caffemodel(iteration), folder.solverstate(iteration))
        },
        evaluation=test,
    )
    write_snapshot(folder.snapshot_record(iteration), record)
    return _snapshot(record)


def parse(data: bytes) -> Snapshot:
    """Read a record. Raises UnreadableError where it is damaged."""
    return _snapshot(parse_snapshot(data))


def list_snapshots(store: Store, folder: RunFolder) -> list[Snapshot]:
    """Return the snapshots that a store has completely, oldest first. Raises StorageError.

    One whose record is damaged, or whose files are gone or of another size, is not complete.
    """
    sizes = {entry.key: entry.size for entry in store.list(folder.key(folder.snapshots))}
    found = []
    for key, size in sizes.items():
        if not key.endswith(".json") or size > LARGEST_RECORD:
            continue
        try:
            snapshot = parse(store.read(key, largest=LARGEST_RECORD))
        except (documents.UnreadableError, MissingError):
            continue
        there = {name: sizes.get(f"{key.rpartition('/')[0]}/{name}") for name in snapshot.files}
        if all(there[name] == file.bytes for name, file in snapshot.files.items()):
            found.append(snapshot)
    return sorted(found, key=lambda snapshot: snapshot.iteration)


def best(snapshots: list[Snapshot]) -> Snapshot | None:
    """Return the snapshot of highest accuracy, the earliest of equals; the newest where none was tested."""
    tested = [snapshot for snapshot in snapshots if snapshot.accuracy is not None]
    if not tested:
        return snapshots[-1] if snapshots else None
    return max(tested, key=lambda snapshot: (snapshot.accuracy or 0.0, -snapshot.iteration))


def stale(snapshots: list[Snapshot]) -> list[Snapshot]:
    """Return those that need not be kept: all but the newest two and the best one."""
    winner = best(snapshots)
    kept = {snapshot.iteration for snapshot in (*snapshots[-KEEP_NEWEST:], *([winner] if winner else []))}
    return [snapshot for snapshot in snapshots if snapshot.iteration not in kept]


def prune(folder: RunFolder, keep: Collection[int]) -> None:
    """Delete the complete snapshots of other iterations from this disk, each one's record first."""
    for snapshot in list_snapshots(open_store(str(folder.root)), folder):
        if snapshot.iteration not in keep:
            for path in snapshot.paths(folder):
                path.unlink(missing_ok=True)


def _snapshot(record: SnapshotRecord) -> Snapshot:
    evaluation = record.evaluation
    return Snapshot(record.iteration, evaluation.accuracy if evaluation else None, record)
