"""Folders, lists and CSVs of images."""

from pathlib import Path

import pytest

from ftjob.data.source import class_order, list_images
from ftjob.errors import BadDataError
from tests.data.images import write_photos


def test_a_folder_per_class(photos: Path) -> None:
    """Labels are the folders in order; hidden files and those that are no images are passed over."""
    (photos / "cat" / "Thumbs.db").touch()
    (photos / "cat" / ".hidden.jpg").touch()
    (photos / ".git").mkdir()

    listing = list_images(photos)

    assert listing.classes == ("cat", "dog")
    assert len(listing.paths) == 20
    assert dict(zip(listing.paths, listing.labels, strict=True))["dog/003.jpg"] == 1


def test_folders_in_folders_belong_to_their_class(tmp_path: Path) -> None:
    """Where a class is sorted into folders, all of them are its images."""
    write_photos(tmp_path / "cat", {"old": 2, "new": 1})

    assert list_images(tmp_path).paths == ["cat/new/000.jpg", "cat/old/000.jpg", "cat/old/001.jpg"]


def test_numbers_are_sorted_as_numbers() -> None:
    """Folders 0 to 10 get the labels 0 to 10; one name that is no number makes all of them names."""
    assert class_order(["10", "9", "0"]) == ["0", "9", "10"]
    assert class_order(["10", "9", "a"]) == ["10", "9", "a"]


def test_a_list_as_convert_imageset_reads_it(photos: Path) -> None:
    """The label follows the last space, paths count from the list's folder."""
    (photos / "cat" / "a b.jpg").touch()
    listing = write_list(photos, "cat/a b.jpg 1", "", "dog/000.jpg 0")

    found = list_images(listing)

    assert list(zip(found.paths, found.labels, strict=True)) == [("cat/a b.jpg", 1), ("dog/000.jpg", 0)]
    assert found.classes == ("0", "1")


def write_list(folder: Path, *lines: str, name: str = "list.txt") -> Path:
    path = folder / name
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("cat/nowhere.jpg 0", r"line 2: cat/nowhere.jpg is not there, looked for in .*photos: mend the path"),
        ("cat/001.jpg cat", r"line 2: label 'cat' of cat/001.jpg is not an integer"),
        ("cat/001.jpg 1.5", r"line 2: label '1.5' of cat/001.jpg is not an integer"),
        ("cat/001.jpg -1", r"line 2: label -1 of cat/001.jpg is negative: number the classes from 0"),
        ("cat/001.jpg", r"line 2: 'cat/001.jpg' is not `path label`"),
    ],
)
def test_bad_lines_are_named(photos: Path, line: str, message: str) -> None:
    """convert_imageset would make label 0 of some of these and leave out others, without a word."""
    with pytest.raises(BadDataError, match=f"list.txt: {message}"):
        list_images(write_list(photos, "cat/000.jpg 0", line))


def test_a_csv_with_names(photos: Path) -> None:
    """Labels that are names are numbered as folders are; further columns do not matter."""
    listing = write_list(photos, "who,label,path", "x,cat,dog/000.jpg", 'y,ape,"cat/000.jpg"', name="all.csv")

    found = list_images(listing)

    assert (found.classes, found.labels) == (("ape", "cat"), [1, 0])


def test_a_csv_with_numbers(photos: Path) -> None:
    """Labels that are numbers are taken as they are."""
    assert list_images(write_list(photos, "path,label", "cat/000.jpg,3", name="all.csv")).labels == [3]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("file,label", "cat/000.jpg,0"), "line 1: has no column 'path': begin with a header `path,label`"),
        (("path,label", "cat/000.jpg"), "line 2: path or label is empty"),
        (("path,label",), "lists no images"),
    ],
)
def test_bad_csvs(photos: Path, lines: tuple[str, ...], message: str) -> None:
    """What is wrong with a CSV is said with its line."""
    with pytest.raises(BadDataError, match=message):
        list_images(write_list(photos, *lines, name="all.csv"))


def test_val_has_the_classes_of_train(photos: Path, tmp_path: Path) -> None:
    """A folder that is missing in val does not move the labels of the others."""
    val = write_photos(tmp_path / "val", {"dog": 1})

    assert list_images(val, ("cat", "dog")).labels == [1]


def test_a_class_that_train_has_not(tmp_path: Path) -> None:
    """A class that was never learned cannot be judged."""
    with pytest.raises(BadDataError, match="val/dgo: is no class of train: rename or remove the folder"):
        list_images(write_photos(tmp_path / "val", {"dgo": 1}), ("cat", "dog"))


def test_empty_folders(tmp_path: Path) -> None:
    """An empty source, and an empty class, are each told by name."""
    with pytest.raises(BadDataError, match="holds no folders: put the images of every class into"):
        list_images(tmp_path)
    write_photos(tmp_path, {"cat": 2, "dog": 0})
    with pytest.raises(BadDataError, match="dog: holds no images: add some, or remove the folder"):
        list_images(tmp_path)


def test_a_source_that_is_not_there(tmp_path: Path) -> None:
    """A path that leads nowhere says what it may lead to."""
    with pytest.raises(BadDataError, match="nowhere: is not there: give a folder with one folder of images"):
        list_images(tmp_path / "nowhere")
