"""The datasets of a spec."""

from pathlib import Path

import pytest

from ftjob.dataset.build.build import BuildOptions, build
from ftjob.dataset.facts import DatasetFacts
from ftjob.dataset.findings import label_findings, refuse_errors
from ftjob.errors import BadDataError
from ftjob.prepare.dataset import dataset_for, is_image_folder, is_lmdb
from tests.dataset.child import FORKS
from tests.dataset.images import write_photos

OPTIONS = BuildOptions(30, 40, val_split=0.25)


def test_what_a_path_is(photos: Path, tmp_path: Path) -> None:
    """Folders of images, LMDBs and built datasets are told apart."""
    build(photos, tmp_path / "out", OPTIONS)

    assert is_image_folder(photos)
    assert not is_image_folder(tmp_path / "out")
    assert not is_image_folder(tmp_path / "nowhere")
    assert is_lmdb(tmp_path / "out" / "train")
    assert not is_lmdb(photos)


def test_images_are_built_once(photos: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second run of a spec finds what the first has built."""
    first = dataset_for(photos, None, OPTIONS)
    monkeypatch.setattr("ftjob.dataset.build.build.build", None)

    again = dataset_for(photos, None, OPTIONS)

    assert again == first
    assert (first.train.records, first.val.records) == (15, 5)
    assert first.train.path.is_relative_to(cache / "datasets")


def test_a_new_image_makes_another_dataset(photos: Path) -> None:
    """What a finished run was trained on stays as it was."""
    first = dataset_for(photos, None, OPTIONS)
    write_photos(photos, {"cat": 4}, first=50)

    second = dataset_for(photos, None, OPTIONS)

    assert second.train.records == 18
    assert first.train.path.exists()
    assert first.train.path != second.train.path


def test_two_runs_at_once_build_once(photos: Path) -> None:
    """Two processes that need the same dataset agree on one build, and both get it."""
    others = [FORKS.Process(target=dataset_for, args=(photos, None, OPTIONS)) for _ in range(3)]
    for other in others:
        other.start()
    built = dataset_for(photos, None, OPTIONS)
    for other in others:
        other.join()

    assert [other.exitcode for other in others] == [0, 0, 0]
    assert built.train.records == 15


def test_a_built_dataset_is_taken_as_it_is(photos: Path, tmp_path: Path) -> None:
    """OUT of `data build` can be named whole, for train and, where it has one, val."""
    build(photos, tmp_path / "out", OPTIONS)

    found = dataset_for(tmp_path / "out", tmp_path / "out", BuildOptions())

    assert (found.train.path.name, found.val.path.name) == ("train", "val")


def test_images_and_an_lmdb_for_val(photos: Path, tmp_path: Path) -> None:
    """Train may be images and val an LMDB that is there already."""
    build(photos, tmp_path / "out", OPTIONS)

    found = dataset_for(photos, tmp_path / "out" / "val", BuildOptions(30, 40))

    assert (found.train.records, found.val.records) == (20, 5)


def test_images_for_both(photos: Path, tmp_path: Path) -> None:
    """Two folders of images share the labels of train."""
    val = write_photos(tmp_path / "val", {"dog": 3}, first=60)

    assert dataset_for(photos, val, BuildOptions(30, 40)).val.histogram == {1: 3}


def test_a_second_look_decodes_nothing(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Finding a built dataset again takes no longer than listing the folder."""
    first = dataset_for(photos, None, OPTIONS)
    monkeypatch.setattr("ftjob.dataset.build.build.build", pytest.fail)

    assert dataset_for(photos, None, OPTIONS) == first


def facts(*counts: int, first: int = 0, names: tuple[str, ...] = ()) -> DatasetFacts:
    """A dataset with so many records of each label; none of those with 0."""
    histogram = {first + label: count for label, count in enumerate(counts) if count}
    return DatasetFacts(
        location="some/train",
        records=sum(counts),
        channels=3,
        height=8,
        width=8,
        histogram=histogram,
        encoded=False,
        digest="",
        labels=names,
        mean=(),
    )


def test_good_labels_pass() -> None:
    """Labels from 0 without gaps, all below num_output, all judged."""
    assert label_findings(facts(3, 3, 2), facts(1, 1, 1), 3) == []


@pytest.mark.parametrize(
    ("train", "val", "num_output", "message"),
    [
        (facts(3, 3, 3), facts(1), 2, "labels go up to 2, but num_output is 2: set it to 3"),
        (facts(3, 3, first=1), facts(1, first=1), None, "labels begin at 1: number the classes from 0"),
        (facts(3, 3, first=-1), facts(1), None, "a label is -1: number the classes from 0"),
        (facts(3, 0, 3), facts(1), None, "no image has label 1: number the classes without gaps"),
        (facts(3, 1, names=("cat", "dog")), facts(1), None, r"label 1 \(dog\) has one image only"),
        (facts(3, 3), facts(1, 1, 1), None, "label 2 is not in some/train: make both from the same classes"),
        (facts(3, 3, names=("cat",)), facts(1), None, "labels go up to 1, but labels.txt names 1 classes"),
    ],
)
def test_labels_that_cannot_be_trained(
    train: DatasetFacts, val: DatasetFacts, num_output: int | None, message: str
) -> None:
    """Each would end a training, or spoil it in silence."""
    with pytest.raises(BadDataError, match=f"some/train: {message}"):
        refuse_errors(label_findings(train, val, num_output))
