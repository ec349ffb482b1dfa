"""The datasets of a spec: inspected where they are LMDBs, built into the cache where they are images."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from ftjob.dataset.build.lock import locked
from ftjob.dataset.build_options import BuildOptions, DataProgress
from ftjob.dataset.check.inspection import inspect
from ftjob.dataset.check.remote import find_lmdb, has_lmdb
from ftjob.dataset.facts import DatasetFacts, Lmdb
from ftjob.dataset.folder import DATA_FILE, TRAIN, VAL, DatasetFolder
from ftjob.dataset.source import kinds
from ftjob.dataset.source.source import list_images
from ftjob.dataset.source.stored import Objects, Place, filled_place
from ftjob.dataset.source.train_val import named_splits
from ftjob.dataset.source.tree import Folder, is_image_name
from ftjob.errors import BadDataError
from ftjob.fs.paths import cache_dir
from ftjob.storage.inputs import named


@dataclass(frozen=True)
class BuiltDataset:
    """The datasets a run trains and tests on."""

    train: DatasetFacts
    val: DatasetFacts


def is_lmdb(path: Place) -> bool:
    """Return whether a place is the folder of an LMDB."""
    return DATA_FILE in path.entries if isinstance(path, Objects) else (path / DATA_FILE).is_file()


def named_place(location: str, field: str) -> Place:
    """Return the place that a field names. Raises BadDataError where nothing is there, StorageError."""
    with named(field, BadDataError):
        place = filled_place(location)
        if isinstance(place, Path) and not place.exists():
            raise BadDataError(f"{place}: is not there: fix the path")
        return place


def is_image_folder(path: Place) -> bool:
    """Return whether a place is a folder of folders, at least one of which has an image in it."""
    if isinstance(path, Objects):
        inside = (file for folder in path.folders() for file, _ in path.files(folder))
        return not has_lmdb(path, TRAIN) and any(map(is_image_name, inside))
    if not path.is_dir() or is_lmdb(path) or _is_dataset(path):
        return False
    folders = (folder for folder in path.iterdir() if folder.is_dir() and not folder.name.startswith("."))
    return any(is_image_name(file.name) for folder in folders for file in folder.rglob("*"))


def train_and_val(data: Place) -> tuple[Place, Place | None]:
    """Return the training and validation data of a folder; None for the second where a share of the first is
    to be kept. Raises BadDataError."""
    if isinstance(data, Path):
        names = named_splits(Folder(data).folders() if data.is_dir() else ())
    else:
        names = named_splits(data.folders())
    if all(names):
        train, val = (data / name if isinstance(data, Path) else data.child(name) for name in names)
        if _is_data(train) and _is_data(val):
            return train, val
    if is_image_folder(data):
        return data, None
    if is_lmdb(data):
        raise BadDataError(f"{data}: is one LMDB, and val is missing: give the folder that has train and val")
    raise BadDataError(
        f"{data}: has neither one folder of images per class, nor train and val in it: "
        "give such a folder, or what `ftjob data build` made"
    )


def _is_data(path: Place) -> bool:
    return is_lmdb(path) or is_image_folder(path)


def dataset_for(
    train: Place,
    val: Place | None,
    options: BuildOptions,
    progress: Callable[[DataProgress], None] = lambda _: None,
    *,
    fetch: bool = True,
) -> BuiltDataset:
    """Return the datasets that a spec's `data.train` and `data.val` mean.

    LMDBs, and folders that `ftjob data build` made, are inspected; those in a store are brought to this
    machine for it, but without `fetch` only where no manifest suffices. Folders of images are built once
    into the cache, under a digest of what they hold and of the options. Raises BadDataError and StorageError.
    """

    def facts(place: Place, split: str) -> DatasetFacts:
        with _named(place, split):
            return facts_at(place, split, progress, fetch=fetch)

    if not is_image_folder(train):
        return BuiltDataset(facts(train, TRAIN), facts(val or train, VAL))
    val_images = val if val is not None and is_image_folder(val) else None
    if val is None and options.val_split is None:
        raise BadDataError(f"{train}: no val: give data.val or data.val_split")
    with _named(train, TRAIN):
        out = _built(train, val_images, options, progress)
    separate = val if val is not None and val_images is None else None
    return BuiltDataset(facts(out.root, TRAIN), facts(separate or out.root, VAL))


def another_dataset(
    place: Place, options: BuildOptions, progress: Callable[[DataProgress], None], *, fetch: bool
) -> DatasetFacts:
    """Return the dataset at a place as a net is tested on it, beside those of `dataset_for`.

    Raises BadDataError and StorageError.
    """
    if is_image_folder(place):
        return facts_at(_built(place, None, options, progress).root, TRAIN, progress, fetch=fetch)
    return facts_at(place, VAL, progress, fetch=fetch)


def _named(place: Place, split: str) -> AbstractContextManager[None]:
    """Make errors name the field where they would name a URI alone."""
    return named(f"data.{split}", BadDataError) if isinstance(place, Objects) else nullcontext()


def facts_at(
    place: Place, split: str, progress: Callable[[DataProgress], None] = lambda _: None, *, fetch: bool
) -> DatasetFacts:
    """Return what the LMDB at a place holds, or the one of a split in the built dataset there.

    Without `fetch` one in a store is brought here only where no manifest suffices. Raises BadDataError and
    StorageError.
    """
    facts = find_lmdb(place, split).facts() if isinstance(place, Objects) and not fetch else None
    return facts or inspect(lmdb_at(place, split, progress), progress)


def lmdb_at(place: Place, split: str, progress: Callable[[DataProgress], None]) -> Lmdb:
    """Return the LMDB at a place, or the one of a split in the built dataset there, on this machine.

    Raises BadDataError for one in a store that is none, StorageError where it cannot be fetched.
    """
    refuse_other_kinds(place, split)
    if isinstance(place, Path):
        path = _lmdb_of(place, split)
        return Lmdb(path, str(path))
    found = find_lmdb(place, split)
    return Lmdb(found.fetch(progress), found.location)


def both_lmdbs(
    place: Place, val: Place | None, progress: Callable[[DataProgress], None] = lambda _: None
) -> tuple[Lmdb, Lmdb | None]:
    """Return the LMDBs of a built dataset, or an LMDB and the val that was given with it, on this machine.

    Raises BadDataError and StorageError as `lmdb_at` does.
    """
    beside = place if val is None and _has_val(place) else val
    return lmdb_at(place, TRAIN, progress), lmdb_at(beside, VAL, progress) if beside else None


def refuse_other_kinds(place: Place, split: str) -> None:
    """Raise BadDataError where there is no LMDB, nor one of a split, and it is known what else is there."""
    if has_lmdb(place, split) if isinstance(place, Objects) else is_lmdb(_lmdb_of(place, split)):
        return
    kind = kinds.of_place(place)
    if is_image_folder(place):
        list_images(place)
        kind = f"is a folder of images: `ftjob data build {place} OUT` makes a dataset of it"
    if kind:
        raise BadDataError(f"{place}: {kind}")


def _is_dataset(path: Path) -> bool:
    return is_lmdb(DatasetFolder(path).split(TRAIN))


def _has_val(place: Place) -> bool:
    if isinstance(place, Objects):
        return DATA_FILE not in place.entries and has_lmdb(place, VAL)
    return _is_dataset(place) and is_lmdb(DatasetFolder(place).split(VAL))


def _lmdb_of(path: Path, split: str) -> Path:
    """An LMDB, or the one of a split inside a built dataset."""
    inside = DatasetFolder(path).split(split)
    return inside if is_lmdb(inside) and not is_lmdb(path) else path


def _built(
    train: Place, val: Place | None, options: BuildOptions, progress: Callable[[DataProgress], None]
) -> DatasetFolder:
    from ftjob.dataset.build.build import build  # here, because numpy and OpenCV are slow to import
    from ftjob.dataset.build.planning import BuildPlaces, plan_work

    datasets = cache_dir() / "datasets"
    out = DatasetFolder(datasets / plan_work(BuildPlaces(train, val, datasets), options).digest)
    if not out.is_whole:
        with locked(out.root.with_suffix(".lock"), wait=True):
            if not out.is_whole:
                build(train, out.root, options, val=val, progress=progress)
    return out
