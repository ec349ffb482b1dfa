"""Where images come from: a folder per class, a list as convert_imageset reads, or a CSV."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ftjob.data.objects import Objects, Place, objects_at
from ftjob.data.tree import Folder, Tree, is_image_name
from ftjob.errors import BadDataError
from ftjob.storage import MissingError
from ftjob.storage.cache import parent_store

CSV_SUFFIX = ".csv"
PATH_COLUMN, LABEL_COLUMN = "path", "label"


@dataclass(frozen=True)
class Listing:
    """The images of one source, each with its label: three columns of one length."""

    tree: Tree
    """What the paths are relative to."""
    classes: tuple[str, ...]
    """Class names in label order."""
    paths: Sequence[str]
    labels: Sequence[int]
    stamps: Sequence[str]
    """What changes when a file changes."""


def list_images(source: Place, classes: tuple[str, ...] = ()) -> Listing:
    """List what a source holds. With `classes`, those of train, a val source gets the same labels.

    Raises BadDataError for a source that is missing, empty, of no known kind, or has a bad line, StorageError
    where a URI cannot be read.
    """
    if isinstance(source, Objects) and source.entries:
        return _by_folders(str(source), source, classes)
    if isinstance(source, Path) and source.is_dir():
        return _by_folders(str(source), Folder(source), classes)
    where, (tree, content) = str(source), _beside(source)
    lines = _lines(where, content)
    is_csv = where.lower().endswith(CSV_SUFFIX)
    rows = _csv_rows(where, lines) if is_csv else _list_rows(where, lines)
    return _by_rows(where, tree, list(rows), classes)


def _beside(source: Place) -> tuple[Tree, bytes]:
    """What a list's paths count from, and the list."""
    try:
        if isinstance(source, Path):
            return Folder(source.parent), source.read_bytes()
        store, name = parent_store(source.name)
        return objects_at(store), store.read(name)
    except (FileNotFoundError, MissingError) as error:
        raise BadDataError(
            f"{source}: is not there: give a folder with one folder of images per class, "
            "a list of `path label` lines, or a .csv file"
        ) from error
    except OSError as error:
        raise BadDataError(f"{source}: cannot be read ({error.strerror}): give a UTF-8 file") from error


def _by_folders(source: str, tree: Tree, classes: tuple[str, ...]) -> Listing:
    names = class_order(tree.folders())
    if not names:
        raise BadDataError(
            f"{source}: holds no folders: put the images of every class into a folder of its own"
        )
    if strange := sorted(set(names) - set(classes)) if classes else []:
        raise BadDataError(f"{source}/{strange[0]}: is no class of train: rename or remove the folder")
    paths: list[str] = []
    labels: list[int] = []
    stamps: list[str] = []
    label_of = {name: label for label, name in enumerate(classes or names)}
    for name in names:
        found = [(path, stamp) for path, stamp in tree.files(name) if is_image_name(path)]
        if not found and not classes:
            raise BadDataError(f"{source}/{name}: holds no images: add some, or remove the folder")
        paths.extend(path for path, _ in found)
        stamps.extend(stamp for _, stamp in found)
        labels.extend([label_of[name]] * len(found))
    if not paths:
        raise BadDataError(f"{source}: holds no images: put some into the folders")
    return Listing(tree, classes or tuple(names), paths, labels, stamps)


def class_order(names: Sequence[str]) -> list[str]:
    """Sort class names: by number where all are numbers (9 before 10), else by code point."""
    if all(name.isascii() and name.isdigit() for name in names):
        return sorted(names, key=lambda name: (int(name), name))
    return sorted(names)


@dataclass(frozen=True)
class _Row:
    line: int
    path: str
    label: str


def _list_rows(source: str, lines: list[str]) -> Iterator[_Row]:
    """Lines of `path label`, split at the last space, as convert_imageset does; empty ones are skipped."""
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        path, _, label = line.strip().rpartition(" ")
        if not path:
            raise BadDataError(
                f"{source}: line {number}: {line.strip()!r} is not `path label`: mend the line"
            )
        yield _Row(number, path.strip(), label)


def _csv_rows(source: str, lines: list[str]) -> Iterator[_Row]:
    """Rows under a header that has the columns path and label."""
    rows = csv.DictReader(lines)
    missing = {PATH_COLUMN, LABEL_COLUMN} - set(rows.fieldnames or ())
    if missing:
        raise BadDataError(
            f"{source}: line 1: has no column {min(missing)!r}: begin with a header `path,label`"
        )
    for row in rows:
        if not row[PATH_COLUMN] or not row[LABEL_COLUMN]:
            raise BadDataError(f"{source}: line {rows.line_num}: path or label is empty: mend the line")
        yield _Row(rows.line_num, row[PATH_COLUMN].strip(), row[LABEL_COLUMN].strip())


def _lines(source: str, content: bytes) -> list[str]:
    try:
        return content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise BadDataError(f"{source}: cannot be read as text ({error}): give a UTF-8 file") from error


def _by_rows(source: str, tree: Tree, rows: list[_Row], classes: tuple[str, ...]) -> Listing:
    if not rows:
        raise BadDataError(f"{source}: lists no images: write one `path label` per line")
    named = source.lower().endswith(CSV_SUFFIX) and not all(_is_integer(row.label) for row in rows)
    labels = _named_labels(source, rows, classes) if named else _numbers(source, rows)
    names = classes or _class_names(rows, labels, named)
    return Listing(
        tree, names, [row.path for row in rows], labels, [_stamp(source, tree, row) for row in rows]
    )


def _numbers(source: str, rows: list[_Row]) -> list[int]:
    for row in rows:
        if not _is_integer(row.label):
            raise BadDataError(
                f"{source}: line {row.line}: label {row.label!r} of {row.path} is not an integer: "
                "number the classes from 0"
            )
        if int(row.label) < 0:
            raise BadDataError(
                f"{source}: line {row.line}: label {row.label} of {row.path} is negative: "
                "number the classes from 0"
            )
    return [int(row.label) for row in rows]


def _named_labels(source: str, rows: list[_Row], classes: tuple[str, ...]) -> list[int]:
    names = classes or tuple(class_order(sorted({row.label for row in rows})))
    label_of = {name: label for label, name in enumerate(names)}
    for row in rows:
        if row.label not in label_of:
            raise BadDataError(
                f"{source}: line {row.line}: {row.label!r} is no class of train: mend the label"
            )
    return [label_of[row.label] for row in rows]


def _class_names(rows: list[_Row], labels: list[int], named: bool) -> tuple[str, ...]:
    if named:
        return tuple(class_order(sorted({row.label for row in rows})))
    return tuple(str(label) for label in range(max(labels) + 1))


def _stamp(source: str, tree: Tree, row: _Row) -> str:
    stamp = tree.stamp(row.path)
    if stamp is None:
        raise BadDataError(
            f"{source}: line {row.line}: {row.path} is not there, looked for in {tree.name}: mend the path"
        )
    return stamp


def _is_integer(text: str) -> bool:
    return text.removeprefix("-").isdecimal()
