"""Laws of which snapshots exist, and which are kept."""

import json
from pathlib import Path

import pytest

from ftjob.engine import SnapshotFiles
from ftjob.fs.documents import UnreadableError
from ftjob.runfolder import snapshots
from ftjob.runfolder.layout import RunFolder
from ftjob.runfolder.records.evaluation import ClassResult, Evaluation
from ftjob.runfolder.store import in_folder

CLASS = ClassResult(0, "face", 9, 1.0, 1.0)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    run = RunFolder(tmp_path)
    run.snapshots.mkdir()
    return run


def written(folder: RunFolder, iteration: int, accuracy: float | None = None) -> SnapshotFiles:
    """Write a snapshot as engine and worker do, tested where an accuracy is given."""
    pair = SnapshotFiles(iteration, folder.caffemodel(iteration), folder.solverstate(iteration))
    pair.caffemodel.write_bytes(b"weights" * iteration)
    pair.solverstate.write_bytes(b"state")
    test = (
        Evaluation(iteration, 9, accuracy, None, 1.0, {}, (CLASS,), [[9]]) if accuracy is not None else None
    )
    snapshots.complete(folder, iteration, iteration * 8, test)
    return pair


def iterations(folder: RunFolder) -> list[int]:
    return [snapshot.iteration for snapshot in in_folder(folder).snapshots()]


def test_snapshots_are_in_order_of_iteration(folder: RunFolder):
    """By number, not by name: 100 comes after 20."""
    for iteration in (100, 20, 3):
        written(folder, iteration)

    assert iterations(folder) == [3, 20, 100]


def test_without_its_record_a_snapshot_is_not_there(folder: RunFolder):
    """A worker killed between the files and the record left nothing to resume from."""
    written(folder, 10)
    written(folder, 20)
    folder.snapshot_record(20).unlink()

    assert iterations(folder) == [10]


@pytest.mark.parametrize("damage", ["missing", "shorter", "record"])
def test_a_damaged_snapshot_is_not_there(folder: RunFolder, damage: str):
    """A file that is gone or cut short, or a record that is not JSON: the one before is gone on from."""
    written(folder, 10)
    pair = written(folder, 20)
    if damage == "missing":
        pair.solverstate.unlink()
    elif damage == "shorter":
        pair.caffemodel.write_bytes(b"weights")
    else:
        folder.snapshot_record(20).write_text('{"iter')

    assert iterations(folder) == [10]


def test_the_best_is_the_earliest_of_the_most_accurate(folder: RunFolder):
    """Equal accuracy after more training is no reason to prefer it."""
    for iteration, accuracy in ((10, 0.5), (20, 0.8), (30, 0.8), (40, None)):
        written(folder, iteration, accuracy)

    best = snapshots.best(in_folder(folder).snapshots())
    assert best is not None
    assert best.iteration == 20


def test_the_newest_two_and_the_best_are_kept(folder: RunFolder):
    """Pruning deletes every file of the others."""
    for iteration, accuracy in ((10, 0.9), (20, 0.1), (30, 0.2), (40, 0.3)):
        written(folder, iteration, accuracy)

    found = in_folder(folder).snapshots()
    stale = snapshots.stale(found)
    snapshots.prune(folder, {each.iteration for each in found if each not in stale})

    assert iterations(folder) == [10, 30, 40]
    assert len(list(folder.snapshots.iterdir())) == 9


def test_an_accuracy_of_another_iteration_is_not_this_ones(folder: RunFolder):
    """A snapshot between two tests is recorded as untested."""
    pair = SnapshotFiles(15, folder.caffemodel(15), folder.solverstate(15))
    pair.caffemodel.write_bytes(b"")
    pair.solverstate.write_bytes(b"")

    done = snapshots.complete(folder, pair.iteration, 120, Evaluation(10, 9, 0.5, None, 1.0, {}, (), ()))

    assert done.accuracy is None


@pytest.mark.parametrize("name", ["../iter_20.caffemodel", "/etc/passwd", "a\0b", "..", ".hidden", "", "a/b"])
def test_the_files_of_a_record_are_in_its_folder(folder: RunFolder, name: str):
    """A record that names a file elsewhere is damaged, whatever is there."""
    written(folder, 10)
    record = json.loads(folder.snapshot_record(10).read_text())
    record["files"] = {name: {"sha256": "0" * 64, "bytes": 1}}

    with pytest.raises(UnreadableError, match="not in the record's own folder"):
        snapshots.parse(json.dumps(record).encode())
