"""Recognises what ftjob cannot read as a dataset, so that the error names what it is."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ftjob.dataset.folder import DATA_FILE, TRAIN, DatasetFolder
from ftjob.dataset.source.stored import Objects, Place
from ftjob.dataset.source.tree import is_image_name
from ftjob.fs import documents

START_BYTES = 4096
"""Of a file, enough to recognise its kind."""
LMDB_MAGIC = b"\xde\xc0\xef\xbe"
LMDB_MAGIC_AT = 16
TAR_MAGIC, TAR_MAGIC_AT = b"ustar", 257
ARCHIVE_STARTS = (b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf", b"Rar!")
ARRAY_STARTS = (b"\x93NUMPY", b"MATLAB 5.0", b"\x80\x03", b"\x80\x04", b"\x80\x05")
HDF5_START = b"\x89HDF\r\n\x1a\n"
IDX_START = re.compile(rb"\x00\x00[\x08-\x0e][\x01-\x04]", re.DOTALL)
RECORD_FILE = re.compile(r"\.tfrecords?(\.gz)?$|-\d{5}-of-\d{5}(\.tfrecord)?$", re.IGNORECASE)
LIST_LINE = re.compile(r"(?P<path>\S.*\S)[ \t,;]+-?[\d.]+\s*$")
FROM_IMAGES = "build an LMDB from the images with `ftjob data build`"
FOLDERS = "give a folder with one folder of images per class"


def of_place(place: Place) -> str:
    """Return what a place is and what to do, to follow its name; empty where it is nothing that is known.

    Of a place in a store only the names below it count.
    """
    if isinstance(place, Objects):
        tops = {PurePosixPath(key).parts[0] for key in place.entries}
        lmdbs = {key.rpartition("/")[0] for key in place.entries if key.endswith(f"/{DATA_FILE}")}
        return _of_folder(str(place), tops, lmdbs)
    try:
        if place.is_dir():
            names = {each.name for each in place.iterdir()}
            return _of_folder(
                str(place), names, {each for each in names if (place / each / DATA_FILE).is_file()}
            )
        with documents.opened(place) as file:
            start = file.read(START_BYTES)
    except (OSError, documents.UnreadableError):
        return ""
    return of_file(str(place), start) or _first(_LISTS, _file(str(place), start))


def of_folders(source: str, names: Iterable[str]) -> str:
    """Return the same of a source whose folders have these names, where they are none of classes."""
    return _first(_OF_OBJECTS, _Sight(source, frozenset(map(str.lower, names)), "", b""))


def of_file(name: str, start: bytes) -> str:
    """Return the same of a file that begins so, and shall be a list or a table of images."""
    return _first(_KINDS, _file(name, start))


def _of_folder(name: str, names: set[str], lmdbs: set[str]) -> str:
    sight = _Sight(name, frozenset(each.lower() for each in names), min(lmdbs, default=""), b"")
    return _first(_KINDS, sight)


def _file(name: str, start: bytes) -> "_Sight":
    return _Sight(name, frozenset(), "", start)


def _first(kinds: tuple["_Kind", ...], sight: "_Sight") -> str:
    place = {"place": sight.place, "above": sight.place.rpartition("/")[0] or ".", "lmdb": sight.lmdb}
    return next((kind.sentence.format(**place) for kind in kinds if kind.applies(sight)), "")


@dataclass(frozen=True)
class _Sight:
    """What is seen of a place from outside."""

    place: str
    names: frozenset[str]
    """In a folder, in lower case; none of a file."""
    lmdb: str
    """A folder in it that is an LMDB; empty where there is none."""
    start: bytes
    """Of a file."""

    @property
    def name(self) -> str:
        """Its own, in lower case."""
        return self.place.rpartition("/")[2].lower()

    def has(self, *suffixes: str) -> bool:
        """Return whether it is, or contains, a file with one of these suffixes."""
        return any(name.endswith(suffixes) for name in {*self.names, self.name})


@dataclass(frozen=True)
class _Kind:
    applies: Callable[[_Sight], bool]
    sentence: str


def _is_lmdb_file(sight: _Sight) -> bool:
    return sight.start[LMDB_MAGIC_AT : LMDB_MAGIC_AT + len(LMDB_MAGIC)] == LMDB_MAGIC


def _is_archive(sight: _Sight) -> bool:
    return sight.start.startswith(ARCHIVE_STARTS) or sight.start.startswith(TAR_MAGIC, TAR_MAGIC_AT)


def _first_line(sight: _Sight) -> str:
    lines = sight.start.decode("utf-8-sig", "replace").splitlines()
    return next((line.strip() for line in lines if line.strip()), "")


def _is_list(sight: _Sight) -> bool:
    """Lines of `path label`, or images without labels."""
    line = _first_line(sight)
    found = LIST_LINE.match(line)
    return b"\0" not in sight.start and is_image_name(found["path"].strip("\"'") if found else line)


_OF_OBJECTS = (
    _Kind(
        lambda sight: {"annotations", "jpegimages"} <= sight.names or sight.has(".xml"),
        "has annotations of objects in it (VOC), and ftjob learns one class for a whole image: " + FOLDERS,
    ),
    _Kind(
        lambda sight: sight.names == {"images", "labels"},
        "has images and labels apart, as for finding objects (YOLO), and ftjob learns one class for a whole "
        "image: " + FOLDERS,
    ),
)

_KINDS = (
    _Kind(
        lambda sight: sight.name in (DATA_FILE, "lock.mdb"),
        "is a file of an LMDB: give its folder, {above}",
    ),
    _Kind(
        _is_lmdb_file,
        "is an LMDB in one file, and Caffe reads folders: put it into one as data.mdb, and give that",
    ),
    _Kind(
        lambda sight: DATA_FILE in sight.names,
        "is an LMDB already: `ftjob data check` shows what is in it, and a spec's data.train names it",
    ),
    _Kind(
        lambda sight: sight.lmdb == TRAIN and DatasetFolder(Path()).manifest.name in sight.names,
        "was built without val: build it again with --val-split or --val, or give data.val",
    ),
    _Kind(
        lambda sight: bool(sight.lmdb), "holds LMDBs, and is none: give one of them, such as {place}/{lmdb}"
    ),
    _Kind(
        lambda sight: "lock.mdb" in sight.names,
        "is an LMDB without its records: there is lock.mdb and no data.mdb, copy that too",
    ),
    _Kind(
        lambda sight: "current" in sight.names and any(name.startswith("manifest-") for name in sight.names),
        "is a LevelDB, and ftjob reads LMDBs: " + FROM_IMAGES + ", or with `convert_imageset -backend lmdb`",
    ),
    _Kind(
        lambda sight: sight.start.startswith(HDF5_START) or sight.has(".h5", ".hdf5"),
        "is HDF5, and ftjob reads LMDBs of 8-bit images: " + FROM_IMAGES,
    ),
    _Kind(
        lambda sight: _first_line(sight).lower().endswith((".h5", ".hdf5")),
        "is a list of HDF5 files, and ftjob reads LMDBs of 8-bit images: " + FROM_IMAGES,
    ),
    _Kind(
        lambda sight: any(RECORD_FILE.search(name) for name in {*sight.names, sight.name}),
        "is of TFRecords, and ftjob reads LMDBs of Caffe's Datum: " + FROM_IMAGES,
    ),
    _Kind(
        lambda sight: sight.start.startswith(b"PAR1") or sight.has(".parquet"),
        "is Parquet, and ftjob reads LMDBs of Caffe's Datum: " + FROM_IMAGES,
    ),
    _Kind(
        lambda sight: sight.start.startswith(b"\x0a\x23\xd7\xce") or sight.has(".rec"),
        "is MXNet's RecordIO, and ftjob reads LMDBs of Caffe's Datum: " + FROM_IMAGES,
    ),
    _Kind(
        lambda sight: bool(IDX_START.match(sight.start)),
        "is an IDX file, such as those of MNIST: make an LMDB of it with Caffe's `convert_mnist_data`",
    ),
    _Kind(
        lambda sight: sight.start.startswith(ARRAY_STARTS) or sight.has(".npz", ".npy", ".mat", ".pkl"),
        "holds arrays, and ftjob reads images: save each as an image, and " + FOLDERS,
    ),
    _Kind(
        lambda sight: _is_archive(sight) or sight.has(".zip", ".tar", ".tar.gz", ".tgz", ".7z", ".rar"),
        "is packed, or has archives in it: unpack them, and " + FOLDERS,
    ),
    *_OF_OBJECTS,
    _Kind(
        lambda sight: "annotations" in sight.names or sight.has(".json"),
        "has annotations in JSON, such as COCO's, which ftjob does not read: " + FOLDERS + ", or a .csv with "
        "the columns path and label",
    ),
    _Kind(
        lambda sight: any(map(is_image_name, sight.names)),
        "holds images and no folders of them: put those of every class into a folder of its own, or build "
        "from a list of `path label` lines with `ftjob data build`",
    ),
    _Kind(lambda sight: is_image_name(sight.name), "is one image: " + FOLDERS),
    _Kind(
        lambda sight: sight.name.endswith((".prototxt", ".caffemodel", ".binaryproto", ".solverstate")),
        "is no dataset: " + FOLDERS + ", or an LMDB",
    ),
)

_LISTS = (
    _Kind(
        _is_list,
        "is a list of images: `ftjob data build {place} OUT` makes a dataset of it, which is what to give",
    ),
    _Kind(
        lambda sight: sight.name.endswith(".csv"),
        "is a table: `ftjob data build {place} OUT` makes a dataset of it, which is what to give",
    ),
)
