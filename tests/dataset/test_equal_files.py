"""The same file twice among the images of a build."""

import json
from pathlib import Path

from ftjob.dataset.build.build import BuildOptions, build
from ftjob.dataset.manifest import read_manifest
from tests.dataset.images import write_photos

SMALL = BuildOptions(height=30, width=40, val_split=None)


def test_a_file_under_two_labels(photos: Path, tmp_path: Path) -> None:
    """The build warns of files under two labels: two by their paths, and how many; a rebuild too."""
    for number in range(3):
        (photos / "dog" / f"copy{number}.jpg").write_bytes((photos / "cat" / f"00{number}.jpg").read_bytes())

    (warning,) = build(photos, tmp_path / "out", SMALL).warnings

    assert warning.startswith(f"3 pictures are there under two labels, such as {photos}/")
    left, right = (Path(path) for path in warning.split("such as ")[1].split(":")[0].split(" = "))
    assert left.read_bytes() == right.read_bytes()
    assert {left.parent.name, right.parent.name} == {"cat", "dog"}
    assert build(photos, tmp_path / "out", SMALL).warnings == (warning,)


def test_a_file_in_train_and_in_val(photos: Path, tmp_path: Path) -> None:
    """The build warns of a file of train that is in val too, each by its own folder."""
    val = write_photos(tmp_path / "val", {"cat": 2, "dog": 2}, first=500)
    (val / "cat" / "again.jpg").write_bytes((photos / "cat" / "004.jpg").read_bytes())

    built = build(photos, tmp_path / "out", SMALL, val=val)

    assert built.warnings == (
        f"1 picture is in train and in val, such as {photos}/cat/004.jpg = {val}/cat/again.jpg: take them "
        "out of one of the two",
    )


def test_other_files_are_no_copies(photos: Path, tmp_path: Path) -> None:
    """No warning of files that differ, of equal files of one class in train, nor of those left out."""
    (photos / "cat" / "again.jpg").write_bytes((photos / "cat" / "004.jpg").read_bytes())
    for name in ("cat", "dog"):
        (photos / name / "broken.jpg").write_bytes(b"no image")

    built = build(photos, tmp_path / "out", BuildOptions(30, 40, val_split=None, allow_unreadable=0.5))

    assert built.unreadable == 2
    assert built.warnings == ()


def test_a_manifest_without_warnings(photos: Path, tmp_path: Path) -> None:
    """A dataset that an older ftjob built, whose manifest has no warnings, is read as before."""
    built = build(photos, tmp_path / "out", SMALL)
    path = tmp_path / "out" / "manifest.json"
    values = json.loads(path.read_text())
    del values["warnings"]
    path.write_text(json.dumps(values))

    assert read_manifest(path) == built
