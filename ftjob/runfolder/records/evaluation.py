"""evaluation.json: how well a net does on the validation data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Len

from ftjob.fs.documents import LARGE, read_strictly
from ftjob.runfolder.records.ranges import Images
from ftjob.runfolder.status import Count, Number, Share


@dataclass(frozen=True)
class ClassResult:
    """One class of the validation data. A share with nothing to divide by is None."""

    label: Count
    name: str
    images: Images
    recall: Share | None
    """Of its images, the share that was given this label: the class's accuracy."""
    precision: Share | None
    """Of the images given this label, the share that is of this class."""


@dataclass(frozen=True)
class ConfusionCells:
    """The non-zero cells of a confusion matrix of many classes."""

    classes: Count
    cells: tuple[tuple[Images, Images, Images], ...]
    """(label, label given, images), in that order."""

    def is_of(self, count: int) -> bool:
        """Return whether this is a matrix of that many classes."""
        return self.classes == count and all(max(cell[:2]) < count for cell in self.cells)


@dataclass(frozen=True)
class TopAnswers:
    """The highest-scoring label of every image, in the order of the dataset."""

    labels: tuple[Count, ...]
    """What is right."""
    predicted: tuple[Count, ...]
    scores: tuple[Share | None, ...]
    """Probabilities of `predicted`, by softmax; None where they were no numbers."""

    def __post_init__(self) -> None:
        if not len(self.labels) == len(self.predicted) == len(self.scores):
            raise ValueError("answers have not one label, one predicted label and one score each")


@dataclass(frozen=True)
class Evaluation:
    """How well a net does on the validation data."""

    iteration: Count
    images: Images
    accuracy: Share
    """Top-1: the share of images whose highest score is at their label."""
    top5: Share | None
    """None where there are five classes or fewer."""
    loss: Number | None
    """Mean softmax cross-entropy of the main head, natural logarithm; None where it was no number."""
    heads: dict[str, Share]
    """Top-1 of every head, by layer name."""
    classes: Annotated[tuple[ClassResult, ...], Len(1)]
    confusion: list[list[Images]] | ConfusionCells
    """confusion[label][label given] = images."""
    answers: TopAnswers | None = field(default=None, repr=False)
    """Only in a snapshot's record: predictions.jsonl is made from them. None for very many images."""

    def __post_init__(self) -> None:
        count, confusion = len(self.classes), self.confusion
        if any(each.label != label for label, each in enumerate(self.classes)):
            raise ValueError("classes are not numbered from 0")
        is_square = (
            confusion.is_of(count)
            if isinstance(confusion, ConfusionCells)
            else len(confusion) == count and all(len(row) == count for row in confusion)
        )
        if not is_square:
            raise ValueError("confusion has not one row and one column for each class")
        if self.answers and len(self.answers.labels) != self.images:
            raise ValueError("answers are not of all images")

    def to_json(self) -> Mapping[str, Any]:
        """Return the values of evaluation.json, which has no answers."""
        confusion = self.confusion
        values = {
            **vars(self),
            "classes": [vars(each) for each in self.classes],
            "confusion": vars(confusion) if isinstance(confusion, ConfusionCells) else confusion,
        }
        del values["answers"]
        return values


def read_evaluation(path: Path) -> Evaluation:
    """Return evaluation.json. Raises UnreadableError, OSError."""
    return read_strictly(Evaluation, path, LARGE)
