"""What a run's folder holds beside its status, as schemas for who reads it back.

A document is handed on as the plain values that it has: the models are strict, so nothing is converted.
Fields that are not named here are passed over.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ftjob.documents import LARGE, UnreadableError, checked_as, parse_json, read_bytes, read_lines
from ftjob.status import Count, Number, Seconds, Share

Images = Annotated[int, Field(ge=0, le=2**40)]
Amount = Annotated[float, Field(ge=0, le=1e15)]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}$")]
"""Of a file in the very folder."""
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
MOST_LINES = 100_000
"""Of metrics, that are held at once: more than a picture shows."""


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", use_attribute_docstrings=True)


class Line(_Part):
    """What both metrics have in a line."""

    iteration: Count
    loss: Number | None
    """None where it was no number."""
    seconds: Seconds


class TrainLine(Line):
    """A line of metrics/train.jsonl."""

    learning_rate: Number | None
    outputs: dict[str, Number | None]


class TestLine(Line):
    """A line of metrics/test.jsonl."""

    accuracy: Share
    top5: Share | None
    heads: dict[str, Share]
    learning_rate: Number | None = None
    images: Images


class _Class(_Part):
    label: Count
    name: str
    images: Images
    recall: Share | None
    precision: Share | None


class _Cells(_Part):
    """A confusion matrix without what is 0 in it."""

    classes: Count
    cells: list[Annotated[list[Images], Field(min_length=3, max_length=3)]]
    """[label, predicted, images]."""


class Evaluation(_Part):
    """evaluation.json."""

    iteration: Count
    images: Images
    accuracy: Share
    top5: Share | None
    loss: Number | None
    heads: dict[str, Share]
    classes: Annotated[list[_Class], Field(min_length=1)]
    confusion: list[list[Images]] | _Cells

    @model_validator(mode="after")
    def _holds(self) -> Self:
        count = len(self.classes)
        if any(each.label != label for label, each in enumerate(self.classes)):
            raise ValueError("classes are not numbered from 0")
        if not _is_square(self.confusion, count):
            raise ValueError("confusion has not one row and one column for each class")
        return self


def _is_square(confusion: list[list[int]] | _Cells, count: int) -> bool:
    """Return whether a confusion matrix is one of that many classes."""
    if isinstance(confusion, _Cells):
        labels = (label for cell in confusion.cells for label in cell[:2])
        return confusion.classes == count and all(label < count for label in labels)
    return len(confusion) == count and all(len(row) == count for row in confusion)


class _File(_Part):
    sha256: Digest
    bytes: Annotated[int, Field(ge=1, le=2**50)]


class SnapshotRecord(_Part):
    """snapshots/iter_N.json."""

    iteration: Count
    files: dict[FileName, _File]
    evaluation: Evaluation | None


class _Base(_Part):
    net: str
    net_digest: str | None
    weights: str | None
    weights_digest: str | None
    mean_digest: str | None


class _Data(_Part):
    records: Images
    shape: Annotated[list[Count], Field(min_length=3, max_length=3)]
    histogram: dict[str, Images]
    digest: str | None


class _Head(_Part):
    layer: str
    main: bool


class _Layer(_Part):
    layer: str
    type: str
    kind: str
    shapes: list[list[Count]]
    parameters: Images
    remark: str


class _Engine(_Part):
    name: str
    why: str


class _Node(_Part):
    name: str
    gpu: str


class _Parameters(_Part):
    total: Images
    trainable: Images
    frozen: Images


class _Cost(_Part):
    total_seconds: Amount
    usd: Amount


class Plan(_Part):
    """Of plan.json, what is read back: by a report, and by a worker that looks whether its inputs changed."""

    base: _Base
    labels: list[str]
    train: _Data
    val: _Data
    mean: list[Number] | None
    mean_file: str | None
    heads: list[_Head]
    frozen: list[str]
    transfer: list[_Layer]
    max_iter: Count
    images_per_iteration: Count
    epochs: Amount
    node: _Node
    engine: _Engine
    parameters: _Parameters
    cost: _Cost


def read_plan(path: Path) -> dict[str, Any]:
    """Return plan.json's values. Raises UnreadableError, OSError."""
    return _read(Plan, path)


def read_evaluation(path: Path) -> dict[str, Any]:
    """Return evaluation.json's values. Raises UnreadableError, OSError."""
    return _read(Evaluation, path)


def parse_snapshot(data: bytes) -> dict[str, Any]:
    """Return the values of a snapshot's record. Raises UnreadableError."""
    return _checked(SnapshotRecord, data)


def read_train(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of metrics/train.jsonl; none without a file. Raises UnreadableError, OSError."""
    return read_lines(TrainLine, path)


def read_tests(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of metrics/test.jsonl; none without a file. Raises UnreadableError, OSError."""
    return read_lines(TestLine, path)


def thinned(lines: Iterable[dict[str, Any]], most: int = MOST_LINES) -> list[dict[str, Any]]:
    """Return lines evenly taken from however many there are: at most `most` (even), the first among them."""
    kept: list[dict[str, Any]] = []
    step = 1
    for index, line in enumerate(lines):
        if len(kept) == most:
            kept, step = kept[::2], 2 * step
        if index % step == 0:
            kept.append(line)
    return kept


def _read(model: type[BaseModel], path: Path) -> dict[str, Any]:
    return _checked(model, read_bytes(path, LARGE))


def _checked(model: type[BaseModel], data: bytes) -> dict[str, Any]:
    values = parse_json(data)
    checked_as(model, values)
    if not isinstance(values, dict):
        raise UnreadableError("is no object")
    return values
