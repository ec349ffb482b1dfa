"""What is no dataset of ours is called what it is, wherever it is given."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import lmdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftjob import api
from ftjob.dataset.build.build import BuildOptions, build
from ftjob.dataset.source import kinds
from ftjob.errors import BadDataError, FtjobError
from jobspec import JobSpec
from tests.dataset.images import dataset, jpeg, photo, raw, write_photos


def put(place: Path, **files: bytes | str) -> Path:
    """Write files into a folder; a `__` in a name is a dot, which keywords cannot have."""
    place.mkdir()
    for name, content in files.items():
        path = place / name.replace("__", ".")
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return place


def file(place: Path, content: bytes | str) -> Path:
    place.write_bytes(content if isinstance(content, bytes) else content.encode())
    return place


def one_file_lmdb(place: Path) -> Path:
    lmdb.open(str(place), subdir=False).close()
    return place


def archive(place: Path) -> Path:
    with zipfile.ZipFile(place, "w") as opened:
        opened.writestr("cat/000.jpg", jpeg(photo(1)))
    return place


def arrays(place: Path) -> Path:
    np.savez(place.with_suffix(""), images=np.zeros((2, 2)))
    return place


def voc(place: Path) -> Path:
    write_photos(place, {"JPEGImages": 2})
    put(place / "Annotations", a__xml="<annotation/>")
    return place


def yolo(place: Path) -> Path:
    write_photos(place, {"images": 2})
    put(place / "labels", a__txt="0 0.5 0.5 0.1 0.1")
    return place


def coco(place: Path) -> Path:
    write_photos(place, {"train2017": 2, "val2017": 2})
    put(place / "annotations", instances_train2017__json="{}")
    return place


def flat(place: Path) -> Path:
    return put(place, a__jpg=jpeg(photo(1)), b__jpg=jpeg(photo(2)))


LEVELDB = {"CURRENT": "MANIFEST-000002\n", "MANIFEST-000002": b"x" * 50, "000005__ldb": b"y" * 100, "LOG": ""}
KINDS: dict[str, tuple[str, Callable[[Path], Path], str]] = {
    "LevelDB": (
        "lev",
        lambda place: put(place, **LEVELDB),
        "lev: is a LevelDB, and ftjob reads LMDBs: build",
    ),
    "HDF5": ("a.h5", lambda place: file(place, b"\x89HDF\r\n\x1a\n" + bytes(9)), "a.h5: is HDF5, and ftjob"),
    "HDF5 of another name": ("a", lambda place: file(place, b"\x89HDF\r\n\x1a\n" + bytes(9)), "a: is HDF5"),
    "HDF5 files": ("h5", lambda place: put(place, a__h5=b"\x89HDF", train__txt="a.h5"), "h5: is HDF5"),
    "HDF5 list": (
        "train.txt",
        lambda place: file(place, "train1.h5\ntrain2.h5\n"),
        "is a list of HDF5 files",
    ),
    "data.mdb": (
        "data.mdb",
        lambda place: file(place, "x"),
        "data.mdb: is a file of an LMDB: give its folder",
    ),
    "lock.mdb": ("lock.mdb", lambda place: file(place, "x"), "is a file of an LMDB: give its folder, "),
    "no data.mdb": ("db", lambda place: put(place, lock__mdb=""), "db: is an LMDB without its records"),
    "LMDB in one file": (
        "db.lmdb",
        one_file_lmdb,
        "db.lmdb: is an LMDB in one file, and Caffe reads folders",
    ),
    "TFRecord": (
        "a.tfrecord",
        lambda place: file(place, "x"),
        "a.tfrecord: is of TFRecords, and ftjob reads",
    ),
    "TFRecords": ("tf", lambda place: put(place, **{"train-00000-of-00004": "x"}), "tf: is of TFRecords"),
    "IDX": (
        "train-images-idx3-ubyte",
        lambda place: file(place, b"\0\0\x08\x03" + bytes(9)),
        "is an IDX file",
    ),
    "arrays": ("a.npz", arrays, "a.npz: holds arrays, and ftjob reads images"),
    "zip": ("a.zip", archive, "a.zip: is packed, or has archives in it: unpack them, and give a folder with"),
    "tar": ("a.tar", lambda place: file(place, bytes(257) + b"ustar" + bytes(99)), "a.tar: is packed"),
    "gzip": ("data", lambda place: file(place, b"\x1f\x8b\x08" + bytes(9)), "data: is packed"),
    "one image": ("a.jpg", lambda place: file(place, jpeg(photo(1))), "a.jpg: is one image: give a folder"),
    "JSON": ("json", lambda place: put(place, a__json="{}"), "json: has annotations in JSON"),
    "XML": ("xml", lambda place: put(place, a__xml="<annotation/>"), "has annotations of objects in it"),
    "images alone": ("photos", flat, "photos: holds images and no folders of them: put those of every class"),
    "VOC": (
        "voc",
        voc,
        "voc: has annotations of objects in it .VOC., and ftjob learns one class for a whole",
    ),
    "YOLO": ("yolo", yolo, "yolo: has images and labels apart, as for finding objects"),
    "COCO": ("coco", coco, "coco/annotations: has annotations in JSON"),
    "a prototxt": (
        "net.prototxt",
        lambda place: file(place, "layer {}"),
        "net.prototxt: is no dataset: give",
    ),
}


def planned(place: Path) -> None:
    api.plan(spec(place, other(place)))


def planned_as_val(place: Path) -> None:
    api.plan(spec(other(place), place))


def other(place: Path) -> Path:
    """A dataset beside a place."""
    if (made := place.with_name("other")).exists():
        return made
    return dataset(made, [raw(at % 2, photo(at)) for at in range(4)])


def split(place: Path) -> None:
    api.plan(spec(place, None))


def built(place: Path) -> None:
    build(place, place.with_name("out"), BuildOptions(8, 8, val_split=0.25))


def spec(train: Path, val: Path | None) -> JobSpec:
    data = {"train": str(train), **({"val": str(val)} if val else {"val_split": 0.25})}
    return JobSpec.model_validate({"name": "kinds", "base": {"net": "lenet"}, "data": data, "output": "runs"})


@pytest.mark.parametrize("use", [planned, planned_as_val, split, built, api.check_data])
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_called_what_it_is(tmp_path: Path, kind: str, use: Callable[[Path], None]) -> None:
    """In a spec's data.train and data.val, in a build and in a check, with what to do instead."""
    name, make, sentence = KINDS[kind]

    with pytest.raises(BadDataError, match=sentence):
        use(make(tmp_path / name))


@pytest.mark.parametrize("use", [planned, planned_as_val, split, api.check_data])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", "cat/a b.jpg 0\n"),
        ("a.lst", '"a.png"\t3\n'),
        ("a.csv", "path,label\na.jpg,0\n"),
        ("a", "x.jpg\n"),
    ],
)
def test_a_list_is_to_be_built(tmp_path: Path, name: str, content: str, use: Callable[[Path], None]) -> None:
    """What only a build reads is refused, with the command to run."""
    with pytest.raises(BadDataError, match=rf"is a (list of images|table): `ftjob data build .*{name} OUT`"):
        use(file(tmp_path / name, content))


def test_what_is_an_lmdb_is_not_built(tmp_path: Path) -> None:
    """Nor is a folder of such, of which one is named; a build without val says so."""
    folder = dataset(tmp_path / "dbs" / "train_db", [raw(at % 2, photo(at)) for at in range(4)])
    build(write_photos(tmp_path / "photos", {"cat": 2, "dog": 2}), tmp_path / "out", BuildOptions(8, 8))

    for use, place, sentence in [
        (built, folder, "train_db: is an LMDB already: `ftjob data check` shows what is in it"),
        (planned, folder.parent, "dbs: holds LMDBs, and is none: give one of them, such as .*/dbs/train_db"),
        (api.check_data, folder.parent, "dbs: holds LMDBs, and is none"),
        (planned_as_val, tmp_path / "out", "out: was built without val: build it again with --val-split"),
    ]:
        with pytest.raises(BadDataError, match=sentence):
            use(place)


def test_a_folder_of_images_is_built_before_it_is_checked(photos: Path) -> None:
    """By the command that is named."""
    with pytest.raises(BadDataError, match=f"photos: is a folder of images: `ftjob data build {photos} OUT`"):
        api.check_data(photos)


@given(name=st.sampled_from(["a", "a.txt", "b.rec", "{a}"]), start=st.binary(max_size=300))
def test_any_file_is_refused_or_passed(
    tmp_path_factory: pytest.TempPathFactory, name: str, start: bytes
) -> None:
    """No content and no name ends otherwise than in a sentence, nor does a folder with such a file."""
    folder = tmp_path_factory.mktemp("any")
    path = file(folder / name, start)

    assert isinstance(kinds.of_place(path), str)
    for place in (path, folder):
        with pytest.raises(FtjobError):
            api.check_data(place)
