"""Both ways with Caffe's own tools, and with what DIGITS wrote."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ftjob.dataset.build.build import BuildOptions, build
from ftjob.dataset.check.inspection import inspect
from ftjob.dataset.lmdb.datum import read_head
from ftjob.dataset.lmdb.read import records
from ftjob.dataset.mean_image import read_mean_image
from ftjob.engine.caffe.installed import find_caffe
from ftjob.net.proto.caffe_pb2 import Datum
from ftjob.prepare.dataset import dataset_for
from tests.dataset.images import file_of, photo, read_lmdb, rgb, write_lmdb, write_photos

Program = Callable[..., str]
READ = """
import caffe, sys, numpy
net = caffe.Net(sys.argv[1], caffe.TEST)
net.forward()
numpy.savez(sys.argv[2], data=net.blobs['data'].data, label=net.blobs['label'].data)
"""


def converted(caffe_program: Program, photos: Path, *flags: str) -> Path:
    """An LMDB that convert_imageset makes of the photos."""
    listing = photos.with_name("list.txt")
    paths = sorted(photos.glob("*/*.jpg"))
    listing.write_text(
        "".join(f"{path.relative_to(photos)} {int(path.parent.name == 'dog')}\n" for path in paths)
    )
    out = photos.with_name("converted")
    caffe_program(
        "convert_imageset", "--resize_width=44", "--resize_height=36", *flags, f"{photos}/", listing, out
    )
    return out


def by_path(folder: Path) -> dict[bytes, tuple[int, bytes]]:
    return {record.key[9:]: (record.label, record.image.tobytes()) for record in records(folder)}


@pytest.mark.parametrize(("flags", "color"), [((), True), (("--gray",), False)])
def test_the_records_of_convert_imageset(
    caffe_program: Program, photos: Path, tmp_path: Path, flags: tuple[str, ...], color: bool
) -> None:
    """Below a reduction by two the raw records are those of Caffe's own tool, bit for bit."""
    theirs = converted(caffe_program, photos, *flags)

    build(photos, tmp_path / "out", BuildOptions(36, 44, color=color))

    assert by_path(tmp_path / "out" / "train") == by_path(theirs)


@pytest.mark.parametrize("kind", ["jpg", "png"])
def test_encoded_records_of_convert_imageset_are_read(
    caffe_program: Program, photos: Path, tmp_path: Path, kind: str
) -> None:
    """Encoded records, which do not say their size, are read, and hold the very pictures of ours."""
    theirs = converted(caffe_program, photos, "--encoded", f"--encode_type={kind}")
    build(photos, tmp_path / "out", BuildOptions(36, 44, encoding=kind))
    ours = tmp_path / "out" / "train"

    facts = inspect(theirs)

    assert (facts.records, facts.height, facts.width, facts.encoded) == (20, 36, 44, True)
    assert facts.histogram == inspect(ours).histogram
    assert by_path(ours) == by_path(theirs)
    if kind == "jpg":
        assert jpegs(ours) == jpegs(theirs)


def jpegs(folder: Path) -> dict[bytes, bytes]:
    return {key[9:]: value[read_head(value).data] for key, value in read_lmdb(folder)}


@pytest.mark.caffe
@pytest.mark.parametrize("encoding", ["raw", "png", "jpg"])
@pytest.mark.parametrize("color", [True, False])
def test_caffe_reads_what_is_written(photos: Path, tmp_path: Path, encoding: str, color: bool) -> None:
    """Caffe's Data layer gives the pixels and labels that are read here, in the same order."""
    build(photos, tmp_path / "out", BuildOptions(30, 40, encoding=encoding, color=color))
    source = tmp_path / "out" / "train"
    net = tmp_path / "net.prototxt"
    net.write_text(
        f"""layer {{ name: "data" type: "Data" top: "data" top: "label"
        data_param {{ source: "{source}" batch_size: 20 backend: LMDB }} }}"""
    )
    python = find_caffe().python
    subprocess.run([python, "-c", READ, net, tmp_path / "read.npz"], check=True, capture_output=True)

    read = np.load(tmp_path / "read.npz")
    ours = list(records(source))
    assert read["label"].tolist() == [record.label for record in ours]
    assert np.array_equal(read["data"], np.stack([record.image.transpose(2, 0, 1) for record in ours]))


def test_the_mean_is_that_of_compute_image_mean(caffe_program: Program, photos: Path, tmp_path: Path) -> None:
    """Caffe's own tool makes the same mean image of the records, and reads as ours does."""
    build(photos, tmp_path / "out", BuildOptions(30, 40))

    caffe_program("compute_image_mean", tmp_path / "out" / "train", tmp_path / "theirs.binaryproto")

    theirs = read_mean_image(tmp_path / "theirs.binaryproto")
    np.testing.assert_allclose(read_mean_image(tmp_path / "out" / "mean.binaryproto"), theirs, rtol=1e-5)


@pytest.fixture
def digits_job(tmp_path: Path) -> Path:
    """A dataset job of DIGITS: PNG records with their size, labels.txt above two LMDBs."""
    for split, seeds in (("train_db", range(6)), ("val_db", range(6, 8))):
        values = []
        for seed in seeds:
            png = file_of(rgb(photo(seed, 32, 32)), "PNG")
            datum = Datum(channels=3, height=32, width=32, data=png, label=seed % 2, encoded=True)
            values.append((b"%08d_%d" % (seed, seed % 2), datum.SerializeToString()))
        write_lmdb(tmp_path / split, values)
    (tmp_path / "labels.txt").write_text("even\nodd\n")
    return tmp_path


def test_a_dataset_of_digits(digits_job: Path) -> None:
    """DIGITS' LMDBs are taken as they are, with its class names, and the picture is the one it stored."""
    dataset = dataset_for(digits_job / "train_db", digits_job / "val_db", BuildOptions())

    assert (dataset.train.records, dataset.val.records) == (6, 2)
    assert dataset.train.labels == ("even", "odd")
    assert np.array_equal(next(records(digits_job / "val_db")).image, photo(6, 32, 32))


def test_caffe_reads_after_a_rebuild(caffe_program: Program, photos: Path, tmp_path: Path) -> None:
    """Records that were taken over are as good as new ones to Caffe's tools."""
    build(photos, tmp_path / "out", BuildOptions(30, 40))
    write_photos(photos, {"dog": 4}, first=90)
    build(photos, tmp_path / "out", BuildOptions(30, 40))

    output = caffe_program("compute_image_mean", tmp_path / "out" / "train", tmp_path / "mean.binaryproto")

    assert "Processed 24 files" in output
