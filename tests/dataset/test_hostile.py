"""Laws of datasets from anywhere: what they declare is checked before anything of that size is made."""

import io
import multiprocessing
import os
import resource
import struct
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ftjob.dataset.check.inspection import inspect
from ftjob.dataset.image.pixels import Shape, UnreadableImageError, stored_picture
from ftjob.dataset.lmdb.datum import RecordError, encode_datum, read_head
from ftjob.dataset.lmdb.decode import decode_data, decode_strictly
from ftjob.dataset.source.tree import LARGEST, Folder
from ftjob.errors import BadDataError
from ftjob.plan.plan import MOST_CLASSES, class_names
from tests.dataset.images import dataset, raw
from tests.plan.specs import changed

SHAPE = Shape(64, 64, "squash", True)
FORK = multiprocessing.get_context("fork")


def png_declaring(width: int, height: int) -> bytes:
    """A PNG of a few bytes which declares a size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    ends = chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + ends


def jpeg_declaring(width: int, height: int) -> bytes:
    """A progressive JPEG of 8x8 pixels which declares another size."""
    written = io.BytesIO()
    Image.new("RGB", (8, 8)).save(written, "JPEG", progressive=True)
    data = written.getvalue()
    at = data.index(b"\xff\xc2") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


BOMBS = {"png": png_declaring(30_000, 30_000), "jpeg": jpeg_declaring(65_000, 65_000)}


@pytest.mark.parametrize("kind", BOMBS)
def test_an_image_that_claims_to_be_huge_is_not_decoded(kind: str):
    """As a file and as an encoded record; nothing of its size is made on the way."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    head = read_head(encode_datum(BOMBS[kind], 0, channels=3, height=0, width=0, encoded=True))

    with pytest.raises(UnreadableImageError, match="pixels"):
        stored_picture(BOMBS[kind], SHAPE)
    for decode in (decode_data, decode_strictly):
        with pytest.raises(RecordError):
            decode(head, BOMBS[kind])
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


@pytest.mark.parametrize("sizes", [(-3, 1, 1), (3, 2**31 - 1, 2**31 - 1), (0, 0, 0), (2**31 - 1, 1, 3)])
def test_a_record_of_an_odd_shape_is_no_image(sizes: tuple[int, int, int]):
    """Sizes are multiplied exactly: none wraps round to the bytes that are there."""
    channels, height, width = (size % 2**64 for size in sizes)
    head = read_head(encode_datum(bytes(3), 0, channels=channels, height=height, width=width))

    with pytest.raises(RecordError):
        decode_data(head, bytes(3))


def test_what_is_no_file_is_neither_waited_for_nor_read(tmp_path: Path):
    """A pipe, a device behind a link and a file of 10 GB are named as images that cannot be read; a link to
    the folder that it lies in ends there."""
    folder = tmp_path / "images" / "cats"
    folder.mkdir(parents=True)
    os.mkfifo(folder / "a.jpg")
    (folder / "b.jpg").symlink_to("/dev/zero")
    with (folder / "c.jpg").open("wb") as file:
        file.truncate(10_000_000_000)
    (folder / "again").symlink_to(folder)
    (tmp_path / "images" / "dogs").mkdir()
    (tmp_path / "images" / "dogs" / "d.jpg").write_bytes(b"")
    for name, above in (("all", tmp_path / "images"), ("more", tmp_path)):
        (folder / name).symlink_to(above)  # else the dogs would be cats
        (tmp_path / "images" / name).symlink_to(above)  # and a class of their own
    tree = Folder(tmp_path / "images")

    assert [path for path, _ in tree.files("cats")] == ["cats/a.jpg", "cats/b.jpg", "cats/c.jpg"]
    assert [*tree.files("all"), *tree.files("more")] == []
    for name, why in (("a", "not a file"), ("b", "not a file"), ("c", f"at most {LARGEST:,}")):
        with pytest.raises(OSError, match=why):
            tree.read(f"cats/{name}.jpg")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An LMDB of 200 records."""
    folder = dataset(
        tmp_path_factory.mktemp("whole") / "train",
        [raw(at % 2, np.full((8, 8, 3), at, np.uint8)) for at in range(200)],
    )
    return folder / "data.mdb"


def read_or_refuse(folder: Path) -> None:
    """What a process of its own does with a dataset: LMDB may end it."""
    with suppress(BadDataError):
        inspect(folder)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(noise=st.lists(st.tuples(st.integers(0, 2**20), st.binary(min_size=1, max_size=64)), max_size=4))
def test_damage_is_read_or_refused(
    whole: Path, tmp_path_factory: pytest.TempPathFactory, noise: list[tuple[int, bytes]]
):
    """Noise over an LMDB's pages ends no process that reads it."""
    damaged = bytearray(whole.read_bytes())
    for at, data in noise:
        place = 8192 + at % (len(damaged) - 8192 - 64)  # the two pages before these say what there is
        damaged[place : place + len(data)] = data
    folder = tmp_path_factory.mktemp("damaged")
    (folder / "data.mdb").write_bytes(damaged)
    reader = FORK.Process(target=read_or_refuse, args=(folder,), daemon=True)
    reader.start()
    reader.join(60)
    assert reader.exitcode == 0, f"{folder}: {reader.exitcode}"


def test_a_label_is_a_number_not_a_length(tmp_path: Path):
    """A record labelled 2147483646 makes no list of so many names."""
    images = [raw(label, np.zeros((8, 8, 3), np.uint8)) for label in (0, 2**31 - 2)]
    facts = inspect(dataset(tmp_path / "train", images))

    with pytest.raises(BadDataError, match=f"makes 2,147,483,647 classes, but at most {MOST_CLASSES:,}"):
        class_names(changed({}), facts, facts)


def test_what_is_mapped_behind_the_last_page_is_not_read(tmp_path: Path):
    """On Windows a data.mdb is as long as its map: 1 TB. It has the digest of the same pages alone."""
    images = [raw(label, np.zeros((8, 8, 3), np.uint8)) for label in (0, 0, 1, 1)]
    location = dataset(tmp_path / "lmdb", images)
    alone = inspect(location)

    os.truncate(location / "data.mdb", 2**40)

    assert inspect(location).digest == alone.digest


def test_pages_of_two_sizes_are_damage(tmp_path: Path):
    """LMDB looks for its second page where the newer one says, behind the end of the file perhaps."""
    location = dataset(tmp_path / "lmdb", [raw(0, np.zeros((8, 8, 3), np.uint8))])
    with (location / "data.mdb").open("r+b") as file:
        file.seek(4096 + 40)
        file.write((2**15).to_bytes(4, "little"))

    with pytest.raises(BadDataError, match="its first pages differ"):
        inspect(location)
