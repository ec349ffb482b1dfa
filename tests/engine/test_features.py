"""Features of a frozen trunk: kept, they change no result, and losing them loses time only."""

import multiprocessing
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ftjob.engine import Engine, Features
from ftjob.engine.open import open_engine
from ftjob.engine.process.feature_file import FeatureFile, make_room, open_file
from ftjob.errors import EngineError
from ftjob.fs import flock
from tests.engine import nets
from tests.engine.conftest import Job
from tests.engines import ENGINES

pytestmark = pytest.mark.usefixtures("forked_torch")

LIMIT = 1 << 30
EPOCHS, RECORDS, BATCH = 3, 10, 4
STEPS = EPOCHS * RECORDS // BATCH + 1


MIRROR = {"torch": "mirror: true", "caffe": ""}
"""Caffe keeps nothing of images that it mirrors."""


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """The name of the engine under test."""
    return str(request.param)


def net(transform: str = "") -> str:
    """A frozen trunk of a convolution and two poolings at whose end both heads begin; dropout comes after."""
    return f"""name: "two heads"
{nets.data(BATCH, 3, transform)}
layer {{ name: "conv" type: "Convolution" bottom: "data" top: "conv" {nets.FROZEN}
  convolution_param {{ num_output: 4 kernel_size: 3 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "relu" type: "ReLU" bottom: "conv" top: "conv" }}
layer {{ name: "root" type: "Power" bottom: "conv" top: "root" power_param {{ scale: 0.5 shift: 0.1 }} }}
layer {{ name: "small" type: "Pooling" bottom: "root" top: "small"
  pooling_param {{ pool: AVE kernel_size: 2 stride: 2 }} }}
layer {{ name: "drop" type: "Dropout" bottom: "root" top: "dropped" }}
layer {{ name: "fc" type: "InnerProduct" bottom: "dropped" top: "fc" {nets.PARAMS}
  inner_product_param {{ num_output: 3 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "aux" type: "InnerProduct" bottom: "small" top: "aux" {nets.PARAMS}
  inner_product_param {{ num_output: 3 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }}
layer {{ name: "aux_loss" type: "SoftmaxWithLoss" bottom: "aux" bottom: "label" top: "aux_loss"
  loss_weight: 0.3 }}
"""


def opened(engine: str, folder: Path, cache: Path | None, log: str = "log", **digests: str) -> Engine:
    """Open an engine on a job; `cache` is where features are kept."""
    kept = Features(cache, LIMIT, digests or {"train": "1", "val": "2"}) if cache else None
    solver = folder / "solver.prototxt"
    return open_engine(engine, solver=solver, weights=None, log=folder / log, cwd=folder, features=kept)


@dataclass(frozen=True)
class Trained:
    """What a training came to."""

    losses: list[float]
    weights: dict[str, list[NDArray[np.float32]]]
    scores: NDArray[np.float32]
    files: tuple[bytes, bytes]
    """A snapshot at the end."""


def trained(engine: str, folder: Path, cache: Path | None, log: str = "log", steps: int = STEPS) -> Trained:
    """Train some epochs and test."""
    with opened(engine, folder, cache, log) as training:
        return rest(training, folder, steps)


def rest(training: Engine, folder: Path, steps: int) -> Trained:
    """Train on, and test."""
    losses = [step.loss for step in training.step(steps)]
    scores = training.test(7, ["fc", "aux"])
    files = training.snapshot(folder)
    return Trained(
        losses,
        nets.layers(files.caffemodel),
        np.hstack([scores["fc"], scores["aux"]]),
        (files.caffemodel.read_bytes(), files.solverstate.read_bytes()),
    )


def same(expected: Trained, found: Trained) -> None:
    """Assert that two trainings ended alike."""
    np.testing.assert_allclose(found.losses, expected.losses, rtol=1e-5)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-5)
    for name, params in expected.weights.items():
        for before, after in zip(params, found.weights[name], strict=True):
            np.testing.assert_allclose(after, before, atol=1e-6)


@pytest.mark.parametrize("iter_size", [1, 2])
def test_kept_features_change_no_result(job: Job, tmp_path: Path, engine: str, iter_size: int):
    """With dropout and two heads, and with torch mirror: none kept, kept for the first time, all kept before.

    Caffe's snapshots are the same to the byte: a convolution computes each image alone.
    """
    folder = job(net(MIRROR[engine]), momentum=0.9, iter_size=iter_size)
    without = trained(engine, folder, None)
    first = trained(engine, folder, tmp_path / "cache", "first.log")
    size = sum(path.stat().st_size for path in (tmp_path / "cache").iterdir())
    again = trained(engine, folder, tmp_path / "cache", "again.log")

    same(without, first)
    same(without, again)
    assert size == sum(path.stat().st_size for path in (tmp_path / "cache").iterdir())
    floats = 4 * 4 * 4 + 4 * 2 * 2
    each, rows = (4 + 4 * floats, 20) if engine == "torch" else (4 + 4 * (floats + 1), 10)
    assert f"root, small: {each} bytes for each of {rows} in" in (folder / "again.log").read_text()
    if engine == "caffe":
        assert without.files == first.files == again.files


def test_a_trunk_runs_once_for_each_image(job: Job, tmp_path: Path, engine: str):
    """When features are kept the images are not even decoded: they may be unreadable by then."""
    folder = job(net())
    expected = trained(engine, folder, tmp_path / "cache")
    for name in ("train", "val"):
        broken = nets.records(10 if name == "train" else 7, seed=9)
        nets.write_lmdb(folder / name, broken)
    labels = nets.records(7, seed=1).labels
    assert (labels == nets.records(7, seed=9).labels).all()

    same(expected, trained(engine, folder, tmp_path / "cache"))


def test_two_runs_may_make_the_same_features_at_once(job: Job, tmp_path: Path, engine: str):
    """As members of a sweep do: both train as without, and a third finds every row."""
    folder = job(net())
    expected = trained(engine, folder, None)
    with ThreadPoolExecutor(2) as pool, ExitStack() as both:
        runs = [both.enter_context(opened(engine, folder, tmp_path / "cache", name)) for name in ("a", "b")]
        found = [
            pool.submit(rest, run, made(tmp_path / f"{number}"), STEPS) for number, run in enumerate(runs)
        ]
        for each in found:
            same(expected, each.result())
    for name in ("train", "val"):
        nets.write_lmdb(folder / name, nets.records(10 if name == "train" else 7, seed=9))

    same(expected, trained(engine, folder, tmp_path / "cache"))


def made(folder: Path) -> Path:
    """A new folder."""
    folder.mkdir()
    return folder


@pytest.mark.parametrize("change", ["other data", "other weights", "other transform"])
def test_features_of_something_else_are_not_taken(job: Job, tmp_path: Path, engine: str, change: str):
    """Another digest of the data, other weights of the trunk, another scale: each has features of its own."""
    folder = job(net())
    trained(engine, folder, tmp_path / "cache")
    text = (folder / "train_val.prototxt").read_text()
    digests = {"train": "1", "val": "2"}
    match change:
        case "other data":
            digests = {"train": "3", "val": "4"}
        case "other weights":
            (folder / "solver.prototxt").write_text(nets.solver(random_seed=4))
        case "other transform":
            (folder / "train_val.prototxt").write_text(text.replace(str(nets.SCALE), "0.5"))
    before = {path.name for path in (tmp_path / "cache").iterdir()}
    with opened(engine, folder, tmp_path / "cache", **digests) as training:
        training.step(1)
        assert len(training.kept_features()) == 2
    assert len({path.name for path in (tmp_path / "cache").iterdir()} - before) == 2


@pytest.mark.parametrize("damage", ["emptied", "cut", "flipped", "removed"])
def test_a_damaged_file_loses_time_only(job: Job, tmp_path: Path, engine: str, damage: str):
    """Rows that are cut, empty or have another bit are computed again."""
    folder, cache = job(net(MIRROR[engine])), tmp_path / "cache"
    expected = trained(engine, folder, cache)
    for path in cache.iterdir():
        content = bytearray(path.read_bytes())
        match damage:
            case "emptied":
                path.write_bytes(b"")
            case "cut":
                path.write_bytes(content[: len(content) // 2 + 3])
            case "flipped":
                for at in range(len(content) // 2, len(content), 1000):
                    content[at] ^= 4
                path.write_bytes(content)
            case "removed":
                path.unlink()
    same(expected, trained(engine, folder, cache))


def test_features_that_find_no_place_change_no_result(job: Job, tmp_path: Path, engine: str):
    """The trunk runs in every pass, and the log says why."""
    folder = job(net(MIRROR[engine]))
    expected = trained(engine, folder, None)
    (tmp_path / "file").touch()
    with opened(engine, folder, tmp_path / "file") as training:
        same(expected, rest(training, folder, STEPS))
        assert training.kept_features() == []
    assert "the trunk runs in every pass: " in (folder / "log").read_text()


def test_a_run_resumes_with_and_without_its_features(job: Job, tmp_path: Path, engine: str):
    """From a snapshot in the second epoch the rest is the same, whatever became of the features."""
    folder, cache = job(net(MIRROR[engine]), momentum=0.9, iter_size=2), tmp_path / "cache"
    expected = trained(engine, folder, None, steps=5)
    for kept_before in (None, cache):
        with opened(engine, folder, kept_before) as training:
            training.step(2)
            files = training.snapshot(folder)
        lost = tmp_path / f"lost{kept_before is None}"
        for kept in (cache, lost, None):
            with opened(engine, folder, kept) as training:
                training.restore(files.solverstate, files.caffemodel)
                has_rows = kept == kept_before == cache
                assert training.replayed == (0 if has_rows or engine == "torch" else 4)
                found = rest(training, folder, 3)
            np.testing.assert_allclose(found.losses, expected.losses[2:], rtol=1e-5)
            if engine == "caffe":
                assert found.files == expected.files


def test_a_run_that_was_killed_resumes_with_what_it_kept(job: Job, tmp_path: Path, engine: str):
    """Killed in its second epoch, it ends as one that never stopped."""
    folder, cache = job(net(MIRROR[engine]), momentum=0.9), tmp_path / "cache"
    expected = trained(engine, folder, None, steps=20)
    with opened(engine, folder, cache) as training:
        training.step(3)
        files = training.snapshot(folder)
        next(training.steps(10**7))
        os.kill(training.child.pid, signal.SIGKILL)
        with pytest.raises(EngineError):
            training.step(1)
    with opened(engine, folder, cache) as training:
        training.restore(files.solverstate, files.caffemodel)
        same(replace(expected, losses=expected.losses[3:]), rest(training, folder, 17))


def test_statistics_that_training_collects_are_no_trunk(job: Job, tmp_path: Path, engine: str):
    """A BatchNorm whose own prototxt has rate 0 still collects in TRAIN: TEST scores follow it."""
    rates = "param { lr_mult: 0 } " * 3
    norm = f'layer {{ name: "norm" type: "BatchNorm" bottom: "conv" top: "norm" {rates}}}\n'
    text = net(MIRROR[engine]).replace('layer { name: "root"', norm + 'layer { name: "root"')
    folder = job(text.replace('type: "Power" bottom: "conv"', 'type: "Power" bottom: "norm"'))
    scores = []
    for cache in (None, tmp_path / "cache"):
        with opened(engine, folder, cache) as training:
            training.test(7, ["fc"])
            training.step(STEPS)
            scores.append(training.test(7, ["fc"])["fc"])

    np.testing.assert_allclose(scores[1], scores[0], atol=1e-5)


def test_what_a_trunk_makes_can_be_requested(job: Job, tmp_path: Path, engine: str):
    """A blob inside the trunk makes the whole net run."""
    folder = job(net(MIRROR[engine]))
    found = []
    for cache in (None, tmp_path / "cache"):
        with opened(engine, folder, cache) as training:
            for _ in range(3):  # each begins at the record after the last test's
                training.test(7, ["fc"])
            found.append(training.test(7, ["conv", "fc"]))
    for blob, values in found[0].items():
        np.testing.assert_allclose(found[1][blob], values, atol=1e-6)


@pytest.mark.caffe
def test_caffe_keeps_nothing_of_images_that_it_mirrors(job: Job, tmp_path: Path):
    """Only those of the TEST net, which mirrors none."""
    folder = job(net("mirror: true"))
    without = trained("caffe", folder, None)
    with opened("caffe", folder, tmp_path / "cache") as training:
        found = rest(training, folder, STEPS)
        assert [kept.is_test for kept in training.kept_features()] == [True]
    assert found.files == without.files


def test_a_row_is_read_as_it_was_written_or_not_at_all(tmp_path: Path):
    """Any bit of a row that changes makes it missing; the other rows stay."""
    file, row = FeatureFile(tmp_path / "rows", 5), np.arange(5, dtype=np.float32)
    for number in (0, 3):
        file.write(number, row + number)
    out = np.empty(5, np.float32)
    assert [file.read(number, out) for number in range(5)] == [True, False, False, True, False]
    whole = file.path.read_bytes()
    for bit in range(8 * file.row_bytes):
        content = bytearray(whole)
        content[bit // 8] ^= 1 << bit % 8
        file.path.write_bytes(content)
        assert not file.read(0, out), bit
        assert file.read(3, out), bit
    assert out.tolist() == [3, 4, 5, 6, 7]


def test_rows_of_two_writers_at_once_are_whole_or_missing(tmp_path: Path):
    """Each writes the same rows with numbers of its own; a row is that of one of them, or computed again."""
    floats, rows, rounds = 300, 20, 40

    def write(number: int) -> None:
        file = FeatureFile(tmp_path / "rows", floats)
        for row in list(range(rows)) * rounds:
            file.write(row, np.full(floats, number, np.float32))

    forked = multiprocessing.get_context("fork")
    writers = [forked.Process(target=write, args=(number,)) for number in (1, 2)]
    for each in writers:
        each.start()
    file, out, seen = FeatureFile(tmp_path / "rows", floats), np.empty(floats, np.float32), set()
    while any(each.is_alive() for each in writers):
        for row in range(rows):
            if file.read(row, out):
                seen.add(float(out[0]))
                assert (out == out[0]).all()
    for each in writers:
        each.join()
        assert each.exitcode == 0

    for row in range(rows):
        file.write(row, np.full(floats, 3, np.float32))
        assert file.read(row, out)
    assert seen <= {1.0, 2.0}
    assert file.path.stat().st_size == rows * file.row_bytes


def test_a_full_disk_ends_the_keeping_only(small_disk: Path, capfd: pytest.CaptureFixture[str]):
    """The first row that does not fit ends it, with one line in the log; what is there stays."""
    file, row = FeatureFile(small_disk / "rows", 300_000), np.arange(300_000, dtype=np.float32)
    out = np.empty_like(row)
    for number in range(6):  # of 1.2 MB, and the disk has four
        file.write(number, row)

    assert [file.read(number, out) for number in range(6)] == [True] * 3 + [False] * 3
    assert capfd.readouterr().err == f"features: {file.path}: the disk is full: no more are kept\n"


def test_files_that_nobody_uses_make_room(tmp_path: Path):
    """The least recently used go first, no more than have to; one that is held stays."""
    paths = [tmp_path / name for name in "abcd"]
    for age, path in enumerate(paths):
        path.write_bytes(b"x" * 8192)
        os.utime(path, (1000 + age, 1000 + age))
    with paths[0].open("rb") as held:
        flock.acquire(held.fileno(), shared=True, wait=True)
        make_room(tmp_path, 8192, 3 * 8192)
    assert {path.name for path in tmp_path.iterdir()} == {"a", "d"}


def test_more_features_than_are_kept_are_refused(tmp_path: Path):
    """The sentence says how many there are."""
    assert open_file(tmp_path, "name", 10**6, 1000, 10**9) == (
        "4.0 GB of features are more than the 1.0 GB that are kept"
    )
    assert not list(tmp_path.iterdir())


def test_features_of_other_runs_stay(tmp_path: Path):
    """Where those that are in use leave no room, none are kept."""
    (tmp_path / "used").write_bytes(b"x" * 8192)
    with (tmp_path / "used").open("rb") as held:
        flock.acquire(held.fileno(), shared=True, wait=True)
        refused = open_file(tmp_path, "name", 10, 100, 8192)

    assert refused == "0.0 GB of features do not fit beside those that other runs use"
    assert (tmp_path / "used").stat().st_size == 8192
