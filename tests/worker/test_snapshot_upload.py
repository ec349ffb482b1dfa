"""Laws of snapshots in a store: whole or not there, the best and the newest kept, training never waits."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ftjob.engine import SnapshotFiles
from ftjob.errors import StorageError
from ftjob.runfolder.layout import RunFolder
from ftjob.runfolder.lease import Claim, Lease, take
from ftjob.runfolder.records.evaluation import ClassResult, Evaluation
from ftjob.runfolder.store import CopiedRunStore
from ftjob.storage import Store, open_store
from ftjob.worker.transfer.snapshot_upload import SnapshotSaver


class Slow:
    """A store whose uploads wait until they may go on, and fail where they are told to."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.may_go = threading.Event()
        self.fails = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def upload(self, path: Path, key: str) -> Any:
        self.may_go.wait(60)
        if self.fails:
            self.fails -= 1
            raise StorageError(f"{key}: is not to be had")
        return self.store.upload(path, key)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A worker's folder."""
    folder = RunFolder(tmp_path / "work")
    folder.snapshots.mkdir(parents=True)
    return folder


@pytest.fixture
def slow(tmp_path: Path) -> Slow:
    """A run's folder, as a store."""
    return Slow(open_store(str(tmp_path / "run")))


@pytest.fixture
def lease(slow: Slow) -> Iterator[Lease]:
    """The right to write there."""
    store: Any = slow
    with take(store, Claim(1, "host", "place")) as lease:
        yield lease


def saver_of(folder: RunFolder, slow: Slow, lease: Lease, **options: float) -> SnapshotSaver:
    """The saver of a worker that has the right to write."""
    store: Any = slow
    return SnapshotSaver(CopiedRunStore(store, folder), [], check=lease.check, **options)


@dataclass(frozen=True)
class Written:
    """A Writing that is done."""

    files: SnapshotFiles

    def wait(self) -> SnapshotFiles:
        return self.files


def written(folder: RunFolder, iteration: int) -> Written:
    """Write what the engine would."""
    files = SnapshotFiles(iteration, folder.caffemodel(iteration), folder.solverstate(iteration))
    for path in (files.caffemodel, files.solverstate):
        path.write_bytes(f"{path.name}\n".encode() * 100)
    return Written(files)


def judged(iteration: int, accuracy: float) -> Evaluation:
    """A test of that iteration."""
    face = ClassResult(0, "face", 9, 1.0, 1.0)
    return Evaluation(iteration, 9, accuracy, None, 1.0, {}, (face,), [[9]])


def stored(slow: Slow, folder: RunFolder) -> list[int]:
    """The snapshots that somebody else would find."""
    store: Any = slow
    return [snapshot.iteration for snapshot in CopiedRunStore(store, folder).snapshots()]


def test_training_does_not_wait_for_an_upload(folder: RunFolder, lease: Lease, slow: Slow):
    """Taking a snapshot over returns at once; it counts when the store has it."""
    saver = saver_of(folder, slow, lease)
    saver.take(written(folder, 10), 80, judged(10, 0.5))
    assert stored(slow, folder) == []

    slow.may_go.set()
    saver.settle()

    assert stored(slow, folder) == [10]
    saver.close()


def test_the_newest_two_and_the_best_are_kept_in_the_store(folder: RunFolder, lease: Lease, slow: Slow):
    """The same as on disk; nothing of the others is left."""
    slow.may_go.set()
    saver = saver_of(folder, slow, lease)
    for iteration, accuracy in ((10, 0.9), (20, 0.1), (30, 0.2), (40, 0.3)):
        saver.take(written(folder, iteration), 8 * iteration, judged(iteration, accuracy))
        saver.settle()

    assert stored(slow, folder) == [10, 30, 40]
    assert len(slow.store.list("snapshots")) == 9
    saver.close()


def test_a_store_that_is_slower_than_training_gets_the_newest_and_the_best(
    folder: RunFolder, lease: Lease, slow: Slow
):
    """What was superseded while it waited is not uploaded, and the disk does not fill with it."""
    saver = saver_of(folder, slow, lease)
    for iteration, accuracy in ((10, 0.1), (20, 0.9), (30, 0.2), (40, 0.3), (50, 0.4)):
        saver.take(written(folder, iteration), 8 * iteration, judged(iteration, accuracy))
        time.sleep(0.2)
    slow.may_go.set()
    saver.settle()

    assert stored(slow, folder) == [20, 50]
    assert saver.complete[-1].iteration == 50
    saver.close()


def test_a_store_that_refuses_is_asked_again(folder: RunFolder, lease: Lease, slow: Slow):
    """A snapshot is not given up for one error."""
    slow.fails, saver = 1, saver_of(folder, slow, lease, retry_seconds=0.1)
    slow.may_go.set()
    saver.take(written(folder, 10), 80, None)

    saver.settle()

    assert stored(slow, folder) == [10]
    saver.close()


def test_a_store_that_goes_on_refusing_ends_the_run(folder: RunFolder, lease: Lease, slow: Slow):
    """The error reaches the training thread, with the store's own sentence."""
    slow.fails, saver = 1000, saver_of(folder, slow, lease, patience_seconds=0.3, retry_seconds=0.1)
    slow.may_go.set()
    saver.take(written(folder, 10), 80, None)

    with pytest.raises(StorageError, match="is not to be had"):
        saver.settle()
    saver.close()


@pytest.mark.parametrize("kind", ["caffemodel", "solverstate", "record"])
def test_a_snapshot_without_one_of_its_files_is_none(folder: RunFolder, lease: Lease, slow: Slow, kind: str):
    """Whatever a killed worker did not get to write."""
    slow.may_go.set()
    saver = saver_of(folder, slow, lease)
    for iteration in (10, 20):
        saver.take(written(folder, iteration), 8 * iteration, None)
        saver.settle()
    saver.close()
    paths = {
        "caffemodel": folder.caffemodel,
        "solverstate": folder.solverstate,
        "record": folder.snapshot_record,
    }
    slow.store.delete([folder.key(paths[kind](20))])

    assert stored(slow, folder) == [10]


def test_a_flipped_byte_is_named_and_the_snapshot_before_is_taken(
    folder: RunFolder, lease: Lease, slow: Slow, tmp_path: Path
):
    """A digest stands for every file of a snapshot."""
    slow.may_go.set()
    saver = saver_of(folder, slow, lease)
    for iteration in (10, 20):
        saver.take(written(folder, iteration), 8 * iteration, None)
        saver.settle()
    saver.close()
    slow.store.write("spec.yaml", b"")
    key = folder.key(folder.caffemodel(20))
    slow.store.write(key, slow.store.read(key).replace(b"iter_20", b"iter_21", 1))
    other, messages = RunFolder(tmp_path / "other" / "name" / "id"), list[str]()
    run = CopiedRunStore(slow.store, other)

    newest = run.newest_sound(run.refresh(), messages.append)

    assert newest is not None
    assert newest.iteration == 10
    assert "iter_20.caffemodel: its SHA-256" in messages[0]
    assert json.loads(other.snapshot_record(10).read_text())["iteration"] == 10
