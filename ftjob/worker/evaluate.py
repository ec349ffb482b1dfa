"""From class scores and labels to accuracy, loss and confusion: pure."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

TOP = 5


@dataclass(frozen=True)
class ClassResult:
    """One class of the validation data. A share with nothing to divide by is None."""

    label: int
    name: str
    images: int
    recall: float | None
    """Of its images, the share that was given this label: the class's accuracy."""
    precision: float | None
    """Of the images given this label, the share that is of this class."""


@dataclass(frozen=True)
class Evaluation:
    """How well a net does on the validation data."""

    iteration: int
    images: int
    accuracy: float
    """Top-1: the share of images whose highest score is at their label."""
    top5: float | None
    """None where there are five classes or fewer."""
    loss: float
    """Mean softmax cross-entropy of the main head, natural logarithm."""
    heads: dict[str, float]
    """Top-1 of every head, by layer name."""
    classes: tuple[ClassResult, ...]
    confusion: tuple[tuple[int, ...], ...]
    """confusion[label][predicted] = number of images."""

    def to_json(self) -> dict[str, Any]:
        """Return the values of evaluation.json."""
        return dataclasses.asdict(self)


def evaluate(
    iteration: int,
    scores: dict[str, NDArray[np.float32]],
    labels: NDArray[np.float32],
    main: str,
    names: tuple[str, ...],
) -> Evaluation:
    """Judge the scores of every head, each (N, K) or (N, K, 1, 1), against labels (N,).

    A tie goes to the lower label, as numpy's argmax has it.
    """
    truth = labels.reshape(-1).astype(np.int64)
    table = {head: values.reshape(len(truth), -1) for head, values in scores.items()}
    predicted = {head: values.argmax(axis=1) for head, values in table.items()}
    confusion = np.zeros((len(names), len(names)), dtype=np.int64)
    np.add.at(confusion, (truth, predicted[main]), 1)
    return Evaluation(
        iteration=iteration,
        images=len(truth),
        accuracy=float((predicted[main] == truth).mean()),
        top5=top_k_accuracy(table[main], truth, TOP) if len(names) > TOP else None,
        loss=softmax_loss(table[main], truth),
        heads={head: float((guess == truth).mean()) for head, guess in predicted.items()},
        classes=tuple(_class_result(confusion, label, name) for label, name in enumerate(names)),
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
    )


def top_k_accuracy(scores: NDArray[np.float32], truth: NDArray[np.int64], k: int) -> float:
    """Return the share of images with fewer than k scores above their label's."""
    own = scores[np.arange(len(truth)), truth]
    better = (scores > own[:, np.newaxis]).sum(axis=1)
    return float((better < k).mean())


def softmax_loss(scores: NDArray[np.float32], truth: NDArray[np.int64]) -> float:
    """Return the mean cross-entropy; NaN or infinite scores give NaN."""
    with np.errstate(invalid="ignore", over="ignore"):
        shifted = scores.astype(np.float64) - scores.max(axis=1, keepdims=True)
        log_sum = np.log(np.exp(shifted).sum(axis=1))
        return float((log_sum - shifted[np.arange(len(truth)), truth]).mean())


def _class_result(confusion: NDArray[np.int64], label: int, name: str) -> ClassResult:
    right, images, given = confusion[label, label], confusion[label].sum(), confusion[:, label].sum()
    return ClassResult(
        label=label,
        name=name,
        images=int(images),
        recall=float(right / images) if images else None,
        precision=float(right / given) if given else None,
    )
