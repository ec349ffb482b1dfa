"""What a worker needs of a run that lives in a store, brought into its work folder."""

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from ftjob import files
from ftjob.documents import LARGE, UnreadableError
from ftjob.layout import RunFolder
from ftjob.records.snapshot import write_snapshot
from ftjob.storage import DamagedError, MissingError, Store, wrong_digest
from ftjob.worker import snapshots
from ftjob.worker.snapshots import Snapshot
from ftjob.worker.tail import bring_parts


def fetch_run(store: Store, folder: RunFolder) -> list[Snapshot]:
    """Make a work folder what the store says, but for the snapshots' own files.

    Returns the snapshots that are complete in the store, oldest first.

    What an earlier worker left here and did not get into the store is thrown away: the store is the truth.
    Raises StorageError.
    """
    for stale in (folder.metrics, folder.bundle, folder.curves, folder.report):
        shutil.rmtree(stale) if stale.is_dir() else stale.unlink(missing_ok=True)
    fetch_file(store, folder, folder.spec)
    bring(store, folder, (folder.status, folder.evaluation, folder.plan))
    for path in (folder.train_metrics, folder.test_metrics):
        bring_parts(store, folder.key(path), path)
    found = stored_snapshots(store, folder)
    snapshots.prune(folder, {snapshot.iteration for snapshot in found})
    return found


def fetch_file(store: Store, folder: RunFolder, path: Path) -> None:
    """Bring one small file, whole. Raises StorageError, MissingError where the store has none."""
    data = store.read(folder.key(path), largest=LARGE)
    with files.whole(path) as temporary:
        temporary.write_bytes(data)


def bring(store: Store, folder: RunFolder, paths: Iterable[Path]) -> None:
    """Bring small files as they are now; one that the store lacks is gone here too. Raises StorageError."""
    for path in paths:
        try:
            fetch_file(store, folder, path)
        except MissingError:
            path.unlink(missing_ok=True)


def stored_snapshots(store: Store, folder: RunFolder) -> list[Snapshot]:
    """Return the snapshots that a store has completely, oldest first. Raises StorageError.

    One whose record is damaged, or whose files are gone or of another size, is not complete.
    """
    entries = {entry.key: entry.size for entry in store.list(folder.key(folder.snapshots))}
    found = []
    for key in entries:
        if not key.endswith(".json"):
            continue
        try:
            snapshot = snapshots.parse(store.read(key, largest=snapshots.LARGEST_RECORD))
        except UnreadableError:
            continue
        sizes = {name: entries.get(f"{key.rpartition('/')[0]}/{name}") for name in snapshot.files}
        if all(sizes[name] == file.bytes for name, file in snapshot.files.items()):
            found.append(snapshot)
    return sorted(found, key=lambda snapshot: snapshot.iteration)


def fetch_snapshot(folder: RunFolder, snapshot: Snapshot, store: Store | None) -> None:
    """Have a snapshot's files on disk, each with the digest its record tells: as they are, or from the store.

    Raises DamagedError, which names the file, where one is not what was written.
    """
    for name, file in snapshot.files.items():
        path = folder.snapshots / name
        digest = files.sha256(path) if path.is_file() else ""
        if digest == file.sha256:
            continue
        if store is None:
            raise wrong_digest(str(path), digest, file.sha256)
        store.download(folder.key(path), path, sha256=file.sha256)
    if store is not None:
        write_snapshot(folder.snapshot_record(snapshot.iteration), snapshot.record)


def newest_sound(
    folder: RunFolder, found: list[Snapshot], store: Store | None, tell: Callable[[str], None]
) -> Snapshot | None:
    """Return the newest snapshot that is not damaged, its files on disk; `tell` hears of those that are.

    Raises StorageError where the store cannot be read.
    """
    for snapshot in reversed(found):
        try:
            fetch_snapshot(folder, snapshot, store)
        except DamagedError as error:
            tell(f"{error}; going on from the snapshot before")
        else:
            return snapshot
    return None
