"""What is found in an LMDB before anything is trained on it."""

import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ftjob.dataset.build.build import BuildOptions, build
from ftjob.dataset.build_options import DataProgress
from ftjob.dataset.check import remembered
from ftjob.dataset.check.inspection import inspect
from ftjob.dataset.facts import ImageSize, OtherSizes
from ftjob.dataset.lmdb.datum import encode_datum
from ftjob.dataset.lmdb.read import records
from ftjob.errors import BadDataError
from ftjob.net.proto.caffe_pb2 import Datum
from tests.dataset.images import dataset, encoded, jpeg, photo, raw, read_lmdb, write_lmdb


@pytest.fixture
def lmdb_folder(tmp_path: Path) -> Path:
    """Ten records of other makers: no manifest, no labels."""
    return dataset(tmp_path / "db", [raw(at % 3, photo(at, 4, 6)) for at in range(10)])


def test_facts_of_a_foreign_lmdb(lmdb_folder: Path) -> None:
    """What the records say themselves is found, and nothing is made up."""
    facts = inspect(lmdb_folder)

    assert (facts.records, facts.channels, facts.height, facts.width) == (10, 3, 4, 6)
    assert facts.histogram == {0: 4, 1: 3, 2: 3}
    assert (facts.labels, facts.mean, facts.encoded, facts.resize_mode) == ((), (), False, "squash")


def test_facts_of_a_built_dataset(photos: Path, tmp_path: Path) -> None:
    """What the build knew is taken from beside the LMDB."""
    manifest = build(photos, tmp_path / "out", BuildOptions(30, 40, mode="crop", encoding="jpg"))

    facts = inspect(tmp_path / "out" / "train")

    assert (facts.labels, facts.mean, facts.resize_mode) == (("cat", "dog"), manifest.mean, "crop")
    assert (facts.height, facts.width, facts.channels, facts.encoded) == (30, 40, 3, True)
    assert facts.digest == manifest.splits["train"].digest


def test_a_manifest_of_other_records_is_not_believed(photos: Path, tmp_path: Path) -> None:
    """An LMDB that was put in place of the built record is not taken for it."""
    manifest = build(photos, tmp_path / "out", BuildOptions(30, 40))
    shutil.rmtree(tmp_path / "out" / "train")
    write_lmdb(tmp_path / "out" / "train", [(b"0", raw(0, photo(1, 30, 40)))])

    facts = inspect(tmp_path / "out" / "train")

    assert facts.digest != manifest.splits["train"].digest
    assert facts.mean == ()


def test_the_digest_is_that_of_the_file(lmdb_folder: Path) -> None:
    """The same LMDB has the same digest wherever it lies, another LMDB has another."""
    shutil.copytree(lmdb_folder, lmdb_folder.with_name("copy"))
    other = write_lmdb(lmdb_folder.with_name("other"), read_lmdb(lmdb_folder)[:9])

    digest = inspect(lmdb_folder).digest
    assert inspect(lmdb_folder.with_name("copy")).digest == digest
    assert inspect(other).digest != digest


def test_encoded_records_give_their_size_or_their_image_does(tmp_path: Path) -> None:
    """convert_imageset leaves the size out of encoded records."""
    value = encode_datum(jpeg(photo(1, 30, 40)), 2, channels=0, height=0, width=0, encoded=True)

    facts = inspect(write_lmdb(tmp_path / "db", [(b"k", value)]))

    assert (facts.height, facts.width, facts.channels) == (30, 40, 3)


def test_a_built_dataset_is_not_read(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a manifest has it all, no record is looked at."""
    build(photos, tmp_path / "out", BuildOptions(30, 40))
    monkeypatch.setattr(remembered, "contents_of", None)
    monkeypatch.setattr(remembered, "_summary", None)

    assert inspect(tmp_path / "out" / "train").records == 20


IMAGES = st.tuples(st.integers(0, 3), st.integers(1, 9), st.integers(1, 9), st.booleans())


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(images=st.lists(IMAGES, min_size=1, max_size=12), channels=st.sampled_from([1, 3]))
def test_all_records_are_in_the_facts(
    tmp_path_factory: pytest.TempPathFactory, images: list[tuple[int, int, int, bool]], channels: int
) -> None:
    """Sizes, labels and numbers are those of the records as they are read, stored either way or both."""
    values = [
        (encoded if packed else raw)(label, photo(at, height, width)[:, :, :channels])
        for at, (label, height, width, packed) in enumerate(images)
    ]
    folder = dataset(tmp_path_factory.mktemp("any") / "db", values)

    facts = inspect(folder)

    found = list(records(folder))
    sizes = [record.image.shape[:2] for record in found]
    others = [size for size in sizes if size != sizes[0]]
    assert facts.records == len(found)
    assert {record.image.shape[2] for record in found} == {facts.channels}
    assert facts.histogram == Counter(record.label for record in found)
    assert (facts.height, facts.width) == sizes[0]
    assert facts.smallest.side == min(map(min, sizes))
    assert (facts.others.records if facts.others else 0) == len(others)


def test_sizes_are_reported_with_their_records(tmp_path: Path) -> None:
    """The first of another size, and the smallest of all, which may be the very first."""
    images = [photo(1, 8, 8), photo(2, 9, 9), photo(3, 8, 30), photo(4, 5, 40), photo(5, 8, 8)]

    facts = inspect(dataset(tmp_path / "db", [raw(0, image) for image in images]))
    grown = inspect(dataset(tmp_path / "grown", [raw(0, image) for image in images[:3]]))

    assert facts.others == OtherSizes(3, ImageSize("001", 9, 9), ImageSize("003", 5, 40))
    assert grown.smallest == ImageSize("000", 8, 8)


HWC = photo(1, 40, 30)
TWELVE = bytes(range(12))
FLAWED = {
    "float_data": (
        Datum(channels=3, height=2, width=2, float_data=[0.5] * 12).SerializeToString(),
        "holds float_data, which is no image: store 8-bit pixels in data",
    ),
    "float64": (
        encode_datum(bytes(96), 0, channels=3, height=2, width=2),
        "has 96 bytes of pixels and a shape of 3x2x2: they are float64: store 8-bit pixels",
    ),
    "too few bytes": (
        encode_datum(bytes(11), 0, channels=3, height=2, width=2),
        "has 11 bytes of pixels and a shape of 3x2x2: store 8-bit pixels",
    ),
    "height, width, channels": (
        encode_datum(HWC.tobytes(), 0, channels=40, height=30, width=3),
        "has 40 channels, height 30 and width 3: it was stored as height, width, channels: Caffe stores "
        "channels, height, width",
    ),
    "grey and axes swapped": (
        encode_datum(bytes(1200), 0, channels=40, height=30, width=1),
        "has 40 channels, height 30 and width 1: it was stored as height, width, channels",
    ),
    "two channels": (
        encode_datum(bytes(8), 0, channels=2, height=2, width=2),
        r"has 2 channels, and an image has 3 \(BGR\) or 1 \(grey\)",
    ),
    "negative": (
        encode_datum(TWELVE, 0, channels=3, height=2**32 - 2, width=2**32 - 2),
        "has a shape of 3x-2x-2",
    ),
    "huge": (
        encode_datum(TWELVE, 0, channels=2**31 - 1, height=2**31 - 1, width=2**31 - 1),
        "has 12 bytes of pixels and a shape of 2147483647x2147483647x2147483647",
    ),
    "nothing": (encode_datum(b"", 0, channels=0, height=0, width=0), "has no pixels"),
    "a file that is not marked": (
        encode_datum(jpeg(photo(1)), 0, channels=3, height=60, width=80),
        "holds a JPEG file and is not marked as encoded: write encoded: true",
    ),
    "pixels that are marked": (
        encode_datum(TWELVE, 0, channels=3, height=2, width=2, encoded=True),
        "is marked as encoded and holds plain pixels, which cannot be decoded: write encoded: false",
    ),
    "no file": (encode_datum(TWELVE, 0, channels=0, height=0, width=0, encoded=True), "cannot be decoded"),
    "an empty file": (encode_datum(b"", 0, channels=0, height=0, width=0, encoded=True), "cannot be decoded"),
    "alpha": (encoded(0, np.zeros((4, 6, 4), np.uint8)), "has 4 channels.*without its alpha channel"),
    "16 bits": (encoded(0, np.zeros((4, 6, 3), np.uint16)), "holds uint16 pixels, not uint8: store 8-bit"),
    "no Datum": (b"no datum", "is not a Datum of Caffe"),
}


@pytest.mark.parametrize("place", [0, 3])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("flaw", FLAWED)
def test_a_record_that_is_no_image_is_named(tmp_path: Path, flaw: str, packed: bool, place: int) -> None:
    """Wherever it is, and however the others are stored: Caffe would end, or train on something else."""
    value, message = FLAWED[flaw]
    values = [(encoded if packed else raw)(0, photo(at, 2, 2)) for at in range(5)]
    values[place] = value

    with pytest.raises(BadDataError, match=f"db: record 00{place}: {message}"):
        inspect(dataset(tmp_path / "db", values))


def test_float_data_beside_pixels_is_passed_over(tmp_path: Path) -> None:
    """As Caffe does."""
    both = Datum.FromString(raw(1, photo(1, 2, 2)))
    both.float_data.append(0.5)

    assert inspect(dataset(tmp_path / "db", [both.SerializeToString()])).histogram == {1: 1}


@pytest.mark.parametrize("pack", [raw, encoded])
def test_records_of_other_channels_are_named(tmp_path: Path, pack) -> None:
    """Caffe ends at a grey image among colour ones."""
    images = [photo(1), photo(2), photo(3)[:, :, :1]]

    with pytest.raises(BadDataError, match="record 002: is grey, and the first record is in colour: build"):
        inspect(dataset(tmp_path / "db", [pack(0, image) for image in images]))


def test_an_lmdb_is_looked_at_once(lmdb_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was found is remembered by its bytes, wherever they lie; other bytes are looked at."""
    first = inspect(lmdb_folder)
    other = dataset(lmdb_folder.with_name("other"), [raw(0, photo(1))])
    copy = shutil.copytree(lmdb_folder, lmdb_folder.with_name("copy"))
    monkeypatch.setattr(remembered, "_count_all", None)

    assert inspect(lmdb_folder) == first
    assert inspect(copy).histogram == first.histogram
    with pytest.raises(TypeError):
        inspect(other)


def test_all_that_is_remembered_comes_back(tmp_path: Path, cache: Path) -> None:
    """Also sizes and long runs; a note that is damaged is made again."""
    values = [encoded(at // 20, photo(at, 8 + at % 3, 9)) for at in range(60)]
    folder = dataset(tmp_path / "db", values)
    first = inspect(folder)
    [note] = (cache / "contents").iterdir()

    assert first.others
    assert first.long_runs
    assert inspect(folder) == first
    for damaged in ("", "{}", "[1]", json.dumps({**json.loads(note.read_text()), "new": 1})):
        note.write_text(damaged)
        assert inspect(folder) == first


def test_a_bad_lmdb_is_not_remembered(tmp_path: Path) -> None:
    """It is refused as often as it is looked at."""
    folder = dataset(tmp_path / "db", [raw(0, photo(1)), b"no datum"])

    for _ in range(2):
        with pytest.raises(BadDataError, match="record 001: is not a Datum"):
            inspect(folder)


def test_looking_is_reported(tmp_path: Path) -> None:
    """Decoding takes time, so progress is reported; a second look takes none."""
    folder = dataset(tmp_path / "db", [encoded(0, photo(at)) for at in range(40)])
    seen: list[DataProgress] = []

    inspect(folder, seen.append)
    assert (seen[-1].done, seen[-1].total) == (40, 40)
    seen.clear()
    inspect(folder, seen.append)
    assert seen == []
