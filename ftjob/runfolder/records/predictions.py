"""predictions.jsonl: the answer to each image of a dataset, which makes runs comparable image by image."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ftjob.fs import files
from ftjob.fs.documents import LARGE, UnreadableError, explained, parse_strictly, read_bytes
from ftjob.runfolder.records.evaluation import Evaluation, read_evaluation
from ftjob.runfolder.status import Count, Share

TOLERANCE = 1e-6
"""What two equal shares may differ by, one of them having been written and read."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """A net's answer to one image: a line of predictions.jsonl."""

    key: str
    """Of the record in its LMDB."""
    label: Count
    predicted: Count
    """The label with the highest score."""
    score: Share | None
    """Its probability by softmax; None where it was no number."""

    @property
    def is_right(self) -> bool:
        return self.label == self.predicted


PredictionsByKey = Mapping[str, Prediction]
"""In the order of the dataset."""


@dataclass(frozen=True)
class Evaluated:
    """How a net did on a dataset, in sum and image by image."""

    evaluation: Evaluation
    predictions: PredictionsByKey | None
    """None where they were not kept: there are too many images, or an earlier ftjob evaluated them."""


def predictions_of(evaluation: Evaluation, keys: Iterable[str]) -> list[Prediction]:
    """Return the answers of a test, whose images have these keys; none where the answers were not kept.

    Raises ValueError for another number of keys.
    """
    answers = evaluation.answers
    if answers is None:
        return []
    columns = zip(keys, answers.labels, answers.predicted, answers.scores, strict=True)
    return [Prediction(*values) for values in columns]


def write_evaluated(
    evaluation_path: Path, predictions_path: Path, evaluation: Evaluation, keys: Iterable[str]
) -> None:
    """Write both documents of a test, only the evaluation where the other would be too large to be read.

    The predictions are removed first and written last: where they are, they are the evaluation's own. Raises
    StorageError.
    """
    text = "".join(_line(each) for each in predictions_of(evaluation, keys))
    with files.explained(predictions_path):
        predictions_path.unlink(missing_ok=True)
    files.write_json(evaluation_path, evaluation.to_json())
    if text and len(text) <= LARGE:  # ASCII: json.dumps escapes all else
        files.write_text(predictions_path, text)


def _line(each: Prediction) -> str:
    values = {"key": each.key, "label": each.label, "predicted": each.predicted, "score": each.score}
    return json.dumps(values) + "\n"


def read_predictions(path: Path, evaluation: Evaluation) -> dict[str, Prediction] | None:
    """Return the answers that an evaluation was made from, by key; None without a file.

    Raises UnreadableError where they are not those of the evaluation, and OSError.
    """
    if not path.exists():
        return None
    *lines, rest = read_bytes(path, LARGE).split(b"\n")
    if rest:
        raise UnreadableError("ends within a line")
    answers = parse_strictly(tuple[Prediction, ...], b"[" + b",".join(lines) + b"]")
    found = {each.key: each for each in answers}
    if len(found) != len(answers):
        raise UnreadableError("has a key twice")
    _check(found, evaluation)
    return found


def _check(found: PredictionsByKey, evaluation: Evaluation) -> None:
    """Raise UnreadableError for answers that would make another evaluation."""
    if len(found) != evaluation.images:
        raise UnreadableError(f"has {len(found)} images, and evaluation.json has {evaluation.images}")
    images, right = ([0] * len(evaluation.classes) for _ in range(2))
    for each in found.values():
        if max(each.label, each.predicted) >= len(images):
            raise UnreadableError("has a label that is none of evaluation.json's classes")
        images[each.label] += 1
        right[each.label] += each.is_right
    for found_of, all_of, hits in zip(evaluation.classes, images, right, strict=True):
        recall = found_of.recall or 0.0
        if found_of.images != all_of or (all_of and abs(recall - hits / all_of) > TOLERANCE):
            raise UnreadableError("is not what evaluation.json was made from")


def read_evaluated(evaluation_path: Path, predictions_path: Path) -> Evaluated | None:
    """Return both documents of a test; None where it was not made. Raises StorageError, naming the file."""
    with explained(evaluation_path):
        if not evaluation_path.exists():
            return None
        evaluation = read_evaluation(evaluation_path)
    with explained(predictions_path):
        return Evaluated(evaluation, read_predictions(predictions_path, evaluation))
