"""Datasets in a real S3: built from there, built into it, planned with, fetched and checked."""

import contextlib
import os
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ftjob import api
from ftjob.dataset.build import into_store
from ftjob.dataset.build.build import BuildOptions, build
from ftjob.dataset.build.into_store import build_at
from ftjob.dataset.build_options import DataProgress
from ftjob.dataset.manifest import Manifest
from ftjob.dataset.source.stored import filled_place, place_of
from ftjob.errors import BadDataError, StorageError
from ftjob.prepare.dataset import dataset_for, lmdb_at
from ftjob.storage import Store, open_store
from ftjob.storage.cache import fetch_entries
from tests.dataset.child import FORKS, build_at_in
from tests.dataset.images import read_lmdb, write_lmdb, write_photos
from tests.storage.servers import Bucket

OPTIONS = BuildOptions(30, 40, val_split=0.25)


def put(folder: Path, uri: str) -> str:
    """Upload a folder; return its URI."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            open_store(uri).upload(path, path.relative_to(folder).as_posix())
    return uri


def lmdbs(folder: Path) -> list[list[tuple[bytes, bytes]]]:
    return [read_lmdb(folder / "train"), read_lmdb(folder / "val")]


def names(uri: str) -> list[str]:
    return [entry.key for entry in open_store(uri).list()]


@pytest.fixture
def images(photos: Path, s3: Bucket) -> str:
    """The photos in a bucket, between things that are no images of a class."""
    (photos / "cat" / "more").mkdir()
    (photos / "cat" / "000.jpg").rename(photos / "cat" / "more" / "000.jpg")
    uri = put(photos, f"{s3.uri}/some/photos")
    for key in ("Thumbs.db", "cat/notes.txt", "cat/.hidden.jpg", ".trash/a.jpg"):
        open_store(uri).write(key, b"no image")
    for key in ("some/photos/", "some/photos/cat/"):  # what consoles make for a folder
        s3.client.put_object(Bucket=s3.name, Key=key)
    return uri


def test_images_in_s3_make_the_records_of_a_local_folder(images: str, photos: Path, tmp_path: Path) -> None:
    """To the byte, and what is known of them too; only where they lay differs."""
    there = build_at(images, str(tmp_path / "there"), OPTIONS)
    here = build(photos, tmp_path / "here", OPTIONS)

    assert lmdbs(tmp_path / "there") == lmdbs(tmp_path / "here")
    assert there.splits == here.splits
    assert there.sources == {"train": images, "val": images}


@pytest.mark.parametrize("name", ["all.txt", "all.csv"])
def test_lists_in_s3(name: str, photos: Path, s3: Bucket, tmp_path: Path) -> None:
    """A list's paths count from its own place; a path that leads nowhere is named with its line."""
    lines = [f"{path.relative_to(photos)} {path.parent.name == 'dog':d}" for path in photos.rglob("*.jpg")]
    if name.endswith("csv"):
        lines = ["path,label", *(line.replace(" ", ",") for line in lines)]
    (photos / name).write_text("\n".join(lines))
    uri = f"{put(photos, s3.uri)}/{name}"

    assert build_at(uri, str(tmp_path / "out"), OPTIONS).splits["train"].histogram == (9, 6)
    s3.client.delete_object(Bucket=s3.name, Key="cat/005.jpg")
    with pytest.raises(
        BadDataError, match=rf"{uri}: line \d+: cat/005.jpg is not there, looked for in {s3.uri}"
    ):
        build_at(uri, str(tmp_path / "again"), OPTIONS)


def test_a_bad_image_in_s3_is_counted(images: str, tmp_path: Path) -> None:
    """As one in a folder is, with its reason."""
    open_store(images).write("cat/bad.jpg", b"\xff\xd8 nothing more")

    built = build_at(images, str(tmp_path / "out"), replace(OPTIONS, allow_unreadable=0.1))

    assert built.unreadable == 1
    assert built.unreadable_first[0].startswith("cat/bad.jpg: ")


def test_a_dataset_is_built_into_s3(photos: Path, s3: Bucket, tmp_path: Path, cache: Path) -> None:
    """All that a build makes is there, nothing else, and nothing stays on this machine but the node cache."""
    out = f"{s3.uri}/sets/pets"
    seen: list[DataProgress] = []

    made = build_at(str(photos), out, OPTIONS, progress=seen.append)

    whole = [
        "labels.txt",
        "manifest.json",
        "mean.binaryproto",
        "sources.jsonl",
        "train/data.mdb",
        "val/data.mdb",
    ]
    assert names(out) == whole
    assert made == build(photos, tmp_path / "here", OPTIONS)
    assert [path for path in (cache / "builds").iterdir() if path.is_dir()] == []
    uploaded = [update for update in seen if update.transfer]
    sizes = [entry.size for entry in open_store(out).list() if entry.key != "manifest.json"]
    assert {(update.transfer, update.total) for update in uploaded} == {(out, sum(sizes))}
    assert uploaded[-1].done == sum(sizes)


@pytest.fixture
def pets(photos: Path, s3: Bucket) -> str:
    """A dataset in a bucket."""
    build_at(str(photos), f"{s3.uri}/pets", OPTIONS)
    return f"{s3.uri}/pets"


def test_a_plan_needs_the_manifest_only(pets: str, photos: Path, tmp_path: Path, cache: Path) -> None:
    """What is known without fetching data.mdb is what is known of a local copy, but for its place."""
    build(photos, tmp_path / "here", OPTIONS)
    local = dataset_for(tmp_path / "here", tmp_path / "here", OPTIONS)

    planned = dataset_for(filled_place(pets), filled_place(f"{pets}/val"), OPTIONS, fetch=False)

    assert not list((cache / "objects").rglob("data.mdb"))
    assert (planned.train.location, planned.val.location) == (f"{pets}/train", f"{pets}/val")
    for ours, theirs in ((planned.train, local.train), (planned.val, local.val)):
        assert replace(ours, location="", local=None) == replace(theirs, location="", local=None)


def test_a_training_fetches_once(
    pets: str, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The LMDB is in the node cache then, with labels and mean as Caffe's users have them; the next time a
    listing is all that is asked of the store."""
    place = filled_place(pets)
    first = dataset_for(place, place, OPTIONS)
    for request in ("download", "read", "stat"):
        monkeypatch.setattr(type(open_store(pets)), request, None)

    place = filled_place(pets)
    again = dataset_for(place, place, OPTIONS)

    assert first.train.path.is_relative_to(cache / "objects")
    assert (first.train.labels, first.val.records) == (("cat", "dog"), 5)
    assert (first.train.path.parent / "mean.binaryproto").is_file()
    assert again == first


def test_an_lmdb_that_others_made(s3: Bucket, photos: Path, tmp_path: Path) -> None:
    """Without a manifest it is fetched, also for a plan, and is the run that the local one is."""
    build(photos, tmp_path / "out", OPTIONS)
    records = read_lmdb(tmp_path / "out" / "train")
    local = write_lmdb(tmp_path / "lmdb", records)
    (local / "lock.mdb").unlink()
    remote = filled_place(put(local, f"{s3.uri}/digits"))

    there = dataset_for(remote, remote, OPTIONS, fetch=False).train

    assert replace(there, location="", local=None) == replace(
        dataset_for(local, local, OPTIONS).train, location="", local=None
    )


def test_a_rebuild_adds_only_what_is_new(pets: str, photos: Path, tmp_path: Path) -> None:
    """Old records are fetched, not made again; what comes out is what a rebuild on disk makes."""
    build(photos, tmp_path / "here", OPTIONS)
    write_photos(photos, {"cat": 8}, first=40)

    again = build_at(str(photos), pets, OPTIONS)

    assert again.reused == 20
    build(photos, tmp_path / "here", OPTIONS)
    assert lmdbs(fetched(pets)) == lmdbs(tmp_path / "here")


def fetched(uri: str) -> Path:
    """A built dataset on this machine."""
    store = open_store(uri)
    return fetch_entries(store, store.list())


def test_nothing_new_costs_nothing(pets: str, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same build again neither builds, fetches records nor uploads."""
    before = [entry.modified for entry in open_store(pets).list()]
    monkeypatch.setattr(into_store, "build", None)

    build_at(str(photos), pets, OPTIONS)

    assert [entry.modified for entry in open_store(pets).list()] == before


@pytest.mark.parametrize("fails_at", range(5))
def test_an_interrupted_upload_looks_like_nothing_whole(
    fails_at: int, pets: str, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever file it ends at: it is refused by name, and the same build again makes it whole."""
    write_photos(photos, {"cat": 8}, first=40)
    ended = ends_at(fails_at, type(open_store(pets)), monkeypatch)
    with pytest.raises(StorageError, match="cut off"):
        build_at(str(photos), pets, OPTIONS)
    monkeypatch.setattr(*ended)

    with pytest.raises(
        BadDataError, match=f"data.train: {pets}/train: its upload has not ended: wait for it"
    ):
        dataset_for(filled_place(f"{pets}/train"), filled_place(pets), OPTIONS)

    assert build_at(str(photos), pets, OPTIONS).splits["train"].records == 21
    assert dataset_for(filled_place(pets), filled_place(pets), OPTIONS).train.records == 21


def ends_at(count: int, kind: type[Store], monkeypatch: pytest.MonkeyPatch) -> tuple[Any, str, Any]:
    """Have the upload number `count` fail; return how to mend it."""
    whole, calls = kind.upload, iter(range(10))

    def cut_off(*words: Any, **more: Any) -> Any:
        if next(calls) == count:
            raise StorageError("cut off")
        return whole(*words, **more)

    monkeypatch.setattr(kind, "upload", cut_off)
    return kind, "upload", whole


@pytest.mark.parametrize("seed", range(6))
def test_a_killed_build_never_looks_whole(seed: int, photos: Path, s3: Bucket, tmp_path: Path) -> None:
    """Killed with SIGKILL at a random moment of a rebuild, what is there is the old dataset, the new one, or
    refused; the same build again makes it whole."""
    out = f"{s3.uri}/pets"
    build_at(str(photos), out, OPTIONS)
    write_photos(photos, {"cat": 8}, first=40)
    process = FORKS.Process(target=build_at_in, args=(dict(os.environ), str(photos), out, OPTIONS))
    process.start()
    process.join(random.Random(seed).uniform(0.1, 1.0))
    process.kill()
    process.join()

    with contextlib.suppress(BadDataError):
        assert records_there(out) in ((15, 5), (21, 7))
    build_at(str(photos), out, OPTIONS)

    assert records_there(out) == (21, 7)
    assert not s3.client.list_multipart_uploads(Bucket=s3.name).get("Uploads")


def records_there(uri: str) -> tuple[int, int]:
    """Records of train and val, read from the LMDBs themselves."""
    return (
        len(read_lmdb(lmdb_at(filled_place(uri), "train", ignore).path)),
        len(read_lmdb(lmdb_at(filled_place(uri), "val", ignore).path)),
    )


def ignore(_: DataProgress) -> None:
    """Report to nobody."""


def test_a_foreign_lmdb_is_not_written_over(photos: Path, s3: Bucket) -> None:
    """What somebody else put there is theirs."""
    open_store(s3.uri).write("set/train/data.mdb", b"theirs")

    with pytest.raises(BadDataError, match=r"set/train/data\.mdb: is there already and not built by ftjob"):
        build_at(str(photos), f"{s3.uri}/set", OPTIONS)


def test_out_inside_the_images_is_refused(images: str) -> None:
    """Its own records would be among the next build's images."""
    with pytest.raises(BadDataError, match="lies inside"):
        build_at(images, f"{images}/set", OPTIONS)


def test_images_in_s3_are_built_once_into_the_cache(images: str, cache: Path, photos: Path) -> None:
    """As data.train they make the dataset, and so the run, that a folder on disk makes."""
    place = filled_place(images)

    built = dataset_for(place, None, OPTIONS)

    assert built.train.path.is_relative_to(cache / "datasets")
    assert built.train.digest == dataset_for(photos, None, OPTIONS).train.digest
    assert dataset_for(filled_place(images), None, OPTIONS) == built


def test_check_looks_at_s3(pets: str) -> None:
    """Every record of train and val, under their URIs."""
    report = api.check_data(pets)

    assert report.val is not None
    assert (report.train.location, report.train.records, report.val.records) == (f"{pets}/train", 15, 5)
    assert all(str(finding).startswith("s3://") for finding in report.findings)


def test_an_lmdb_cut_short_is_called_by_its_uri(s3: Bucket) -> None:
    """Errors of a fetched LMDB name what the user named, not a place in the cache."""
    open_store(s3.uri).write("set/data.mdb", b"nothing")

    with pytest.raises(BadDataError, match=rf"^{s3.uri}/set: is no LMDB that can be read"):
        api.check_data(f"{s3.uri}/set")


def test_a_uri_below_which_nothing_is(s3: Bucket, tmp_path: Path) -> None:
    """Named, for a source as for a dataset."""
    open_store(s3.uri).write("photos.zip", b"PK")
    with pytest.raises(StorageError, match=f"{s3.uri}/photos.zip: is one file, and no LMDB or folder of"):
        filled_place(f"{s3.uri}/photos.zip")
    with pytest.raises(StorageError, match=f"{s3.uri}/nothing: nothing is there: correct the URI"):
        filled_place(f"{s3.uri}/nothing")
    with pytest.raises(BadDataError, match=f"{s3.uri}/nothing: is not there: give a folder"):
        build_at(f"{s3.uri}/nothing", str(tmp_path / "out"), OPTIONS)


def test_local_paths_stay_paths(tmp_path: Path) -> None:
    """No store is asked for them."""
    assert place_of(str(tmp_path)) == tmp_path


def test_a_manifest_is_the_same_wherever_it_was_built(pets: str, photos: Path, tmp_path: Path) -> None:
    """Two machines that build the same into S3 and onto disk agree on every digest."""
    here: Manifest = build(photos, tmp_path / "here", OPTIONS)

    assert into_store._manifest_of(into_store.objects_at(open_store(pets))) == here
