"""Folders that are called train and val: two halves of a dataset, and no classes."""

from collections.abc import Mapping, Sequence
from itertools import combinations

from ftjob.errors import BadDataError

TRAIN_NAMES = ("train", "training", "train_set", "trainset")
VAL_NAMES = ("val", "valid", "validation", "dev", "eval", "test", "testing", "val_set", "test_set", "testset")
"""In the order in which they are offered for data.val."""
SHOWN = 3


def refuse_splits(source: str, folders: Mapping[str, Sequence[str]]) -> None:
    """Raise BadDataError where the folders of a source are no classes.

    `folders` has the paths of the images in each, from the source on. Refused are two or more that are called
    as splits are and have a class folder in common, or are all there is; and one folder alone, or beside
    another, that has the class folders in it. A class that happens to be called `test` is one.
    """
    inside = {name: _folders_in(paths) for name, paths in folders.items()}
    splits = [name for name in folders if name.lower() in (*TRAIN_NAMES, *VAL_NAMES)]
    common = {each for first, second in combinations(splits, 2) for each in inside[first] & inside[second]}
    if common or (len(splits) > 1 and len(splits) == len(folders)):
        raise BadDataError(
            f"{source}: {_listed(splits)} are splits, not classes{_remedy(source, splits, common)}"
        )
    deep = [name for name in folders if len(inside[name]) > 1 and (len(folders) == 1 or name in splits)]
    flat = [name for name in folders if not inside[name]]
    if len(deep) == 1 and len(folders) <= 2 and len(deep) + len(flat) == len(folders):
        classes = _listed(sorted(inside[deep[0]]))
        raise BadDataError(
            f"{source}: its folder {deep[0]} is no class, the folders in it are ({classes}): give "
            f"{source}/{deep[0]}"
        )


def named_splits(names: Sequence[str]) -> tuple[str, str]:
    """Return which of some names are those of train and val; empty where none is."""
    return _called(names, TRAIN_NAMES), _called(names, VAL_NAMES)


def _folders_in(paths: Sequence[str]) -> set[str]:
    return {parts[1] for path in paths if len(parts := path.split("/")) > 2}


def _remedy(source: str, splits: Sequence[str], common: set[str]) -> str:
    if not common:
        return ": put the images of every class into a folder of its own, in each of them"
    held = f", each with the folder{'s' * (len(common) > 1)} {_listed(sorted(common))}"
    train, val = named_splits(splits)
    if not (train and val):
        return f"{held}: give a folder with one folder of images per class"
    train, val = f"{source}/{train}", f"{source}/{val}"
    return (
        f"{held}: write data: {{train: {train}, val: {val}}}, or `ftjob data build {train} OUT --val {val}`"
    )


def _called(splits: Sequence[str], names: Sequence[str]) -> str:
    found = {name.lower(): name for name in splits}
    return next((found[name] for name in names if name in found), "")


def _listed(names: Sequence[str]) -> str:
    if len(names) > SHOWN:
        return ", ".join(names[:SHOWN]) + " …"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
