"""Folders called train and val are taken for what they are."""

from pathlib import Path

import pytest

from ftjob import api
from ftjob.dataset.build.build import BuildOptions, build
from ftjob.dataset.source.source import list_images
from ftjob.errors import BadDataError
from jobspec import JobSpec
from tests.dataset.images import write_photos

CLASSES = {"cat": 3, "dog": 3}


def tree(root: Path, *folders: str, flat: tuple[str, ...] = ()) -> Path:
    """A folder with class folders in each of some folders, and images right in others."""
    for folder in folders:
        write_photos(root / folder, CLASSES)
    return write_photos(root, dict.fromkeys(flat, 3))


def planned(photos: Path) -> None:
    spec = {"name": "splits", "base": {"net": "lenet"}, "output": "runs"}
    api.plan(JobSpec.model_validate({**spec, "data": {"train": str(photos), "val_split": 0.25}}))


def built(photos: Path) -> None:
    build(photos, photos.parent / "out", BuildOptions(8, 8, val_split=0.25))


@pytest.mark.parametrize("use", [planned, built, api.check_data])
def test_splits_are_no_classes(tmp_path: Path, use) -> None:
    """A plan, a build and a check refuse them alike, and say what to write."""
    photos = tree(tmp_path / "photos", "train", "val", "test")

    with pytest.raises(BadDataError) as caught:
        use(photos)
    assert str(caught.value) == (
        f"{photos}: test, train and val are splits, not classes, each with the folders cat and dog: write "
        f"data: {{train: {photos}/train, val: {photos}/val}}, or `ftjob data build {photos}/train OUT --val "
        f"{photos}/val`"
    )


@pytest.mark.parametrize(
    ("folders", "train", "val"),
    [
        (("train", "valid"), "train", "valid"),
        (("Train", "VAL"), "Train", "VAL"),
        (("training", "validation"), "training", "validation"),
        (("train", "test"), "train", "test"),
        (("train", "dev", "test", "extra"), "train", "dev"),
        (("train", "eval"), "train", "eval"),
    ],
)
def test_the_names_that_splits_have(tmp_path: Path, folders: tuple[str, ...], train: str, val: str) -> None:
    """In any case, with others beside them; what is offered as val is the likelier one."""
    photos = tree(tmp_path / "photos", *folders)

    with pytest.raises(BadDataError, match=rf"write data: {{train: {photos}/{train}, val: {photos}/{val}}}"):
        list_images(photos)


def test_splits_of_other_classes_are_splits_too(tmp_path: Path) -> None:
    """One class in common will do: val may lack some."""
    photos = tree(tmp_path / "photos", "train")
    write_photos(photos / "val", {"dog": 2, "owl": 2})

    with pytest.raises(
        BadDataError, match="train and val are splits, not classes, each with the folder dog: "
    ):
        list_images(photos)


def test_splits_without_classes(tmp_path: Path) -> None:
    """Images right in train and val have no labels."""
    photos = tree(tmp_path / "photos", flat=("train", "val"))

    with pytest.raises(BadDataError, match="train and val are splits, not classes: put the images of every"):
        list_images(photos)


def test_splits_without_one_to_train_on(tmp_path: Path) -> None:
    """No command is made up."""
    with pytest.raises(BadDataError, match=r"test and val are splits, .*: give a folder with one folder of"):
        list_images(tree(tmp_path / "photos", "val", "test"))


@pytest.mark.parametrize(
    ("folders", "flat"), [(("train",), ()), (("photos",), ()), (("train",), ("unlabelled",))]
)
def test_classes_one_folder_further_down(
    tmp_path: Path, folders: tuple[str, ...], flat: tuple[str, ...]
) -> None:
    """One folder of class folders, alone or beside images, is what was meant."""
    photos = tree(tmp_path / "photos", *folders, flat=flat)
    sentence = (
        rf"its folder {folders[0]} is no class, the folders in it are \(cat and dog\): give .*/{folders[0]}"
    )

    with pytest.raises(BadDataError, match=sentence):
        list_images(photos)


@pytest.mark.parametrize(
    "flat", [("bus", "test", "tram"), ("train", "bus"), ("train", "bus", "test"), ("val", "dev", "prod")]
)
def test_a_class_may_be_called_as_a_split_is(tmp_path: Path, flat: tuple[str, ...]) -> None:
    """Where there are others beside it, and no classes in it."""
    assert list_images(tree(tmp_path / "photos", flat=flat)).classes == tuple(sorted(flat))


def test_a_class_that_is_sorted_further_may_be_called_so(tmp_path: Path) -> None:
    """Trains of two kinds among other vehicles."""
    photos = tree(tmp_path / "photos", flat=("bus", "tram"))
    write_photos(photos / "train", {"steam": 2, "diesel": 2})

    assert list_images(photos).classes == ("bus", "train", "tram")


def test_one_class_is_no_classification(tmp_path: Path) -> None:
    """A build says what check and plan would."""
    with pytest.raises(BadDataError, match=r"all images are of one class \(cat\), and a"):
        built(write_photos(tmp_path / "photos", {"cat": 4}))
