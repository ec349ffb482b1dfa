"""Folders, lists and CSVs of images."""

import os
from pathlib import Path

import pytest

from ftjob.dataset.build.build import BuildOptions, build
from ftjob.dataset.check.inspection import inspect
from ftjob.dataset.source.listing import class_order
from ftjob.dataset.source.source import list_images
from ftjob.errors import BadDataError
from tests.dataset.images import write_photos


def test_a_folder_per_class(photos: Path) -> None:
    """Labels are the folders in order; hidden files and those that are no images are passed over."""
    (photos / "cat" / "Thumbs.db").touch()
    (photos / "cat" / ".hidden.jpg").touch()
    (photos / ".git").mkdir()

    listing = list_images(photos)

    assert listing.classes == ("cat", "dog")
    assert len(listing.paths) == 20
    assert dict(zip(listing.paths, listing.labels, strict=True))["dog/003.jpg"] == 1


@pytest.mark.parametrize("suffix", [".HEIC", ".heif", ".avif", ".jfif"])
def test_a_photograph_is_passed_over_in_no_format(photos: Path, suffix: str) -> None:
    """One that cannot be decoded is counted as unreadable, not left out without a word."""
    (photos / "cat" / "000.jpg").rename(photos / "cat" / f"000{suffix}")

    assert f"cat/000{suffix}" in list_images(photos).paths


def test_folders_in_folders_belong_to_their_class(tmp_path: Path) -> None:
    """Where a class is sorted into folders, all of them are its images."""
    write_photos(tmp_path / "cat", {"old": 2, "new": 1})
    write_photos(tmp_path, {"dog": 1})

    paths = ["cat/new/000.jpg", "cat/old/000.jpg", "cat/old/001.jpg", "dog/000.jpg"]
    assert list_images(tmp_path).paths == paths


def test_numbers_are_sorted_as_numbers() -> None:
    """Folders 0 to 10 get the labels 0 to 10; one name that is no number makes all of them names."""
    assert class_order(["10", "9", "0"]) == ["0", "9", "10"]
    assert class_order(["10", "9", "a"]) == ["10", "9", "a"]


def test_val_has_the_classes_of_train(photos: Path, tmp_path: Path) -> None:
    """A folder that is missing in val does not move the labels of the others."""
    val = write_photos(tmp_path / "val", {"dog": 1})

    assert list_images(val, ("cat", "dog")).labels == [1]


def test_a_class_that_train_has_not(tmp_path: Path) -> None:
    """A class that was never learned cannot be judged."""
    with pytest.raises(BadDataError, match="val/dgo: is no class of train: rename or remove the folder"):
        list_images(write_photos(tmp_path / "val", {"dgo": 1}), ("cat", "dog"))


def test_empty_folders(tmp_path: Path) -> None:
    """An empty source, and an empty class, are each named."""
    with pytest.raises(BadDataError, match="holds no folders: put the images of every class into"):
        list_images(tmp_path)
    write_photos(tmp_path, {"cat": 2, "dog": 0})
    with pytest.raises(BadDataError, match="dog: holds no images: add some, or remove the folder"):
        list_images(tmp_path)


def test_a_source_that_is_not_there(tmp_path: Path) -> None:
    """A path that leads nowhere says what it may lead to."""
    with pytest.raises(BadDataError, match="nowhere: is not there: give a folder with one folder of images"):
        list_images(tmp_path / "nowhere")


@pytest.mark.parametrize("name", [b"gr\xfcn", b"two\nlines", b"car\rriage"])
def test_a_class_name_that_is_no_line_of_text(tmp_path: Path, name: bytes) -> None:
    """labels.txt could not have it; reported before anything is built."""
    write_photos(tmp_path / "photos", {"cat": 2, "dog": 2})
    (tmp_path / "photos" / "cat").rename(tmp_path / "photos" / os.fsdecode(name))

    with pytest.raises(BadDataError, match=r"photos: the class name '.*' contains an invisible character"):
        list_images(tmp_path / "photos")


def test_image_names_may_be_any_bytes(tmp_path: Path) -> None:
    """A file's name need not be text: it is found, ordered and read."""
    write_photos(tmp_path / "photos", {"cat": 4, "dog": 4})
    (tmp_path / "photos" / "cat" / "000.jpg").rename(
        tmp_path / "photos" / "cat" / os.fsdecode(b"gr\xfcn.jpg")
    )

    build(tmp_path / "photos", tmp_path / "out", BuildOptions(8, 8, val_split=0.25))

    assert inspect(tmp_path / "out" / "train").records == 6
