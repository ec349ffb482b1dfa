"""Where images come from: a folder per class, a list as convert_imageset reads, or a CSV."""

import os
from pathlib import Path

from ftjob.dataset.labels import check_names
from ftjob.dataset.source import kinds
from ftjob.dataset.source.listing import Listing, class_order
from ftjob.dataset.source.lists import list_rows
from ftjob.dataset.source.stored import Objects, Place, objects_at
from ftjob.dataset.source.train_val import refuse_splits
from ftjob.dataset.source.tree import Folder, Tree, is_image_name
from ftjob.errors import BadDataError
from ftjob.fs import documents
from ftjob.storage import MissingError
from ftjob.storage.cache import parent_store

LARGEST_LIST = 128 * 2**20
"""Bytes: of some million images."""


def list_images(source: Place, classes: tuple[str, ...] = ()) -> Listing:
    """List what a source holds. With `classes`, those of train, a val source gets the same labels.

    Raises BadDataError for a source that is missing, empty, of no known kind, or has a bad line, StorageError
    where a URI cannot be read.
    """
    if isinstance(source, Objects) and source.entries:
        return _by_folders(source, source, classes)
    if isinstance(source, Path) and source.is_dir():
        return _by_folders(source, Folder(source), classes)
    return list_rows(str(source), *_beside(source), classes)


def _beside(source: Place) -> tuple[Tree, bytes]:
    """What a list's paths count from, and the list."""
    try:
        if isinstance(source, Path):
            return Folder(source.parent), _read(source)
        _refuse_foreign(source, b"")
        store, name = parent_store(source.name)
        return objects_at(store), store.read(name)
    except (FileNotFoundError, MissingError) as error:
        raise BadDataError(
            f"{source}: is not there: give a folder with one folder of images per class, "
            "a list of `path label` lines, or a .csv file"
        ) from error
    except documents.UnreadableError as error:
        raise BadDataError(f"{source}: {error}: give a UTF-8 file") from None
    except OSError as error:
        raise BadDataError(f"{source}: cannot be read ({error.strerror}): give a UTF-8 file") from error


def _read(source: Path) -> bytes:
    """Read a list once, since a pipe gives its bytes once."""
    with documents.opened(source) as file:
        start = file.read(kinds.START_BYTES)
        _refuse_foreign(source, start)
        documents.check_size(os.fstat(file.fileno()).st_size, LARGEST_LIST)
        content = start + file.read(LARGEST_LIST + 1 - len(start))
    documents.check_size(len(content), LARGEST_LIST)
    return content


def _refuse_foreign(source: Place, start: bytes) -> None:
    if kind := kinds.of_file(str(source), start):
        raise BadDataError(f"{source}: {kind}")


def _by_folders(source: Place, tree: Tree, classes: tuple[str, ...]) -> Listing:
    names = class_order(tree.folders())
    if not names:
        remedy = "holds no folders: put the images of every class into a folder of its own"
        raise BadDataError(f"{source}: {kinds.of_place(source) or remedy}")
    check_names(str(source), names)
    if strange := sorted(set(names) - set(classes)) if classes else []:
        raise BadDataError(f"{source}/{strange[0]}: is no class of train: rename or remove the folder")
    found = {name: [each for each in tree.files(name) if is_image_name(each[0])] for name in names}
    paths = [path for name in names for path, _ in found[name]]
    if not paths:
        problem = kinds.of_place(source) or "holds no images: put some into the folders"
        raise BadDataError(f"{source}: {problem}")
    if not classes:
        if kind := kinds.of_folders(str(source), names):
            raise BadDataError(f"{source}: {kind}")
        refuse_splits(str(source), {name: [path for path, _ in found[name]] for name in names})
        _refuse_empty(source, found)
    label_of = {name: label for label, name in enumerate(classes or names)}
    labels = [label_of[name] for name in names for _ in found[name]]
    stamps = [stamp for name in names for _, stamp in found[name]]
    return Listing(tree, classes or tuple(names), paths, labels, stamps)


def _refuse_empty(source: Place, found: dict[str, list[tuple[str, str]]]) -> None:
    for name, files in found.items():
        if not files:
            folder = source.child(name) if isinstance(source, Objects) else source / name
            problem = kinds.of_place(folder) or "holds no images: add some, or remove the folder"
            raise BadDataError(f"{source}/{name}: {problem}")
