"""The images of a source, and the order of their classes."""

from collections.abc import Sequence
from dataclasses import dataclass

from ftjob.dataset.source.tree import Tree


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


def class_order(names: Sequence[str]) -> list[str]:
    """Sort class names: by number where all are numbers (9 before 10), else by code point."""
    if all(name.isascii() and name.isdigit() for name in names):
        return sorted(names, key=lambda name: (int(name), name))
    return sorted(names)
