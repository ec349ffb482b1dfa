"""A snapshot's two files: whole or not there, and Caffe's own program takes them."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ftjob.engine.caffe.installed import find_caffe
from ftjob.engine.process.snapshotfile import field_numbers, learned_net, partial_name
from ftjob.engine.snapshot_write import ForkedWriting
from ftjob.errors import BadNetError, StorageError
from ftjob.net.proto.caffe_pb2 import SolverState
from tests.engine import nets
from tests.engine.conftest import Job, Open

WIDE = nets.softmax_regression().replace("num_output: 3", "num_output: 5000")
"""A net of 0.7 MB, so that its files fill a small disk."""


def test_solverstate_names_the_final_caffemodel(job: Job, opened: Open, tmp_path: Path):
    """Protobuf's own parser, which takes the last of a field, reads the path that the file has in the end."""
    engine = opened(job(nets.softmax_regression(), momentum=0.9))
    engine.step(3)

    kept = engine.snapshot(tmp_path)

    state = SolverState.FromString(kept.solverstate.read_bytes())
    assert (state.iter, state.learned_net) == (3, str(tmp_path / "iter_3.caffemodel"))
    assert learned_net(kept.solverstate) == state.learned_net
    assert not list(tmp_path.glob(".*"))


@pytest.mark.caffe
def test_caffe_train_goes_on_from_a_snapshot(job: Job, opened: Open, tmp_path: Path):
    """`caffe train -snapshot` finds the caffemodel by the solverstate's path."""
    engine = opened(job(nets.softmax_regression(), max_iter=5, test_iter=[1], test_interval=100))
    engine.step(3)
    kept = engine.snapshot(tmp_path)

    done = subprocess.run(
        [find_caffe().program("caffe"), "train", "-solver=solver.prototxt", f"-snapshot={kept.solverstate}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "Snapshotting to binary proto file unused_iter_5.caffemodel" in done.stderr


def test_a_full_disk_is_refused_and_the_engine_lives(job: Job, opened: Open, small_disk: Path):
    """The space is looked at first, since Caffe would die; with room again the same engine snapshots."""
    engine = opened(job(WIDE))
    engine.step(1)
    hog = small_disk / "hog"
    hog.write_bytes(bytes(shutil.disk_usage(small_disk).free - 500_000))

    with pytest.raises(
        StorageError, match=r"into .*small: it needs 1\.\d MB and 0\.\d MB are free: make room"
    ):
        engine.snapshot(small_disk)

    assert list(small_disk.iterdir()) == [hog]
    hog.unlink()
    assert engine.snapshot(small_disk).caffemodel.stat().st_size > 700_000


def test_a_disk_that_fills_meanwhile_leaves_nothing(job: Job, opened: Open, tmp_path: Path):
    """The writer's Caffe dies of a write that fails. The error names the disk; nothing half-written stays."""
    engine = opened(job(WIDE))
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / ".partial_iter_0.caffemodel").symlink_to("/dev/full")

    with pytest.raises(StorageError, match="the disk is full"):
        engine.snapshot(tmp_path / "kept")

    assert not list((tmp_path / "kept").iterdir())
    assert engine.step(1)


def test_an_end_that_is_missing_is_noticed(job: Job, opened: Open, tmp_path: Path):
    """Caffe does not see that the last 8 kB, all there is of a small net, did not reach the disk."""
    engine = opened(job(nets.softmax_regression()))
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / ".partial_iter_0.caffemodel").symlink_to("/dev/full")

    with pytest.raises(StorageError, match="the disk is full"):
        engine.snapshot(tmp_path / "kept")

    assert not list((tmp_path / "kept").iterdir())
    assert engine.step(1)


def test_a_folder_that_cannot_be_written_is_named(job: Job, opened: Open, tmp_path: Path):
    """A snapshot into a folder that is not there is a storage error."""
    engine = opened(job(nets.softmax_regression()))

    with pytest.raises(StorageError, match=r"no snapshot could be written into .*/nowhere"):
        engine.snapshot(tmp_path / "nowhere")


def test_a_cut_file_is_known_by_its_fields(tmp_path: Path):
    """Wherever a file is cut, but between two fields, its fields cannot be read."""
    whole = SolverState(iter=300, learned_net="x" * 200).SerializeToString()
    for length in set(range(1, len(whole))) - {3}:  # 3 bytes: the whole field `iter`
        (tmp_path / "cut").write_bytes(whole[:length])
        with pytest.raises(ValueError, match="it ends inside"):
            field_numbers(tmp_path / "cut")


def test_a_damaged_snapshot_is_named(job: Job, opened: Open, tmp_path: Path):
    """Cut, empty or missing, it is not given to Caffe, which takes an empty caffemodel for weights."""
    engine = opened(job(nets.softmax_regression()))
    kept = engine.snapshot(tmp_path)
    for path in (kept.solverstate, kept.caffemodel):
        content = path.read_bytes()
        for damaged in (content[:-9], b"", None):
            path.unlink() if damaged is None else path.write_bytes(damaged)
            with pytest.raises(BadNetError, match=path.name):
                engine.restore(kept.solverstate, kept.caffemodel)
        path.write_bytes(content)

    engine.restore(kept.solverstate, kept.caffemodel)


def test_a_snapshot_of_another_net_is_refused(job: Job, opened: Open, tmp_path: Path):
    """One of softmax regression cannot be gone on from with the convnet."""
    kept = opened(job(nets.softmax_regression())).snapshot(tmp_path)
    other = opened(job(nets.convnet()))

    with pytest.raises(BadNetError, match=r"layer fc .*36.* in the weights and .*64 in the net"):
        other.restore(kept.solverstate, kept.caffemodel)


def test_a_snapshot_is_of_the_moment_it_was_begun(job: Job, opened: Open, tmp_path: Path):
    """The engine goes on while it is written, and what is written is what a standing engine would have."""
    standing, going = opened(job(WIDE, momentum=0.9)), opened(job(WIDE, momentum=0.9))
    (tmp_path / "standing").mkdir()
    (tmp_path / "going").mkdir()
    standing.step(3)
    going.step(3)
    wanted = standing.snapshot(tmp_path / "standing")

    writing = going.begin_snapshot(tmp_path / "going")
    going.step(40)
    kept = writing.wait()

    assert kept.caffemodel.read_bytes() == wanted.caffemodel.read_bytes()
    states = [SolverState.FromString(each.solverstate.read_bytes()) for each in (kept, wanted)]
    assert states[0].history == states[1].history
    assert states[0].iter == 3


def test_a_snapshot_begun_at_the_end_is_whole_when_the_engine_is_closed(
    job: Job, opened: Open, tmp_path: Path
):
    """Closing waits for what is being written."""
    engine = opened(job(WIDE))
    engine.step(1)
    engine.begin_snapshot(tmp_path)

    engine.close()

    assert len(field_numbers(tmp_path / "iter_1.solverstate")) > 0
    assert not list(tmp_path.glob(".partial*"))


def test_a_writer_that_is_killed_is_reported_and_the_engine_goes_on(job: Job, opened: Open, tmp_path: Path):
    """Caffe ends its process when a disk is full: that of the writer, not that of the training."""
    engine = opened(job(WIDE))
    engine.step(1)
    folder = tmp_path / "kept"
    folder.mkdir()
    os.mkfifo(folder / partial_name(1, "caffemodel"))  # which nobody reads, so the writer is not done before
    writing = engine.begin_snapshot(folder)
    assert isinstance(writing, ForkedWriting)
    writing.kill()

    with pytest.raises(StorageError, match="its writer died"):
        writing.wait()
    assert not list(folder.iterdir())
    assert engine.step(1)[0].iteration == 2
    assert engine.snapshot(folder).iteration == 2
