"""Builds that are killed, and go on."""

import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ftjob.dataset.build import saver, stage
from ftjob.dataset.build.build import BuildOptions, build
from ftjob.dataset.folder import DatasetFolder
from ftjob.dataset.lmdb import records
from ftjob.errors import BadDataError
from tests.dataset.child import FULL_MAP, start_build
from tests.dataset.images import file_of, jpeg, photo, read_lmdb, rgb, write_photos

pytestmark = pytest.mark.slow

KILLS = 20
OPTIONS = BuildOptions(48, 64, val_split=0.2, encoding="png")


@pytest.fixture(autouse=True)
def full_map(monkeypatch: pytest.MonkeyPatch) -> None:
    """A map that is full where a build goes on, as with the thousands of images that fill a usual one."""
    monkeypatch.setattr(records, "FIRST_MAP", FULL_MAP)


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder in memory, where putting every few images on disk takes no time."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures that take long to decode, so that there is time to kill."""
    folder = tmp_path_factory.mktemp("images")
    for name in ("cat", "dog"):
        (folder / name).mkdir()
        for seed in range(60):
            path = folder / name / f"{seed}.png"
            path.write_bytes(file_of(rgb(photo(seed, 240, 320)), "PNG", compress_level=1))
    return folder


def whole(out: Path) -> list[object]:
    """All that a build makes which a later build must make again to the byte."""
    folder = DatasetFolder(out)
    return [
        read_lmdb(folder.split("train")),
        read_lmdb(folder.split("val")),
        folder.mean.read_bytes(),
        folder.sources.read_bytes(),
        folder.labels.read_bytes(),
    ]


@pytest.fixture(scope="module")
def undisturbed(images: Path) -> tuple[list[object], float]:
    """What a build makes that nobody kills, and how long it takes in a process of its own."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        start_build(images, Path(folder, "warm"), OPTIONS).join()
        process, began = start_build(images, Path(folder, "out"), OPTIONS), time.monotonic()
        process.join()
        return whole(Path(folder, "out")), time.monotonic() - began


def kill_after(seconds: float, images: Path, out: Path) -> None:
    process = start_build(images, out, OPTIONS)
    process.join(seconds)
    process.kill()
    process.join()


def looks_whole(out: Path) -> bool:
    return any((out / name).exists() for name in ("manifest.json", "train", "val", "labels.txt"))


@pytest.mark.parametrize("seed", range(KILLS))
def test_a_killed_build_goes_on(
    seed: int, images: Path, memory: Path, undisturbed: tuple[list[object], float]
) -> None:
    """Killed at a random moment nothing looks whole; built again it is what nobody had disturbed."""
    expected, seconds = undisturbed
    kill_after(random.Random(seed).uniform(0, seconds), images, memory / "out")
    assert looks_whole(memory / "out") == (memory / "out" / "manifest.json").exists()

    build(images, memory / "out", OPTIONS)

    assert whole(memory / "out") == expected


def test_a_build_that_is_killed_over_and_over(
    images: Path, memory: Path, undisturbed: tuple[list[object], float]
) -> None:
    """Every try goes on where the one before was, until it is done."""
    expected, seconds = undisturbed
    chance = random.Random(7)
    for _ in range(KILLS):
        kill_after(chance.uniform(0, seconds / 4), images, memory / "out")

    build(images, memory / "out", OPTIONS)

    assert whole(memory / "out") == expected


def test_what_is_done_is_not_done_again(images: Path, memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an interrupt the images before it are not decoded again."""
    monkeypatch.setattr(stage, "CHECKPOINT_SECONDS", 0.0)
    seen: list[int] = []

    def interrupt(progress: object) -> None:
        seen.append(progress.done)
        if progress.done >= 60:
            raise KeyboardInterrupt

    monkeypatch.setattr(stage, "PROGRESS_SECONDS", 0.0)
    with pytest.raises(KeyboardInterrupt):
        build(images, memory / "out", OPTIONS, progress=interrupt)
    again: list[int] = []
    build(images, memory / "out", OPTIONS, progress=lambda progress: again.append(progress.done))

    assert again[0] > 40


@pytest.mark.parametrize("batches", [1, 5, 20])
def test_interrupted_between_records_and_checkpoint(
    batches: int,
    images: Path,
    memory: Path,
    undisturbed: tuple[list[object], float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Records and lines that no checkpoint counts are made again, not twice."""
    monkeypatch.setattr(stage, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(stage, "CHUNK", 4)
    with monkeypatch.context() as patch:
        left = iter(range(batches))
        write = saver.write_checkpoint
        patch.setattr(saver, "write_checkpoint", lambda *args: (next(left), write(*args)))
        with pytest.raises(StopIteration):
            build(images, memory / "out", OPTIONS)

    build(images, memory / "out", OPTIONS)

    assert whole(memory / "out") == undisturbed[0]


def test_other_images_begin_anew(images: Path, memory: Path) -> None:
    """What an interrupted build of other images left is not mixed with these."""
    kill_after(0.2, images, memory / "out")
    other = write_photos(memory / "other", {"a": 3, "b": 3})

    assert build(other, memory / "out", OPTIONS).splits["train"].records == 4


def test_what_a_removal_left_is_not_gone_on_with(
    images: Path, memory: Path, undisturbed: tuple[list[object], float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A build of other images is killed while it removes an interrupted one's records: they are made anew."""
    monkeypatch.setattr(stage, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(stage, "CHUNK", 4)
    monkeypatch.setattr(stage, "PROGRESS_SECONDS", 0.0)

    def interrupt(progress: object) -> None:
        if progress.done >= 60:
            raise KeyboardInterrupt

    def remove_records(path: Path) -> None:
        remove(path / "train")
        raise KeyboardInterrupt

    remove = shutil.rmtree
    with pytest.raises(KeyboardInterrupt):
        build(images, memory / "out", OPTIONS, progress=interrupt)
    other = write_photos(memory / "other", {"a": 3, "b": 3})
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", remove_records)
        with pytest.raises(KeyboardInterrupt):
            build(other, memory / "out", OPTIONS)

    build(images, memory / "out", OPTIONS)

    assert whole(memory / "out") == undisturbed[0]


def test_two_builds_at_once(images: Path, memory: Path) -> None:
    """A second build into the same OUT is refused while the first lives."""
    process = start_build(images, memory / "out", OPTIONS)
    while not (memory / "out" / ".partial").exists():
        time.sleep(0.002)

    with pytest.raises(BadDataError, match="out: another build is writing here"):
        build(images, memory / "out", OPTIONS)
    process.join()


@pytest.mark.parametrize("renames", range(7))
def test_moving_into_place_may_be_interrupted(
    renames: int, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However far the moving of a finished rebuild got, the next build ends it."""
    out = tmp_path / "out"
    build(photos, out, OPTIONS)
    (photos / "cat" / "new.jpg").write_bytes(jpeg(photo(99)))
    with monkeypatch.context() as patch:
        _break_after(renames, out, patch)
        with pytest.raises(KeyboardInterrupt):
            build(photos, out, OPTIONS)
    assert (out / "manifest.json").exists() == (renames == 6)

    manifest = build(photos, out, OPTIONS)
    assert manifest.splits["train"].records + manifest.splits["val"].records == 21
    assert len(read_lmdb(out / "train")) + len(read_lmdb(out / "val")) == 21
    assert not (out / ".partial").exists()


def _break_after(renames: int, out: Path, patch: pytest.MonkeyPatch) -> None:
    """Interrupt the moving out of the stage after so many renames, or before the empty stage is removed."""
    move, remove, done = Path.replace, shutil.rmtree, []

    def replace(self: Path, target: Path) -> Path:
        if self.parent == out / ".partial" and target.parent == out:
            if len(done) == renames:
                raise KeyboardInterrupt
            done.append(target)
        return move(self, target)

    def rmtree(path: Path) -> None:
        if path == out / ".partial":
            raise KeyboardInterrupt
        remove(path)

    patch.setattr(Path, "replace", replace)
    patch.setattr(shutil, "rmtree", rmtree)
