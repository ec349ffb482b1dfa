"""Datasets as they are read."""

import gc
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import lmdb
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ftjob.dataset.check.inspection import inspect
from ftjob.dataset.lmdb.datum import encode_datum, read_head
from ftjob.dataset.lmdb.read import NumberedRecords, records
from ftjob.dataset.mean import measured_mean
from ftjob.errors import BadDataError
from tests.dataset.images import photo, raw, write_lmdb


@pytest.fixture
def lmdb_folder(tmp_path: Path) -> Path:
    """Ten records of other makers: no manifest, no labels."""
    return write_lmdb(tmp_path / "db", [(b"%04d" % at, raw(at % 3, photo(at, 4, 6))) for at in range(10)])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10**12), st.integers(0, 35))
def test_records_by_their_number(lmdb_folder: Path, begin: int, count: int) -> None:
    """From any number on, round and round: key and value as they are stored."""
    numbered, stored = NumberedRecords(lmdb_folder), list(records(lmdb_folder))
    wanted = [stored[number % 10] for number in range(begin, begin + count)]

    found = numbered.at(numbered.keys(begin, count))

    assert len(numbered) == 10
    assert [bytes(key) for key, _ in found] == [record.key for record in wanted]
    assert [read_head(value).label for _, value in found] == [record.label for record in wanted]


def test_several_read_one_lmdb_at_a_time(lmdb_folder: Path, tmp_path: Path) -> None:
    """Under any of its names, which LMDB itself refuses; whoever ends leaves the others their records."""
    (tmp_path / "link").symlink_to(lmdb_folder)
    first, second = records(lmdb_folder), records(tmp_path / "link")
    keys = [next(first).key, next(second).key]
    first.close()

    assert [*keys, *(record.key for record in second)] == [b"0000", *(b"%04d" % at for at in range(10))]
    assert len(list(records(lmdb_folder))) == 10


def test_a_reader_that_nobody_closed_may_be_collected_while_another_opens(
    lmdb_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The collector closes it in the thread that opens: neither waits for the other."""
    other = write_lmdb(tmp_path / "other", [(b"0", raw(0, photo(0, 4, 6)))])
    begun = records(lmdb_folder)
    next(begun)
    left: list[object] = [begun]
    left.append(left)  # a circle, which only the collector ends
    opens = lmdb.open

    def collects(*words: object, **options: object) -> lmdb.Environment:
        gc.collect()
        return opens(*words, **options)

    monkeypatch.setattr(lmdb, "open", collects)
    del begun, left
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.extend(each.key for each in records(other)), daemon=True)
    reader.start()
    reader.join(60)

    assert read == [b"0"]


def test_means_per_channel(lmdb_folder: Path) -> None:
    """Every pixel of every record counts once."""
    images = np.stack([photo(at, 4, 6) for at in range(10)])

    np.testing.assert_allclose(measured_mean(lmdb_folder), images.mean(axis=(0, 1, 2)))


@pytest.fixture
def read_only(needs_root: None, lmdb_folder: Path) -> Iterator[Path]:
    """The LMDB on a mount that cannot be written."""
    mount = lmdb_folder.with_name("mount")
    mount.mkdir()
    subprocess.run(["mount", "--bind", "-o", "ro", str(lmdb_folder), str(mount)], check=True)
    yield mount
    subprocess.run(["umount", "--lazy", str(mount)], check=True)


def test_a_read_only_mount(read_only: Path) -> None:
    """Caffe needs a lock file; reading here does not."""
    with pytest.raises(OSError, match="Read-only"):
        (read_only / "x").touch()

    assert inspect(read_only).records == len(list(records(read_only))) == 10


def damage(folder: Path, how: str) -> None:
    data = folder / "data.mdb"
    content = data.read_bytes()
    if how == "missing":
        shutil.rmtree(folder)
    elif how == "no lmdb":
        data.unlink()
    elif how == "empty file":
        data.write_bytes(b"")
    elif how == "other file":
        data.write_bytes(b"not an LMDB" * 1000)
    else:
        data.write_bytes(content[: int(how) * len(content) // 100])


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("missing", "db: is not there: fix the path"),
        ("no lmdb", "db: is no LMDB, there is no data.mdb in it"),
        ("empty file", "db: is no LMDB that can be read"),
        ("other file", "db: is no LMDB that can be read"),
        ("99", "data.mdb is cut short, [0-9]+ of [0-9]+ bytes: copy it again"),
        ("50", "data.mdb is cut short"),
        ("10", "data.mdb is cut short"),
        ("1", "db: is no LMDB that can be read"),
    ],
)
def test_broken_lmdbs(tmp_path: Path, how: str, message: str) -> None:
    """A half-copied LMDB, or something else in its place, is a sentence and never a crash."""
    folder = write_lmdb(tmp_path / "db", [(b"%d" % at, raw(0, photo(at))) for at in range(9)])
    damage(folder, how)

    with pytest.raises(BadDataError, match=message):
        inspect(folder)


def test_an_lmdb_without_records(tmp_path: Path) -> None:
    """Nothing to train on is reported at once."""
    with pytest.raises(BadDataError, match="holds no records: build it again"):
        inspect(write_lmdb(tmp_path / "db", []))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (b"no datum", "db: record key: is not a Datum of Caffe"),
        (encode_datum(b"xx", 0, channels=3, height=2, width=2), "has 2 bytes of pixels and a shape of 3x2x2"),
        (encode_datum(b"", 0, channels=3, height=2, width=2, encoded=True), "record key: cannot be decoded"),
        (b"\x35\0\0\0\0", "holds float_data, which is no image"),
    ],
)
def test_records_that_are_no_images(tmp_path: Path, value: bytes, message: str) -> None:
    """The record is named by its key."""
    folder = write_lmdb(tmp_path / "db", [(b"key", value)])

    with pytest.raises(BadDataError, match=message):
        list(records(folder))
