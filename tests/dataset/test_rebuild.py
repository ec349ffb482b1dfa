"""Building again after images have come, gone or changed."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from ftjob.dataset.build import convert
from ftjob.dataset.build.build import BuildOptions, build
from ftjob.dataset.journal import read_lines
from ftjob.dataset.mean_image import read_mean_image
from tests.dataset.images import jpeg, photo, read_lmdb, write_photos

OPTIONS = BuildOptions(30, 40, val_split=0.25)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The files that are decoded from now on."""
    files: list[bytes] = []
    real = convert.stored_picture

    def stored_picture(data: bytes, shape: convert.Shape) -> object:
        files.append(data)
        return real(data, shape)

    monkeypatch.setattr(convert, "stored_picture", stored_picture)
    return files


def splits(out: Path) -> dict[str, str]:
    return {line.source: line.split for line in read_lines(out / "sources.jsonl")}


@pytest.mark.parametrize("encoding", ["raw", "png", "jpg"])
def test_only_new_images_are_decoded(
    photos: Path, tmp_path: Path, decoded: list[bytes], encoding: str
) -> None:
    """Five new images cost five decodings, and what comes of it is what a fresh build makes."""
    options = BuildOptions(30, 40, encoding=encoding)
    build(photos, tmp_path / "out", options)
    decoded.clear()
    write_photos(photos, {"cat": 3, "dog": 2}, first=50)

    manifest = build(photos, tmp_path / "out", options)

    assert (len(decoded), manifest.reused) == (5, 20)
    fresh = build(photos, tmp_path / "fresh", options)
    assert read_lmdb(tmp_path / "out" / "train") == read_lmdb(tmp_path / "fresh" / "train")
    assert manifest.splits["train"].digest == fresh.splits["train"].digest
    means = [read_mean_image(tmp_path / name / "mean.binaryproto") for name in ("out", "fresh")]
    assert np.abs(means[0] - means[1]).mean() <= (2 if encoding == "jpg" else 0)


def test_nothing_moves_between_train_and_val(photos: Path, tmp_path: Path) -> None:
    """Images stay in the split they were in."""
    build(photos, tmp_path / "out", OPTIONS)
    before = splits(tmp_path / "out")
    write_photos(photos, {"cat": 30, "dog": 40}, first=50)

    build(photos, tmp_path / "out", OPTIONS)

    assert before.items() <= splits(tmp_path / "out").items()


def test_a_new_class_moves_the_labels(photos: Path, tmp_path: Path, decoded: list[bytes]) -> None:
    """Taken-over records get the labels that the folders have now."""
    build(photos, tmp_path / "out", OPTIONS)
    decoded.clear()
    write_photos(photos, {"bird": 4})

    manifest = build(photos, tmp_path / "out", OPTIONS)

    assert len(decoded) == 4
    assert manifest.labels == ("bird", "cat", "dog")
    assert manifest.splits["train"].histogram == (3, 9, 6)


def test_changed_and_removed_images(photos: Path, tmp_path: Path, decoded: list[bytes]) -> None:
    """A file that changed is decoded again, one that is gone leaves no record."""
    build(photos, tmp_path / "out", OPTIONS)
    decoded.clear()
    (photos / "cat" / "000.jpg").write_bytes(jpeg(photo(77, 70, 70)))
    (photos / "cat" / "001.jpg").unlink()

    build(photos, tmp_path / "out", OPTIONS)

    assert len(decoded) == 1
    assert "cat/001.jpg" not in splits(tmp_path / "out")


def test_unreadable_images_are_not_tried_again(photos: Path, tmp_path: Path, decoded: list[bytes]) -> None:
    """What could not be read is still reported, without another try, until the file changes."""
    (photos / "cat" / "bad.jpg").write_bytes(b"bad")
    options = dataclasses.replace(OPTIONS, allow_unreadable=0.1)
    build(photos, tmp_path / "out", options)
    decoded.clear()
    write_photos(photos, {"dog": 1}, first=70)

    assert build(photos, tmp_path / "out", options).unreadable == 1
    assert len(decoded) == 1


def test_the_same_again_costs_nothing(photos: Path, tmp_path: Path, decoded: list[bytes]) -> None:
    """Where nothing changed nothing is written."""
    manifest = build(photos, tmp_path / "out", OPTIONS)
    decoded.clear()
    before = (tmp_path / "out" / "train" / "data.mdb").stat()

    assert build(photos, tmp_path / "out", OPTIONS) == manifest
    assert (tmp_path / "out" / "train" / "data.mdb").stat() == before
    assert decoded == []


@pytest.mark.parametrize("changed", [{"height": 31}, {"mode": "crop"}, {"encoding": "jpg"}, {"color": False}])
def test_other_options_make_other_records(
    photos: Path, tmp_path: Path, decoded: list[bytes], changed: dict[str, object]
) -> None:
    """Nothing is taken over from a build that did something else with the pixels."""
    build(photos, tmp_path / "out", OPTIONS)
    decoded.clear()

    assert build(photos, tmp_path / "out", dataclasses.replace(OPTIONS, **changed)).reused == 0
    assert len(decoded) == 20


def test_a_val_that_is_no_longer_wanted_goes(photos: Path, tmp_path: Path) -> None:
    """An OUT built without val has none left from before."""
    build(photos, tmp_path / "out", OPTIONS)

    build(photos, tmp_path / "out", dataclasses.replace(OPTIONS, val_split=None))

    assert not (tmp_path / "out" / "val").exists()
