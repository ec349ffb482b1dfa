"""Everything that can be wrong with a dataset."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ftjob.dataset.build.build import BuildOptions, build
from ftjob.dataset.build_options import DataProgress
from ftjob.dataset.check.check import CheckOptions, CheckReport, check
from ftjob.dataset.lmdb.datum import encode_datum
from ftjob.dataset.mean_image import write_mean_image
from tests.dataset.images import dataset, jpeg, photo, raw
from tests.dataset.test_duplicates import again


def good(first: int = 0, count: int = 8) -> list[bytes]:
    """Records of two classes, no picture twice."""
    return [raw(at % 2, photo(at)) for at in range(first, first + count)]


def messages(report: CheckReport, severity: str) -> list[str]:
    return [finding.message for finding in report.findings if finding.severity == severity]


def test_a_good_dataset(photos: Path, tmp_path: Path) -> None:
    """Nothing is found where nothing is wrong, and the mean is that of the records."""
    manifest = build(photos, tmp_path / "out", BuildOptions(60, 80, val_split=0.25))

    report = check(tmp_path / "out" / "train", tmp_path / "out" / "val", CheckOptions(num_output=2, crop=60))

    assert report.findings == ()
    assert report.ok
    np.testing.assert_allclose(report.mean, manifest.mean)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            encode_datum(jpeg(photo(9))[:900], 0, channels=3, height=60, width=80, encoded=True),
            "is a damaged JPEG",
        ),
        (encode_datum(b"", 0, channels=3, height=60, width=80, encoded=True), "cannot be decoded"),
        (encode_datum(b"xx", 0, channels=3, height=60, width=80), "has 2 bytes of pixels and a shape of"),
    ],
)
def test_records_that_are_no_images(tmp_path: Path, value: bytes, message: str) -> None:
    """Each is named by its key, also a JPEG cut short, which Caffe would fill up with grey."""
    report = check(dataset(tmp_path / "train", [*good(), value]))

    assert not report.ok
    assert f"1 record is no image, such as 008, which {message}" in messages(report, "error")[0]


@pytest.mark.parametrize(("crop", "severity"), [(None, "error"), (40, "warning")])
def test_records_of_another_size(tmp_path: Path, crop: int | None, severity: str) -> None:
    """Caffe stops at a record of another size, but where a crop fits into all."""
    report = check(
        dataset(tmp_path / "train", [*good(), raw(0, photo(9, 64, 50))]), None, CheckOptions(crop=crop)
    )

    assert any(
        "1 record is not 80x60 as the first is, such as 008, which is 50x64" in text
        for text in messages(report, severity)
    )


def test_a_record_of_other_channels(tmp_path: Path) -> None:
    """A grey record among colour is an error whatever the crop."""
    report = check(
        dataset(tmp_path / "train", [*good(), raw(0, photo(9)[:, :, :1])]), None, CheckOptions(crop=40)
    )

    assert any(
        "1 record is not in colour as the first is, such as 008" in text for text in messages(report, "error")
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (CheckOptions(num_output=1), "labels go up to 1, but num_output is 1: set it to 2"),
        (CheckOptions(crop=61), "images are 80x60, smaller than the crop of 61"),
        (CheckOptions(channels=1), "images have 3 channels and the net takes 1"),
    ],
)
def test_what_the_training_asks_for(tmp_path: Path, options: CheckOptions, message: str) -> None:
    """Classes, crop and channels are held against the records."""
    assert message in messages(check(dataset(tmp_path / "train", good()), None, options), "error")[0]


def test_the_same_picture_in_train_and_val(tmp_path: Path) -> None:
    """An accuracy on pictures that were trained on is worth nothing: an error that names them."""
    train = dataset(tmp_path / "train", good())
    val = dataset(tmp_path / "val", [*good(20, 4), raw(1, photo(3))])

    report = check(train, val)

    assert messages(report, "error") == [
        "1 picture is in train and in val, such as train/003 = val/004: take them out of one of the two"
    ]


def test_the_same_picture_under_two_labels(tmp_path: Path) -> None:
    """One of the labels is wrong."""
    report = check(dataset(tmp_path / "train", [*good(), raw(1, photo(2)), raw(0, photo(4))]))

    assert messages(report, "error") == [
        "1 picture is there under two labels, such as train/002 = train/008: fix the labels"
    ]
    assert messages(report, "warning") == [
        "1 picture is there more than once, such as train/004 = train/009: remove the copies"
    ]


def test_nearly_the_same_picture(tmp_path: Path) -> None:
    """A picture that was saved again is reported as a warning: it may be meant so."""
    train = dataset(tmp_path / "train", good())
    val = dataset(tmp_path / "val", [*good(20, 4), raw(1, again(photo(3)))])

    report = check(train, val)

    assert report.ok
    assert "1 picture is nearly as in train, such as train/003 = val/004" in messages(report, "warning")[0]


def test_copies_are_not_looked_for_where_not_wanted(tmp_path: Path) -> None:
    """Leaving the search out leaves its findings out."""
    train = dataset(tmp_path / "train", [*good(), raw(1, photo(2))])

    assert check(train, None, CheckOptions(duplicates=False)).findings == ()


def test_a_wrong_mean(photos: Path, tmp_path: Path) -> None:
    """A mean that is not that of the images is an error; one of other images and far off is a warning."""
    build(photos, tmp_path / "out", BuildOptions(60, 80))
    train = tmp_path / "out" / "train"
    assert check(train, None, CheckOptions(mean=(125.0, 125.0, 125.0))).ok
    (tmp_path / "out" / "manifest.json").unlink()
    write_mean_image(tmp_path / "out" / "mean.binaryproto", np.full((60, 80, 3), 20.0))

    report = check(train, None, CheckOptions(mean=(0.5, 0.5, 0.5)))

    assert messages(report, "error")[0].startswith(
        "the recorded mean is 20.0/20.0/20.0, that of the images 1"
    )
    assert messages(report, "warning")[0].startswith("data.mean is 0.5/0.5/0.5, that of the images 1")


def test_a_mean_of_another_size(photos: Path, tmp_path: Path) -> None:
    """A mean image of other images is reported."""
    train = dataset(tmp_path / "train", good())
    write_mean_image(tmp_path / "mean.binaryproto", np.zeros((32, 32, 3)))

    assert "is a mean of shape (3, 32, 32)" in messages(check(train), "error")[0]


def test_classes_of_very_different_size(tmp_path: Path) -> None:
    """One class with ten times the images of another is a warning."""
    values = [raw(at % 11 == 5, photo(at)) for at in range(44)]

    assert messages(check(dataset(tmp_path / "train", values)), "warning") == [
        "label 0 has 40 images and label 1 has 4: a net learns to answer the large one, "
        "add images of the small one"
    ]


def test_a_class_that_val_has_not(tmp_path: Path) -> None:
    """What is never judged is reported."""
    val = dataset(tmp_path / "val", [raw(0, photo(50))])

    assert messages(check(dataset(tmp_path / "train", good()), val), "warning") == [
        "label 1 has no image here and cannot be evaluated: add some"
    ]


def test_blank_pictures(tmp_path: Path) -> None:
    """A picture of one colour is rarely meant."""
    values = [*good(), raw(0, np.full((60, 80, 3), 7, dtype=np.uint8))]

    assert messages(check(dataset(tmp_path / "train", values)), "warning") == [
        "1 picture is of one colour all over, such as 008: look whether they belong here"
    ]


def test_contact_sheets(photos: Path, tmp_path: Path) -> None:
    """Every class gets a picture of its pictures, by name."""
    build(photos, tmp_path / "out", BuildOptions(60, 80, val_split=0.25))

    report = check(
        tmp_path / "out" / "train", tmp_path / "out" / "val", CheckOptions(sheet=tmp_path / "sheet")
    )

    paths = [str(path.relative_to(tmp_path / "sheet")) for path in report.sheets]
    assert paths == [
        f"{split}/000{label}_{name}.png"
        for split in ("train", "val")
        for label, name in enumerate(("cat", "dog"))
    ]
    with Image.open(report.sheets[0]) as sheet:
        tile = np.asarray(sheet)[22 + 12 : 22 + 84, 4:100].reshape(-1, 3)
        assert sheet.width > 8 * 96
        assert len(np.unique(tile, axis=0)) > 500


def test_a_sheet_shows_all_of_a_large_class(tmp_path: Path) -> None:
    """Of many pictures every so many-th is on the sheet."""
    train = dataset(tmp_path / "train", [raw(at % 2, photo(at, 8, 8)) for at in range(300)])

    report = check(train, None, CheckOptions(sheet=tmp_path / "sheet"))

    with Image.open(report.sheets[0]) as sheet:
        assert sheet.height == 22 + 8 * 100 + 4  # 64 of 150


def test_the_report_is_json(tmp_path: Path) -> None:
    """What is found can be read by programs."""
    report = check(dataset(tmp_path / "train", good()), None, CheckOptions(num_output=1))

    values = json.loads(json.dumps(report.to_json()))

    assert (values["ok"], values["train"]["records"]) == (False, 8)
    assert values["findings"][0]["severity"] == "error"


def test_progress_ends_at_the_end(tmp_path: Path) -> None:
    """The last word is that all records have been looked at."""
    seen: list[DataProgress] = []

    check(dataset(tmp_path / "train", good()), progress=seen.append)

    assert (seen[-1].done, seen[-1].total) == (8, 8)


@pytest.mark.parametrize("level", [0, 1])
def test_images_of_0_to_1(tmp_path: Path, level: int) -> None:
    """Stored as bytes they are black: that is reported first, and not that they are copies of each other."""
    values = [raw(at % 2, photo(at) // 255 * level) for at in range(8)]

    report = check(dataset(tmp_path / "train", values))

    assert messages(report, "error") == [
        f"no value of any picture is above {level}: images of 0 to 1 were stored as bytes, which are 0 to "
        "255: multiply by 255 before they are stored"
    ]
    assert not [text for text in messages(report, "warning") if "there" in text]


def test_pictures_that_are_all_of_one_colour(tmp_path: Path) -> None:
    """Nothing can be learned from them, whatever their colours."""
    values = [raw(at % 2, np.full((60, 80, 3), 20 * at + 10, np.uint8)) for at in range(8)]

    [message] = messages(check(dataset(tmp_path / "train", values)), "error")
    assert message.startswith("8 pictures are of one colour all over, such as 000, 001, 002 …")
