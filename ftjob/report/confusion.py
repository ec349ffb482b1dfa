"""Which classes a net takes for which: what of a confusion matrix is worth a look. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]

READABLE = 30
"""Classes whose whole matrix people can read."""
IN_PART = 12
"""Classes shown of a larger one."""


@dataclass(frozen=True)
class Confused:
    """Images of one class that were given another's label."""

    label: str
    predicted: str
    images: int
    of: int
    """Images of the class."""

    @property
    def share(self) -> float:
        return self.images / self.of

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {"label": self.label, "predicted": self.predicted, "images": self.images, "of": self.of}


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix that can be read: of all classes, or of those most confused."""

    names: tuple[str, ...]
    """Of rows and columns."""
    counts: tuple[tuple[int, ...], ...]
    """counts[label][predicted] = images."""
    images: tuple[int, ...]
    """Of each row's class."""
    others: tuple[int, ...] | None
    """Of each row, images that were given a label not shown; None where all are shown."""


def most_confused(evaluation: Mapping[str, Any], count: int) -> list[Confused]:
    """Return the pairs (class, label it was given) with the most images; of equals the larger share first,
    then the lower labels."""
    matrix, names = _array(evaluation), [each["name"] for each in evaluation["classes"]]
    of = matrix.sum(axis=1)
    return [
        Confused(names[label], names[given], int(matrix[label, given]), int(of[label]))
        for label, given in _pairs(matrix)[:count]
    ]


def readable(evaluation: Mapping[str, Any]) -> Matrix:
    """Return the whole matrix, or of more than READABLE classes those that are most confused."""
    matrix, classes = _array(evaluation), evaluation["classes"]
    shown = list(range(len(classes))) if len(classes) <= READABLE else _most_involved(matrix)
    part = matrix[np.ix_(shown, shown)]
    of = matrix[shown].sum(axis=1)
    rest = of - part.sum(axis=1)
    return Matrix(
        names=tuple(classes[label]["name"] for label in shown),
        counts=tuple(tuple(row) for row in part.tolist()),
        images=tuple(of.tolist()),
        others=tuple(rest.tolist()) if len(shown) < len(classes) else None,
    )


def _most_involved(matrix: Counts) -> list[int]:
    """Return the labels of the pairs most confused, in order."""
    found: dict[int, None] = {}
    for pair in _pairs(matrix):
        found |= dict.fromkeys(pair)
    return sorted(list(found)[:IN_PART])


def _pairs(matrix: Counts) -> list[tuple[int, int]]:
    """Return (label, label given) of all that is wrong, the most confused first."""
    of = matrix.sum(axis=1)
    labels, given = np.nonzero(matrix * (1 - np.eye(len(matrix), dtype=np.int64)))
    return sorted(
        zip(labels.tolist(), given.tolist(), strict=True),
        key=lambda pair: (-matrix[pair], -matrix[pair] / of[pair[0]], pair),
    )


def weakest_first(classes: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return classes by their recall, the lowest first; those without images last."""
    return sorted(classes, key=lambda each: (each["recall"] is None, each["recall"], each["label"]))


def _array(evaluation: Mapping[str, Any]) -> Counts:
    return np.array(evaluation["confusion"], dtype=np.int64)
