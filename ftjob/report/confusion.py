"""Which classes a net takes for which: what of a confusion matrix is worth a look. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ftjob.runfolder.records.evaluation import ClassResult, ConfusionCells, Evaluation

Cells = NDArray[np.int64]
"""(M, 3): label, label given, images."""

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


def most_confused(evaluation: Evaluation, count: int) -> list[Confused]:
    """Return the pairs (class, label it was given) with the most images; of equals the larger share first,
    then the lower labels."""
    names, cells = [each.name for each in evaluation.classes], cells_of(evaluation)
    of = _images(cells, len(names))
    return [
        Confused(names[label], names[given], images, int(of[label]))
        for label, given, images in _wrong(cells, of)[:count].tolist()
    ]


def readable(evaluation: Evaluation) -> Matrix:
    """Return the whole matrix, or of more than READABLE classes those that are most confused."""
    cells, classes = cells_of(evaluation), evaluation.classes
    of = _images(cells, len(classes))
    shown = range(len(classes)) if len(classes) <= READABLE else _most_involved(_wrong(cells, of))
    place = {label: at for at, label in enumerate(shown)}
    part = [[0] * len(place) for _ in place]
    for label, given, images in cells[np.isin(cells[:, :2], list(place)).all(axis=1)].tolist():
        part[place[label]][place[given]] = images
    return Matrix(
        names=tuple(classes[label].name for label in place),
        counts=tuple(map(tuple, part)),
        images=tuple(int(of[label]) for label in place),
        others=tuple(int(of[label]) - sum(part[at]) for label, at in place.items())
        if len(place) < len(classes)
        else None,
    )


def _most_involved(wrong: Cells) -> list[int]:
    """Return the labels of the pairs most confused, in order."""
    found = dict.fromkeys(wrong[:IN_PART, :2].reshape(-1).tolist())  # each pair brings one at least
    return sorted(list(found)[:IN_PART])


def _wrong(cells: Cells, of: NDArray[np.int64]) -> Cells:
    """Return the cells of all that is wrong, the most confused first."""
    wrong = cells[cells[:, 0] != cells[:, 1]]
    label, given, images = wrong.T
    order = np.lexsort((given, label, -images / of[label], -images))
    found: Cells = wrong[order]
    return found


def _images(cells: Cells, classes: int) -> NDArray[np.int64]:
    """Return the images of every class."""
    return np.bincount(cells[:, 0], cells[:, 2], minlength=classes).astype(np.int64)


def weakest_first(classes: Sequence[ClassResult]) -> list[ClassResult]:
    """Return classes by their recall, the lowest first; those without images last."""
    return sorted(classes, key=lambda each: (each.recall is None, each.recall, each.label))


def cells_of(evaluation: Evaluation) -> Cells:
    """Return what is not 0 of an evaluation's confusion, whether it is written as a matrix or as cells."""
    confusion = evaluation.confusion
    if isinstance(confusion, ConfusionCells):
        cells: Cells = np.array(confusion.cells, dtype=np.int64).reshape(-1, 3)
        return cells
    matrix = np.array(confusion, dtype=np.int64)
    return np.column_stack((*np.nonzero(matrix), matrix[matrix != 0]))
