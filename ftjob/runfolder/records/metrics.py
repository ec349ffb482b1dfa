"""The lines of metrics/train.jsonl and metrics/test.jsonl."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ftjob.fs.documents import read_lines
from ftjob.runfolder.records.ranges import Images
from ftjob.runfolder.status import Count, Dollars, Moment, Number, Seconds, Share

MOST_LINES = 100_000
"""Lines of metrics held at once: more than a chart shows."""
T = TypeVar("T")


@dataclass(frozen=True)
class MetricLine:
    """The fields of both kinds of lines."""

    iteration: Count
    loss: Number | None
    seconds: Seconds


@dataclass(frozen=True)
class TrainLine:
    """One iteration: a line of metrics/train.jsonl."""

    iteration: Count
    loss: Number | None
    """None where it was no number."""
    learning_rate: Number | None
    seconds: Seconds
    outputs: dict[str, Number | None]
    """By the name of the blob."""
    waited: Seconds | None = None
    """Of `seconds`, what the engine waited for images; None where it does not know (Caffe)."""
    usd: Dollars | None = None
    """What the run had cost by then, over all attempts."""
    time: Moment | None = None
    """When it was recorded, in seconds since 1970; an engine reports several iterations at once."""


@dataclass(frozen=True, kw_only=True)
class TestLine:
    """One test: a line of metrics/test.jsonl."""

    iteration: Count
    accuracy: Share
    """Of the main head."""
    top5: Share | None
    loss: Number | None
    """None where it was no number."""
    heads: dict[str, Share]
    """The accuracy of every head, by layer name."""
    learning_rate: Number | None = None
    images: Images
    seconds: Seconds
    """What the test took."""
    time: Moment | None = None
    """When it ended, in seconds since 1970."""
    usd: Dollars | None = None
    """What the run had cost by then, over all attempts."""


def line_text(line: TrainLine | TestLine) -> str:
    """Return a line's text, with its newline."""
    return json.dumps(vars(line)) + "\n"


def read_train(path: Path) -> Iterator[TrainLine]:
    """Yield the lines of metrics/train.jsonl; none without a file. Raises UnreadableError, OSError."""
    return read_lines(TrainLine, path)


def read_tests(path: Path) -> Iterator[TestLine]:
    """Yield the lines of metrics/test.jsonl; none without a file. Raises UnreadableError, OSError."""
    return read_lines(TestLine, path)


def thinned(lines: Iterable[T], most: int = MOST_LINES) -> list[T]:
    """Return a regular sample of at most `most` (even) lines, the first among them."""
    kept: list[T] = []
    step = 1
    for index, line in enumerate(lines):
        if len(kept) == most:
            kept, step = kept[::2], 2 * step
        if index % step == 0:
            kept.append(line)
    return kept
