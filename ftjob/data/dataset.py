"""The datasets of a spec: inspected where they are LMDBs, built into the cache where they are images."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ftjob.data.facts import DatasetFacts
from ftjob.data.findings import label_findings, refuse_errors
from ftjob.data.folder import DATA_FILE, TRAIN, VAL, DatasetFolder
from ftjob.data.lock import locked
from ftjob.data.options import BuildOptions, Progress
from ftjob.data.read import inspect
from ftjob.data.tree import is_image_name
from ftjob.errors import BadDataError
from ftjob.paths import cache_dir


@dataclass(frozen=True)
class BuiltDataset:
    """What a run trains on and is judged by."""

    train: DatasetFacts
    val: DatasetFacts


def is_lmdb(path: Path) -> bool:
    """Say whether a path is the folder of an LMDB."""
    return (path / DATA_FILE).is_file()


def is_image_folder(path: Path) -> bool:
    """Say whether a path is a folder of folders, at least one of which has an image in it."""
    if not path.is_dir() or is_lmdb(path) or _is_dataset(path):
        return False
    folders = (folder for folder in path.iterdir() if folder.is_dir() and not folder.name.startswith("."))
    return any(is_image_name(file.name) for folder in folders for file in folder.rglob("*"))


def dataset_for(
    train: Path,
    val: Path | None,
    options: BuildOptions,
    progress: Callable[[Progress], None] = lambda _: None,
) -> BuiltDataset:
    """Return the datasets that a spec's `data.train` and `data.val` mean.

    LMDBs, and folders that `ftjob data build` made, are inspected. Folders of images are built once into the
    cache, under a digest of what they hold and of the options. Raises BadDataError.
    """
    if not is_image_folder(train):
        return BuiltDataset(inspect(_lmdb_of(train, TRAIN)), inspect(_lmdb_of(val or train, VAL)))
    val_images = val if val is not None and is_image_folder(val) else None
    if val is None and options.val_split is None:
        raise BadDataError(f"{train}: no val: give data.val or data.val_split")
    out = _built(train, val_images, options, progress)
    separate = val if val is not None and val_images is None else None
    return BuiltDataset(
        inspect(out.split(TRAIN)), inspect(_lmdb_of(separate, VAL) if separate else out.split(VAL))
    )


def both_lmdbs(location: Path, val: Path | None) -> tuple[Path, Path | None]:
    """Return the LMDBs of a built dataset, or an LMDB and the val that was given with it."""
    inside = DatasetFolder(location).split(VAL)
    beside = inside if val is None and _is_dataset(location) and is_lmdb(inside) else val
    return _lmdb_of(location, TRAIN), _lmdb_of(beside, VAL) if beside else None


def check_labels(train: DatasetFacts, val: DatasetFacts, num_output: int | None) -> None:
    """Raise BadDataError where labels and num_output do not go together; None means as many as there are."""
    refuse_errors(label_findings(train, val, num_output))


def _is_dataset(path: Path) -> bool:
    return is_lmdb(DatasetFolder(path).split(TRAIN))


def _lmdb_of(path: Path, split: str) -> Path:
    """An LMDB, or the one of a split inside a built dataset."""
    inside = DatasetFolder(path).split(split)
    return inside if is_lmdb(inside) and not is_lmdb(path) else path


def _built(
    train: Path, val: Path | None, options: BuildOptions, progress: Callable[[Progress], None]
) -> DatasetFolder:
    from ftjob.data.build import build  # here, because numpy and OpenCV are slow to import
    from ftjob.data.planning import Sources, plan_work

    datasets = cache_dir() / "datasets"
    out = DatasetFolder(datasets / plan_work(Sources(train, val, datasets), options).digest)
    if not out.is_whole:
        with locked(out.root.with_suffix(".lock"), wait=True):
            if not out.is_whole:
                build(train, out.root, options, val=val, progress=progress)
    return out
