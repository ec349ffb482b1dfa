"""Classifies pictures with a bundle: they are read and decoded ahead while the net computes."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ftjob.answers.pictures import MissingPictureError, NamedPicture
from ftjob.bundle.classifier import Classifier, Model, Reader, open_classifier
from ftjob.bundle.evaluate import evaluate
from ftjob.bundle.hardware import Hardware
from ftjob.concurrency.ahead import in_order
from ftjob.dataset.image.pixels import UnreadableImageError
from ftjob.errors import BadDataError
from ftjob.runfolder.records.evaluation import ConfusionCells, Evaluation
from ftjob.suggest import listed

BATCHES_AHEAD = 2
MAIN = "answers"
"""The only head of an evaluation of answers."""


@dataclass(frozen=True)
class Guess:
    """A class, and how sure the net is of it."""

    name: str
    probability: float


@dataclass(frozen=True)
class PictureAnswer:
    """What a bundle makes of a picture."""

    picture: str
    guesses: tuple[Guess, ...]
    """The most probable classes, most probable first; of equals the lower label. Empty for an unreadable
    picture."""
    problem: str = ""
    """Why the picture cannot be read."""

    def to_json(self) -> dict[str, Any]:
        """Return plain values, as `-o json` has them."""
        if self.problem:
            return {"image": self.picture, "problem": self.problem}
        classes = [{"class": each.name, "probability": round(each.probability, 6)} for each in self.guesses]
        return {"image": self.picture, "classes": classes}


@dataclass(frozen=True)
class _Read:
    """A picture as the net's input, or why it cannot be."""

    picture: NamedPicture
    values: NDArray[np.float32] | None = None
    problem: str = ""


@dataclass(frozen=True)
class Counts:
    """How many pictures of each class were given which label."""

    evaluation: Evaluation

    def to_json(self) -> dict[str, Any]:
        """Return plain values, as `-o json` has them."""
        found = self.evaluation
        cells = found.confusion.cells if isinstance(found.confusion, ConfusionCells) else None
        return {
            "images": found.images,
            "accuracy": found.accuracy,
            "top5": found.top5,
            "classes": [
                {
                    "class": each.name,
                    "images": each.images,
                    "recall": each.recall,
                    "precision": each.precision,
                }
                for each in found.classes
            ],
            "matrix": None if cells else found.confusion,
            "cells": cells,
        }


class ConfusionTally:
    """Counts the answers to pictures whose folder is named after their class."""

    def __init__(self, labels: Sequence[str], pictures: Iterable[NamedPicture]) -> None:
        """Raises BadDataError for a picture that lies in no folder with the name of a class."""
        for picture in pictures:
            if picture.folder not in labels:
                where = f"in the folder {picture.folder}" if picture.folder else "in no folder of a class"
                raise BadDataError(
                    f"{picture.name}: lies {where}: --confusion wants a folder for each class "
                    f"({listed(labels)})"
                )
        self._labels = tuple(labels)
        self._truth: list[int] = []
        self._shares: list[NDArray[np.float32]] = []

    def add(self, folder: str | None, shares: NDArray[np.float32]) -> None:
        """Count a picture whose class has the name of its folder, by its probabilities (K,)."""
        self._truth.append(self._labels.index(folder or ""))
        self._shares.append(shares)

    def counts(self) -> Counts:
        """Return what was counted. Raises BadDataError where no picture was."""
        if not self._truth:
            raise BadDataError("none of the images can be read: there is nothing to count")
        with np.errstate(divide="ignore"):
            scores = np.log(np.stack(self._shares))
        return Counts(evaluate(0, {MAIN: scores}, np.array(self._truth, np.float32), MAIN, self._labels))


@dataclass
class Classification:
    """The answers to some pictures: they are computed as they are taken, in order, once."""

    model: Model
    pictures: Sequence[NamedPicture]
    hardware: Hardware
    top: int
    """Classes in an answer."""
    batch: int
    """Pictures that go through the net together."""
    tally: ConfusionTally | None = None
    """Counts the answers; None where the folders have no classes' names."""

    @property
    def images(self) -> int:
        """How many pictures there are."""
        return len(self.pictures)

    def __iter__(self) -> Iterator[PictureAnswer]:
        """Yield the answers. Raises EngineError."""
        with open_classifier(self.model, self.hardware) as classifier:
            yield from self.of(classifier)

    def of(self, classifier: Classifier) -> Iterator[PictureAnswer]:
        """Yield the answers of a classifier that is open. Raises EngineError."""
        coming = in_order(self._calls(), ahead=BATCHES_AHEAD * self.batch)
        while reads := list(islice(coming, self.batch)):
            yield from self._answers(reads, classifier)

    def counts(self) -> Counts:
        """Return how many answers are right. Raises BadDataError where there is none."""
        assert self.tally, "they are counted only where that was asked for"
        return self.tally.counts()

    def _calls(self) -> Iterator[Callable[[], _Read]]:
        return (partial(_read, self.model.reader, picture) for picture in self.pictures)

    def _answers(self, reads: Sequence[_Read], classifier: Classifier) -> Iterator[PictureAnswer]:
        readable = [each.values for each in reads if each.values is not None]
        shares = iter(classifier.probabilities(np.stack(readable))) if readable else iter(())
        for each in reads:
            if each.values is None:
                yield PictureAnswer(each.picture.name, (), each.problem)
                continue
            row = next(shares)
            if self.tally:
                self.tally.add(each.picture.folder, row)
            yield PictureAnswer(each.picture.name, best(row, self.model.labels, self.top))


def best(shares: NDArray[np.float32], labels: Sequence[str], top: int) -> tuple[Guess, ...]:
    """Return the classes with the largest probabilities (K,), largest first."""
    order = np.argsort(-shares, kind="stable")[:top]
    return tuple(Guess(labels[label], float(shares[label])) for label in order.tolist())


def _read(reader: Reader, picture: NamedPicture) -> _Read:
    try:
        return _Read(picture, reader.read(picture.read()))
    except (MissingPictureError, UnreadableImageError) as error:
        return _Read(picture, problem=str(error))
