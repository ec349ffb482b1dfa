"""From class scores and labels to accuracy, loss and confusion: pure."""

from collections.abc import Iterator
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from ftjob.runfolder.records.evaluation import ClassResult, ConfusionCells, Evaluation, TopAnswers

TOP = 5
MOST_IN_FULL = 200
"""Up to so many classes the confusion is a full matrix; beyond, only its non-zero cells."""
PART = 1 << 20
"""Scores per chunk of work."""
MOST_ANSWERS = 200_000
"""Images up to which the answer to each is kept: four times ImageNet's, and still read within seconds."""
DIGITS = 4
"""Decimals of a probability."""


def evaluate(
    iteration: int,
    scores: dict[str, NDArray[np.float32]],
    labels: NDArray[np.float32],
    main: str,
    names: tuple[str, ...],
    *,
    first: int = 0,
) -> Evaluation:
    """Evaluate the scores of every head, each (N, K) or (N, K, 1, 1), against labels (N,).

    The rows are all records of a dataset once, beginning with record `first`. A tie goes to the lower label,
    as numpy's argmax has it.
    """
    truth = labels.reshape(-1).astype(np.int64)
    table = {head: values.reshape(len(truth), -1) for head, values in scores.items()}
    predicted = {head: values.argmax(axis=1) for head, values in table.items()}
    loss = softmax_loss(table[main], truth)
    return Evaluation(
        iteration=iteration,
        images=len(truth),
        accuracy=float((predicted[main] == truth).mean()),
        top5=top_k_accuracy(table[main], truth, TOP) if len(names) > TOP else None,
        loss=loss if isfinite(loss) else None,
        heads={head: float((guess == truth).mean()) for head, guess in predicted.items()},
        classes=_class_results(truth, predicted[main], names),
        confusion=_confusion(truth, predicted[main], len(names)),
        answers=_answers(table[main], truth, predicted[main], first),
    )


def top_k_accuracy(scores: NDArray[np.float32], truth: NDArray[np.int64], k: int) -> float:
    """Return the share of images with fewer than k scores above their label's."""
    right = 0
    for part, labels in _in_parts(scores, truth):
        own = part[np.arange(len(labels)), labels]
        right += int(((part > own[:, np.newaxis]).sum(axis=1) < k).sum())
    return right / len(truth)


def softmax_loss(scores: NDArray[np.float32], truth: NDArray[np.int64]) -> float:
    """Return the mean cross-entropy; NaN or infinite scores give NaN."""
    losses = [_losses(part, labels) for part, labels in _in_parts(scores, truth)]
    return float(np.concatenate(losses).mean())


def _losses(scores: NDArray[np.float32], truth: NDArray[np.int64]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore", over="ignore"):
        shifted = scores.astype(np.float64) - scores.max(axis=1, keepdims=True)
        own = shifted[np.arange(len(truth)), truth]
        losses: NDArray[np.float64] = np.log(np.exp(shifted, out=shifted).sum(axis=1)) - own
        return losses


def _answers(
    scores: NDArray[np.float32], truth: NDArray[np.int64], predicted: NDArray[np.int64], first: int
) -> TopAnswers | None:
    """Return the answers in the order of the dataset."""
    if len(truth) > MOST_ANSWERS:
        return None
    shares = np.concatenate([_top_probability(part) for part, _ in _in_parts(scores, truth)]).round(DIGITS)
    return TopAnswers(
        labels=tuple(np.roll(truth, first).tolist()),
        predicted=tuple(np.roll(predicted, first).tolist()),
        scores=tuple(share if isfinite(share) else None for share in np.roll(shares, first).tolist()),
    )


def _top_probability(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the softmax of the highest score of every row, NaN where a score is no finite number."""
    with np.errstate(invalid="ignore", over="ignore"):
        shifted = scores.astype(np.float64) - scores.max(axis=1, keepdims=True)
        shares: NDArray[np.float64] = 1 / np.exp(shifted).sum(axis=1)
        return shares


def _in_parts(
    scores: NDArray[np.float32], truth: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64]]]:
    """Yield the rows of scores with their labels, a few megabytes at a time."""
    rows = max(1, PART // scores.shape[1])
    for start in range(0, len(truth), rows):
        yield scores[start : start + rows], truth[start : start + rows]


def _confusion(
    truth: NDArray[np.int64], given: NDArray[np.int64], classes: int
) -> list[list[int]] | ConfusionCells:
    """Return confusion[label][label given], or of more than MOST_IN_FULL classes the cells alone."""
    pairs, images = np.unique(truth * classes + given, return_counts=True)
    if classes > MOST_IN_FULL:
        columns = (pairs // classes, pairs % classes, images)
        return ConfusionCells(classes, tuple(zip(*(column.tolist() for column in columns), strict=True)))
    matrix = np.zeros(classes * classes, dtype=np.int64)
    matrix[pairs] = images
    rows: list[list[int]] = matrix.reshape(classes, classes).tolist()
    return rows


def _class_results(
    truth: NDArray[np.int64], predicted: NDArray[np.int64], names: tuple[str, ...]
) -> tuple[ClassResult, ...]:
    right, images, given = (
        np.bincount(labels, minlength=len(names)).tolist()
        for labels in (truth[truth == predicted], truth, predicted)
    )
    return tuple(
        ClassResult(
            label=label,
            name=name,
            images=images[label],
            recall=right[label] / images[label] if images[label] else None,
            precision=right[label] / given[label] if given[label] else None,
        )
        for label, name in enumerate(names)
    )
