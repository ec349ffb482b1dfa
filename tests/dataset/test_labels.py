"""labels.txt as people and other tools write it."""

import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftjob import api
from ftjob.dataset.build.build import BuildOptions, build
from ftjob.dataset.check.check import CheckOptions, CheckReport, check
from ftjob.dataset.check.inspection import inspect
from ftjob.dataset.folder import DatasetFolder
from ftjob.dataset.labels import name_problem, read_labels, write_labels
from ftjob.errors import BadDataError
from jobspec import JobSpec
from tests.dataset.images import dataset, photo, raw, write_photos

NAMES = st.lists(st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1), min_size=1)


def labels_file(folder: Path, content: bytes) -> Path:
    path = folder / "labels.txt"
    path.write_bytes(content)
    return path


@given(
    names=NAMES,
    bom=st.booleans(),
    end=st.sampled_from(["\n", "\r\n", "\r", " \n", "\t\r\n"]),
    empty=st.integers(0, 3),
)
def test_the_names_are_what_is_read(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], bom: bool, end: str, empty: int
) -> None:
    """Whatever editor wrote them: a BOM, CRLF, blanks and empty lines at the end are no part of a name."""
    text = "".join(f"{name}{end}" for name in names) + end * empty
    content = text.encode("utf-8-sig" if bom else "utf-8")

    assert read_labels(labels_file(tmp_path_factory.mktemp("labels"), content)) == tuple(names)


@given(st.lists(st.text(max_size=4), min_size=1))
def test_what_is_written_is_read_back_or_refused(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    """Whatever reads it: no line of labels.txt is two to a reader that splits at other ends."""
    path = tmp_path_factory.mktemp("labels") / "labels.txt"
    if any(map(name_problem, names)):
        with pytest.raises(BadDataError, match="the class name") as caught:
            write_labels(path, names)
        assert not path.exists()
        assert str(caught.value).isprintable()
    else:
        write_labels(path, names)
        text = path.read_text(encoding="utf-8")
        assert read_labels(path) == tuple(names) == tuple(text.splitlines()) == tuple(text.split("\n")[:-1])


@pytest.mark.parametrize(
    "name", ["a\x85b", "a\u2028b", "a\nb", "a\n", "a\tb", " a", "a ", "a\u202eb", "\ufeffa"]
)
def test_a_folder_that_would_be_two_classes_is_refused(tmp_path: Path, name: str) -> None:
    """`data build` shows its name harmlessly and writes nothing; two classes would become four."""
    photos = write_photos(tmp_path / "photos", {"cat": 2, name: 2})

    with pytest.raises(BadDataError, match=r"^\S+/photos: the class name '.*: rename it$") as caught:
        build(photos, tmp_path / "out", BuildOptions(8, 8, val_split=0.5))
    assert str(caught.value).isprintable()
    assert not DatasetFolder(tmp_path / "out").labels.exists()


def test_a_labels_file_is_a_file(tmp_path: Path) -> None:
    """A pipe in its place is not waited for."""
    os.mkfifo(tmp_path / "labels.txt")

    with pytest.raises(
        BadDataError, match=r"labels.txt: is a pipe, not a file: give one class name per line"
    ):
        read_labels(tmp_path / "labels.txt")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"ant\n\nbee\n",
            "labels.txt: line 2 is empty, and the names after it would be those of other labels",
        ),
        (b"\nant\nbee\n", "labels.txt: line 1 is empty.*or name class 0 in it"),
        (
            "ant\nbee\u2028wasp\n".encode(),
            r"class name 'bee\\u2028wasp' contains an invisible character: rename it",
        ),
        ("ant\ndog\x85\n".encode(), r"class name 'dog\\x85' contains an invisible character"),
        (("a" * 256).encode(), "class name 'a+...' has more than 255 characters: rename it"),
        (b"gr\xfc\xdfe\nbee\n", "labels.txt: cannot be read as text .*: save it as UTF-8"),
        ("ant\nbee\n".encode("utf-16-le"), "labels.txt: has bytes of 0 in it, which no text has: save it"),
        ("ant\nbee\n".encode("utf-16"), "labels.txt: cannot be read as text .*: save it as UTF-8"),
    ],
)
def test_what_would_shift_the_names_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    """By its line; data check reports it among all else that it finds."""
    folder = dataset(tmp_path / "train_db", [raw(at % 2, photo(at)) for at in range(6)])
    labels_file(tmp_path, content)

    with pytest.raises(BadDataError, match=message):
        inspect(folder)
    report = check(folder)
    assert report.train.records == 6
    [finding] = report.findings
    assert finding.severity == "error"
    assert re.search(message, finding.message)


def found(folder: Path, content: str, classes: int = 3) -> CheckReport:
    train = dataset(folder / "train_db", [raw(at % classes, photo(at)) for at in range(4 * classes)])
    labels_file(folder, content.encode())
    return check(train)


@pytest.mark.parametrize(
    ("content", "severity", "message"),
    [
        ("ant\nbee\n", "error", "labels go up to 2, but labels.txt names 2 classes: add the missing names"),
        (
            "ant\nbee\ncow\ndog\n",
            "warning",
            "labels.txt names 4 classes, and labels go up to 2: no record is of 'dog': take the names out, "
            "or add images",
        ),
        (
            "background\nant\nbee\ncow\n",
            "warning",
            "labels.txt names 4 classes, the first of them 'background', and labels go from 0 to 2: take "
            "that line out, unless label 0 is 'background'",
        ),
        (
            "ant\nbee\nant\n",
            "warning",
            "labels.txt calls labels 0 and 2 'ant': give each a name of its own",
        ),
    ],
)
def test_names_that_do_not_go_with_the_labels(
    tmp_path: Path, content: str, severity: str, message: str
) -> None:
    """A name too few is an error; one too many, or twice, may be meant."""
    [finding] = found(tmp_path, content).findings

    assert (finding.severity, finding.message) == (severity, message)


def test_a_class_between_others_without_images_is_named(tmp_path: Path) -> None:
    """By its number: the net would have an output for it."""
    train = dataset(tmp_path / "train_db", [raw(at % 2 * 2, photo(at)) for at in range(8)])
    labels_file(tmp_path, b"ant\nbee\ncow\n")

    assert "no image has label 1: number the classes without gaps" in [
        finding.message for finding in check(train).findings
    ]


@pytest.mark.parametrize("label", [0, 1, 7, -1])
def test_one_label_alone_is_no_classification(tmp_path: Path, label: int) -> None:
    """data check says what plan says, whichever label it is: lists without labels give 0 to all."""
    folders = [
        dataset(tmp_path / split, [raw(label & 2**64 - 1, photo(at)) for at in range(first, first + 8)])
        for split, first in (("train", 0), ("val", 20))
    ]
    sentence = f"all records have label {label}, and a classifier needs two classes: fix the labels"

    assert [finding.severity for finding in check(folders[0]).findings if sentence in finding.message] == [
        "error"
    ]
    spec = {"name": "alone", "base": {"net": "lenet"}, "output": "runs"}
    data = {"train": str(folders[0]), "val": str(folders[1])}
    with pytest.raises(BadDataError, match=sentence):
        api.plan(JobSpec.model_validate({**spec, "data": data}))


def two_sets(folder: Path, val: int, names: str) -> CheckReport:
    """Train and val with labels.txt of their own; the records of val are those from number `val` on."""
    places = []
    for split, first, text in (("train", 0, "ant\nbee\n"), ("val", val, names)):
        places.append(
            dataset(folder / split / "db", [raw(at % 2, photo(at)) for at in range(first, first + 6)])
        )
        labels_file(folder / split, text.encode())
    return check(*places, CheckOptions(duplicates=False))


def test_a_val_with_other_names_is_refused(tmp_path: Path) -> None:
    """Two datasets that were built apart may number classes otherwise: every answer would be wrong."""
    [finding] = two_sets(tmp_path, 20, "bee\nwasp\n").findings

    assert finding.severity == "error"
    assert finding.message.startswith("label 0 is 'bee' here and 'ant' in ")


def test_a_val_that_is_train_is_reported(tmp_path: Path) -> None:
    """Whatever its path."""
    [finding] = two_sets(tmp_path, 0, "ant\nbee\n").findings

    assert (finding.severity, finding.where) == ("warning", str(tmp_path / "val" / "db"))
    assert finding.message.startswith("holds the very records of ")
