"""From images to a dataset."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ftjob.dataset.build.build import BuildOptions, DataProgress, build
from ftjob.dataset.check.inspection import inspect
from ftjob.dataset.journal import read_lines
from ftjob.dataset.lmdb import records as records_module
from ftjob.dataset.lmdb.read import records
from ftjob.dataset.manifest import read_manifest
from ftjob.dataset.mean_image import read_mean_image
from ftjob.errors import BadDataError, BadSpecError, StorageError
from tests.dataset.images import file_of, jpeg, photo, read_lmdb, rgb, write_photos

SMALL = BuildOptions(height=30, width=40, val_split=0.25)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_what_is_built(photos: Path, tmp_path: Path) -> None:
    """OUT holds two LMDBs, labels, mean, sources and manifest, and nothing temporary."""
    manifest = build(photos, tmp_path / "out", SMALL)

    assert names(tmp_path / "out") - {".lock"} == {
        "train",
        "val",
        "labels.txt",
        "mean.binaryproto",
        "sources.jsonl",
        "manifest.json",
    }
    assert (tmp_path / "out" / "labels.txt").read_text() == "cat\ndog\n"
    assert manifest.splits["train"].histogram == (9, 6)
    assert manifest.splits["val"].histogram == (3, 2)
    assert read_manifest(tmp_path / "out" / "manifest.json") == manifest


@pytest.mark.parametrize("encoding", ["raw", "png", "jpg"])
@pytest.mark.parametrize("color", [True, False])
def test_records_are_the_images(
    photos: Path, tmp_path: Path, encoding: str, color: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    """Every image comes back with its label and looks as it did, in any encoding; stderr is silent."""
    build(photos, tmp_path / "out", BuildOptions(60, 80, encoding=encoding, color=color))

    assert capfd.readouterr().err == ""
    for record in records(tmp_path / "out" / "train"):
        name = record.key.decode()[9:]
        label, seed = divmod(1000 * name.startswith("dog") + int(name[-7:-4]), 1000)
        expected = photo(1000 * label + seed)
        assert record.label == label
        assert record.image.shape == (60, 80, 3 if color else 1)
        assert abs(record.image.mean() - expected.mean()) < (3 if color else 40)


def test_keys_are_in_order_and_named(photos: Path, tmp_path: Path) -> None:
    """Keys are those of convert_imageset: the place in 8 digits, then the path."""
    build(photos, tmp_path / "out", BuildOptions(30, 40))

    keys = [key.decode() for key, _ in read_lmdb(tmp_path / "out" / "train")]
    assert [key[:9] for key in keys] == [f"{place:08d}_" for place in range(20)]
    assert {key[9:] for key in keys} == {str(path.relative_to(photos)) for path in photos.glob("*/*")}


def test_the_mean_is_that_of_train(photos: Path, tmp_path: Path) -> None:
    """Mean image and mean pixel are the means of the stored pixels of train, val left out."""
    manifest = build(photos, tmp_path / "out", SMALL)

    images = np.stack([record.image for record in records(tmp_path / "out" / "train")])
    mean = read_mean_image(tmp_path / "out" / "mean.binaryproto")
    np.testing.assert_allclose(mean, images.mean(axis=0).transpose(2, 0, 1), rtol=1e-6)
    np.testing.assert_allclose(manifest.mean, images.mean(axis=(0, 1, 2)), rtol=1e-6)


def test_the_same_images_make_the_same_records(photos: Path, tmp_path: Path) -> None:
    """Two builds are equal record by record, and the digest says so; another seed makes another order."""
    first, again, other = (
        build(photos, tmp_path / name, BuildOptions(30, 40, seed=seed))
        for name, seed in (("one", 1), ("again", 1), ("other", 2))
    )

    assert read_lmdb(tmp_path / "one" / "train") == read_lmdb(tmp_path / "again" / "train")
    assert first.splits == again.splits
    assert first.splits["train"].digest != other.splits["train"].digest


def test_the_manifest_records_where_every_image_went(photos: Path, tmp_path: Path) -> None:
    """sources.jsonl has each image with its digest; the manifest has options, seed and library versions."""
    build(photos, tmp_path / "out", SMALL)

    lines = list(read_lines(tmp_path / "out" / "sources.jsonl"))
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert {line.source for line in lines} == {str(path.relative_to(photos)) for path in photos.glob("*/*")}
    assert all(len(line.sha256) == 64 for line in lines)
    assert manifest["options"]["seed"] == 1
    assert "simplejpeg" in manifest["made_with"]


def test_odd_images_are_counted(photos: Path, tmp_path: Path) -> None:
    """Images out of the ordinary are built and counted by what they are."""
    (photos / "cat" / "cmyk.jpg").write_bytes(file_of(rgb(photo(1)).convert("CMYK"), "JPEG"))

    assert build(photos, tmp_path / "out", SMALL).notes == {"cmyk": 1}


def test_too_many_unreadable_images(photos: Path, tmp_path: Path) -> None:
    """More than one per cent is an error that names them and leaves nothing that looks whole."""
    (photos / "cat" / "bad.jpg").write_bytes(jpeg(photo(1))[:500])

    with pytest.raises(
        BadDataError, match=r"cannot be read, more than 1 % of all 21: .* cat/bad.jpg: damaged"
    ):
        build(photos, tmp_path / "out", SMALL)
    assert names(tmp_path / "out") == {".partial", ".lock"}


def test_unreadable_images_that_are_allowed(photos: Path, tmp_path: Path) -> None:
    """Allowed ones are left out, counted and listed; the others keep their keys."""
    (photos / "cat" / "bad.jpg").write_bytes(b"")

    manifest = build(photos, tmp_path / "out", BuildOptions(30, 40, allow_unreadable=0.05))

    assert (manifest.unreadable, manifest.splits["train"].records) == (1, 20)
    assert manifest.unreadable_first == ("cat/bad.jpg: no image of a known kind",)
    assert len(read_lmdb(tmp_path / "out" / "train")) == 20


def test_a_val_of_its_own(photos: Path, tmp_path: Path) -> None:
    """A val that is given is built with the classes of train; giving a share as well is refused."""
    val = write_photos(tmp_path / "val", {"dog": 3}, first=100)

    manifest = build(photos, tmp_path / "out", BuildOptions(30, 40), val=val)

    assert manifest.splits["val"].histogram == (0, 3)
    with pytest.raises(BadSpecError, match="val_split: there is a val already"):
        build(photos, tmp_path / "out", SMALL, val=val)


def test_the_map_grows(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A map that is full is doubled, and no record is lost or written twice."""
    monkeypatch.setattr(records_module, "FIRST_MAP", 1 << 16)

    build(photos, tmp_path / "out", BuildOptions(256, 256))

    assert inspect(tmp_path / "out" / "train").records == 20


@pytest.mark.parametrize("free", [0, 20, 60, 100, 400, 900, 1100, 1300, 1500])
def test_a_full_disk(photos: Path, small_disk: Path, tmp_path: Path, free: int) -> None:
    """A disk that fills, wherever the build is, is named in a sentence; with space it goes on to the same."""
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(shutil.disk_usage(small_disk).free - (free << 10)))
    options = BuildOptions(128, 128)
    with pytest.raises(StorageError, match=r"small/out.*free some space and try again"):
        build(photos, small_disk / "out", options)
    assert not (small_disk / "out" / "manifest.json").exists()

    ballast.unlink()
    build(photos, small_disk / "out", options)

    build(photos, tmp_path / "elsewhere", options)
    assert read_lmdb(small_disk / "out" / "train") == read_lmdb(tmp_path / "elsewhere" / "train")


def test_what_others_put_there_is_left_alone(photos: Path, tmp_path: Path) -> None:
    """A train folder that no build made is never replaced; neither is OUT made inside the images."""
    write_photos(tmp_path / "mine" / "train", {"cat": 1})

    with pytest.raises(BadDataError, match=r"mine/train: is there already and not built by ftjob"):
        build(photos, tmp_path / "mine", SMALL)
    with pytest.raises(BadDataError, match=r"photos/out: lies inside .*photos: give an OUT beside it"):
        build(photos, photos / "out", SMALL)
    assert (tmp_path / "mine" / "train" / "cat" / "000.jpg").exists()


def test_a_refused_build_leaves_nothing(photos: Path, tmp_path: Path) -> None:
    """Else an OUT inside the images were a class without images from then on."""
    (photos / "empty").mkdir()
    for source, out, val in ((photos, photos / "out", None), (photos, tmp_path / "new", None)):
        with pytest.raises(BadDataError):
            build(source, out, SMALL, val=val)
        assert not out.exists()
    (tmp_path / "kept").mkdir()

    with pytest.raises(BadDataError, match="empty: holds no images"):
        build(photos, tmp_path / "kept", SMALL)
    assert (tmp_path / "kept").is_dir()


def test_val_is_not_train(photos: Path, tmp_path: Path) -> None:
    """By whichever name."""
    (tmp_path / "link").symlink_to(photos)

    with pytest.raises(BadDataError, match=r"link: is the same as .*photos: give images that are not in it"):
        build(photos, tmp_path / "out", replace(SMALL, val_split=None), val=tmp_path / "link")


def test_progress_is_reported(photos: Path, tmp_path: Path) -> None:
    """The last word is that all is done."""
    updates: list[DataProgress] = []

    build(photos, tmp_path / "out", SMALL, progress=updates.append)

    assert (updates[-1].done, updates[-1].total, updates[-1].eta_seconds) == (20, 20, 0)
    assert str(updates[-1]).startswith("20/20 images, ")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoding": "bmp"}, "encoding: 'bmp' is none of raw, png, jpg"),
        ({"val_split": 1.0}, "val_split: 1.0 is no share"),
        ({"height": 0}, "size: 256x0 is no size"),
        ({"allow_unreadable": 2}, "allow_unreadable: 2 is no share"),
        ({"mode": "stretch"}, "mode: 'stretch' is none of squash"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, object], message: str) -> None:
    """Wrong options are named before anything is read."""
    with pytest.raises(BadSpecError, match=message):
        BuildOptions(**options)
