"""Lists and tables of images, as people and other tools write them."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftjob.dataset.source.source import list_images
from ftjob.errors import BadDataError
from tests.dataset.images import write_photos


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
        ("cat/nowhere.jpg 0", r"line 2: cat/nowhere.jpg is not there, looked for in .*photos: fix the path"),
        ("c" * 300 + ".jpg 0", r"line 2: c*.jpg cannot be read \(File name too long\): fix the path"),
        ("cat/001.jpg cat", r"line 2: label 'cat' of cat/001.jpg is not an integer"),
        ("cat/001.jpg 1.5", r"line 2: label '1.5' of cat/001.jpg is not an integer"),
        ("cat/001.jpg -1", r"line 2: label -1 of cat/001.jpg is negative: number the classes from 0"),
        ("cat/001.jpg", r"line 2: 'cat/001.jpg' has no label: write `path label`"),
        ("cat/a b.jpg", r"line 2: 'cat/a b.jpg' has no label"),
        ("1 cat/001.jpg", r"line 2: '1 cat/001.jpg' has its label first: write `path label`"),
        ("cat/001.jpg,1", r"line 2: 'cat/001.jpg,1' has no blank before its label: write `path label`, or a"),
        ("cat/a b.jpg;1", r"line 2: 'cat/a b.jpg;1' has no blank before its label"),
        (
            "cat/001.jpg 0 3",
            r"line 2: cat/001.jpg has several labels \(0 3\), and a classifier is trained on",
        ),
        ("cat/001.jpg 0.5 -1 2", r"line 2: cat/001.jpg has several labels \(0.5 -1 2\)"),
        (
            r"F:\photos\cat\001.jpg 0",
            r"line 2: F:\\photos\\cat\\001.jpg is a path of Windows: write paths that",
        ),
        (
            "/cat/nowhere.jpg 0",
            r"line 2: /cat/nowhere.jpg is not there, looked for in .*photos: fix the path",
        ),
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
    rows = ("cat/000.jpg,1", "cat/001.jpg,0")

    assert list_images(write_list(photos, "path,label", *rows, name="all.csv")).labels == [1, 0]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("file,label", "cat/000.jpg,0"), "line 1: has no column 'path': begin with a header `path,label`"),
        (("path,label", "cat/000.jpg"), "line 2: path or label is empty"),
        (("path,label",), "lists no images"),
        (
            ("path,label", "cat/000.jpg,0.0", "dog/000.jpg,1.0"),
            "line 2: label '0.0' of cat/000.jpg is not an integer",
        ),
        (
            ("path,label,Split", "cat/000.jpg,cat,train", "dog/000.jpg,dog,Test"),
            "its column 'split' names splits \\(test, train\\): write a table for train and another for val",
        ),
    ],
)
def test_bad_csvs(photos: Path, lines: tuple[str, ...], message: str) -> None:
    """What is wrong with a CSV is reported with its line."""
    with pytest.raises(BadDataError, match=message):
        list_images(write_list(photos, *lines, name="all.csv"))


def test_a_header_is_read_however_it_is_written(photos: Path) -> None:
    """With blanks and capitals, as spreadsheets and people have them."""
    listing = write_list(photos, " Path, Label ", "cat/000.jpg, cat", "dog/000.jpg, dog", name="all.csv")

    assert list_images(listing).classes == ("cat", "dog")


def test_a_column_with_train_alone_names_no_splits(photos: Path) -> None:
    """Also where it is written in several ways."""
    rows = ("cat/000.jpg,cat,train", "dog/000.jpg,dog,Train", "dog/001.jpg,dog, train")

    assert list_images(write_list(photos, "path,label,part", *rows, name="all.csv")).labels == [0, 1, 1]


@pytest.mark.parametrize("separator", [";", "\t"])
def test_tables_of_other_separators(photos: Path, separator: str) -> None:
    """As spreadsheets of other countries write them."""
    lines = [
        separator.join(words) for words in (("path", "label"), ("cat/000.jpg", "cat"), ("dog/000.jpg", "dog"))
    ]

    assert list_images(write_list(photos, *lines, name="all.csv")).classes == ("cat", "dog")


def test_a_quoted_line_break_in_a_table(photos: Path) -> None:
    """Names of files may have any."""
    (photos / "cat" / "000.jpg").rename(photos / "cat" / "a\nb.jpg")

    found = list_images(
        write_list(photos, "path,label", '"cat/a\nb.jpg",cat', "dog/000.jpg,dog", name="all.csv")
    )

    assert found.paths == ["cat/a\nb.jpg", "dog/000.jpg"]


@pytest.mark.parametrize("kind", ["list.txt", "all.csv"])
def test_labels_that_no_net_could_have(photos: Path, kind: str) -> None:
    """A label of two thousand millions is reported, and nothing of that size is made."""
    separator, header = (",", ["path,label"]) if kind == "all.csv" else (" ", [])
    rows = [f"cat/00{at}.jpg{separator}{label}" for at, label in enumerate((0, 0, 2_000_000_000))]

    with pytest.raises(BadDataError, match="labels go up to 2000000000, and no image has label 1: number"):
        list_images(write_list(photos, *header, *rows, name=kind))


@pytest.mark.parametrize("kind", ["val.txt", "val.csv"])
def test_a_label_that_train_has_not(photos: Path, kind: str) -> None:
    """Numbers of a val list are held against the classes of train."""
    lines = ("path,label", "cat/000.jpg,7") if kind == "val.csv" else ("cat/000.jpg 7",)

    with pytest.raises(BadDataError, match=r"label 7 of cat/000.jpg is no class of train"):
        list_images(write_list(photos, *lines, name=kind), ("0", "1"))


def test_a_list_of_16_bit_characters(photos: Path) -> None:
    """As Windows' PowerShell writes it by itself, with a BOM or without."""
    for encoding, message in (("utf-16", "cannot be read as text"), ("utf-16-le", "has bytes of 0 in it")):
        (photos / "list.txt").write_bytes("cat/000.jpg 0\n".encode(encoding))
        with pytest.raises(BadDataError, match=f"list.txt: {message}.*: give a UTF-8 file"):
            list_images(photos / "list.txt")


WRITINGS = {
    "as it is": str,
    "in quotes": lambda path: f'"{path}"',
    "of Windows": lambda path: path.replace("/", "\\"),
    "below convert_imageset's root folder": lambda path: f"/{path}",
    "all at once": lambda path: '"\\' + path.replace("/", "\\") + '"',
}


@pytest.mark.parametrize("writing", WRITINGS)
@settings(max_examples=10, deadline=None)
@given(
    gap=st.sampled_from([" ", "  ", "\t", " \t "]),
    end=st.sampled_from(["\n", "\r\n", "\r", " \n", "\n\n"]),
    bom=st.booleans(),
)
def test_a_list_is_read_however_it_is_written(
    tmp_path_factory: pytest.TempPathFactory, writing: str, gap: str, end: str, bom: bool
) -> None:
    """A path that is not there as it stands is where convert_imageset or another system would have it."""
    folder = write_photos(tmp_path_factory.mktemp("lists"), {"a cat": 2, "dog": 2})
    paths = ["a cat/000.jpg", "dog/001.jpg"]
    text = "".join(f"{WRITINGS[writing](path)}{gap}{label}{end}" for label, path in enumerate(paths))
    (folder / "list.txt").write_bytes(text.encode("utf-8-sig" if bom else "utf-8"))

    found = list_images(folder / "list.txt")

    assert list(zip(found.paths, found.labels, strict=True)) == [
        (path, label) for label, path in enumerate(paths)
    ]


def test_a_path_that_is_there_as_it_stands_is_not_read_otherwise(photos: Path) -> None:
    """A file may be called so."""
    (photos / "cat" / "000.jpg").rename(photos / r"cat\000.jpg")
    (photos / "cat" / "001.jpg").rename(photos / "'cat.jpg'")

    found = list_images(write_list(photos, r"cat\000.jpg 0", "'cat.jpg' 1"))

    assert found.paths == [r"cat\000.jpg", "'cat.jpg'"]


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes_are_a_list_or_a_sentence(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Whatever a file holds that somebody calls a list or a table."""
    folder = tmp_path_factory.mktemp("any")
    for name in ("a.txt", "a.csv"):
        (folder / name).write_bytes(content)
        with pytest.raises(BadDataError, match=name):
            list_images(folder / name)
