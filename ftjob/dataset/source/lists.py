"""Lists and tables of images: lines of `path label`, as convert_imageset reads them, or a CSV."""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from sys import intern

from ftjob.dataset.labels import LINE_END, check_names
from ftjob.dataset.source.listing import Listing, class_order
from ftjob.dataset.source.train_val import TRAIN_NAMES, VAL_NAMES
from ftjob.dataset.source.tree import Tree, is_image_name
from ftjob.errors import BadDataError
from jobspec.problems import one_line

CSV_SUFFIX = ".csv"
PATH_COLUMN, LABEL_COLUMN = "path", "label"
SEPARATORS = ",;\t"
SEVERAL_LABELS = re.compile(r"(?P<path>\S.*?)(?P<labels>(\s+-?[\d.]+){2,})")
LABEL_AFTER_COMMA = re.compile(r".*[,;]\s*-?\d+")
INTEGER = re.compile(r"-?\d{1,18}")
"""Longer than any label of Caffe, an int32, and short enough for int()."""
LABEL_FIRST = re.compile(r"-?\d+\s")
WINDOWS_DRIVE = re.compile(r"[A-Za-z]:[\\/]")


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    path: str
    label: str


def list_rows(source: str, tree: Tree, content: bytes, classes: tuple[str, ...]) -> Listing:
    """Return the images of a list, or of a table whose name ends in .csv; paths count from `tree`.

    Raises BadDataError, which names the line, for one that cannot be read or leads nowhere, and for labels
    that cannot be a net's; with `classes`, those of train, also for other labels.
    """
    text = _text(source, content)
    is_table = source.lower().endswith(CSV_SUFFIX)
    rows = list(_table_rows(source, text) if is_table else _list_rows(source, text))
    if not rows:
        raise BadDataError(f"{source}: lists no images: write one `path label` per line")
    found = [_found(source, tree, row) for row in rows]
    if is_table and not all(_is_number(row.label) for row in rows):
        names = classes or tuple(class_order(sorted({row.label for row in rows})))
        labels = _named_labels(source, rows, names)
    else:
        labels = _numbers(source, rows, len(classes))
        names = classes or tuple(map(str, range(max(labels) + 1)))
    check_names(source, names)
    return Listing(tree, names, [path for path, _ in found], labels, [stamp for _, stamp in found])


def _text(source: str, content: bytes) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadDataError(f"{source}: cannot be read as text ({error}): give a UTF-8 file") from error
    if "\0" in text:
        raise BadDataError(f"{source}: has bytes of 0 in it, which no text has: give a UTF-8 file")
    return text


def _list_rows(source: str, text: str) -> Iterator[_Row]:
    """Lines of `path label`, split at the last blank or tab; empty ones are skipped."""
    for number, line in enumerate(LINE_END.split(text), start=1):
        words = line.strip().rsplit(maxsplit=1)
        if not words:
            continue
        if len(words) < 2 or not _is_number(words[1]):
            raise BadDataError(f"{source}: line {number}: {_no_label(line.strip(), words)}")
        yield _Row(number, *words)


def _no_label(line: str, words: Sequence[str]) -> str:
    """Return the problem of a line that does not end in a number."""
    shown = f"'{one_line(line)}'"
    if LABEL_AFTER_COMMA.fullmatch(line):
        return (
            f"{shown} has no blank before its label: write `path label`, or a .csv file with a header "
            "`path,label`"
        )
    if LABEL_FIRST.match(line) and is_image_name(line):
        return f"{shown} has its label first: write `path label`"
    if len(words) < 2 or is_image_name(line):
        return f"{shown} has no label: write `path label`"
    return (
        f"label '{one_line(words[1])}' of {one_line(words[0])} is not an integer: number the classes from 0"
    )


def _table_rows(source: str, text: str) -> Iterator[_Row]:
    """Rows under a header that has the columns path and label."""
    header = text.partition("\n")[0]
    # Not a StringIO, which takes 4 bytes a letter.
    lines = io.TextIOWrapper(io.BytesIO(text.encode()), "utf-8", newline="")
    rows = csv.DictReader(lines, delimiter=max(SEPARATORS, key=header.count))
    try:
        rows.fieldnames = [name.strip().lower() for name in rows.fieldnames or ()]
        missing = {PATH_COLUMN, LABEL_COLUMN} - set(rows.fieldnames)
        if missing:
            raise BadDataError(
                f"{source}: line 1: has no column {min(missing)!r}: begin with a header `path,label`"
            )
        splits: dict[str, set[str]] = {name: set() for name in rows.fieldnames}
        for row in rows:
            if not row[PATH_COLUMN] or not row[LABEL_COLUMN]:
                raise BadDataError(f"{source}: line {rows.line_num}: path or label is empty: fix the line")
            yield _Row(rows.line_num, row[PATH_COLUMN].strip(), intern(row[LABEL_COLUMN].strip()))
            splits = {
                name: {*found, value}
                for name, found in splits.items()
                if (value := (row[name] or "").strip().lower()) in (*TRAIN_NAMES, *VAL_NAMES)
            }
    except csv.Error as error:
        raise BadDataError(f"{source}: line {rows.line_num}: is no CSV ({error}): fix the line") from error
    _refuse_split_column(source, splits)


def _refuse_split_column(source: str, splits: Mapping[str, set[str]]) -> None:
    """Raise BadDataError for a column that names splits: all rows would be taken for images of train."""
    for name, found in splits.items():
        if name != LABEL_COLUMN and len(found) > 1:
            raise BadDataError(
                f"{source}: its column {one_line(name)!r} names splits ({', '.join(sorted(found))}): write a "
                "table for train and another for val, and give the second to --val"
            )


def _found(source: str, tree: Tree, row: _Row) -> tuple[str, str]:
    """The path by which a row's image is there, and its stamp."""
    for path in _readings(row.path):
        try:
            stamp = tree.stamp(path)
        except OSError as error:  # too long, or not permitted
            problem = f"{path} cannot be read ({error.strerror}): fix the path"
            raise BadDataError(f"{source}: line {row.line}: {problem}") from error
        if stamp is not None:
            return path, stamp
    several = SEVERAL_LABELS.fullmatch(f"{row.path} {row.label}")
    if several and is_image_name(several["path"]):
        labels = " ".join(several["labels"].split())
        problem = (
            f"{several['path']} has several labels ({labels}), and a classifier is trained on one: write a "
            "list for each"
        )
    elif WINDOWS_DRIVE.match(row.path):
        problem = f"{row.path} is a path of Windows: write paths that count from the list's folder"
    else:
        problem = f"{row.path} is not there, looked for in {tree.name}: fix the path"
    raise BadDataError(f"{source}: line {row.line}: {problem}")


def _readings(path: str) -> Iterator[str]:
    """How a path may be meant: as it is, without quotes, of Windows, below the folder that convert_imageset
    would be given."""
    yield path
    yield (path := path.strip("\"'"))
    yield (path := path.replace("\\", "/"))
    yield path.lstrip("/")


def _numbers(source: str, rows: list[_Row], classes: int) -> list[int]:
    for row in rows:
        if _is_integer(row.label) and 0 <= int(row.label) < (classes or inf):
            continue
        label, what, remedy = row.label, "is negative", "number the classes from 0"
        if not _is_integer(row.label):
            label, what = f"'{one_line(row.label)}'", "is not an integer"
        elif int(row.label) >= 0:
            what, remedy = f"is no class of train, whose labels are 0 to {classes - 1}", "fix the label"
        raise BadDataError(f"{source}: line {row.line}: label {label} of {row.path} {what}: {remedy}")
    labels = [int(row.label) for row in rows]
    if not classes and max(labels) >= len(labels):  # then one below is missing, and they may be huge
        gap = min(set(range(len(labels) + 1)) - set(labels))
        raise BadDataError(
            f"{source}: labels go up to {max(labels)}, and no image has label {gap}: number the classes from "
            "0 without gaps"
        )
    return labels


def _named_labels(source: str, rows: list[_Row], names: tuple[str, ...]) -> list[int]:
    label_of = {name: label for label, name in enumerate(names)}
    for row in rows:
        if row.label not in label_of:
            raise BadDataError(
                f"{source}: line {row.line}: {row.label!r} is no class of train: fix the label"
            )
    return [label_of[row.label] for row in rows]


def _is_integer(text: str) -> bool:
    return INTEGER.fullmatch(text) is not None


def _is_number(text: str) -> bool:
    return all(part.isdecimal() for part in text.removeprefix("-").split(".", 1))
