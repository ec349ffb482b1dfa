"""snapshots/iter_N.json: the record that makes two files a snapshot."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Interval

from ftjob.fs import files
from ftjob.fs.documents import parse_strictly
from ftjob.runfolder.records.evaluation import Evaluation
from ftjob.runfolder.records.ranges import Images
from ftjob.runfolder.status import Count

_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}")
"""Of a file in the very folder."""
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class SnapshotFile:
    """What a file of a snapshot must be."""

    sha256: str
    bytes: Annotated[int, Interval(ge=1, le=2**50)]

    def __post_init__(self) -> None:
        if not _SHA256.fullmatch(self.sha256):
            raise ValueError("sha256 is no digest")


@dataclass(frozen=True, kw_only=True)
class SnapshotRecord:
    """snapshots/iter_N.json."""

    iteration: Count
    images_seen: Images | None = None
    files: dict[str, SnapshotFile]
    """The caffemodel and the solverstate, by name."""
    evaluation: Evaluation | None
    """Of the test at this very iteration; None where there was none."""

    def __post_init__(self) -> None:
        if not all(map(_FILE_NAME.fullmatch, self.files)):
            raise ValueError("files are not in the record's own folder")


def parse_snapshot(data: bytes) -> SnapshotRecord:
    """Return a snapshot's record. Raises UnreadableError."""
    return parse_strictly(SnapshotRecord, data)


def write_snapshot(path: Path, record: SnapshotRecord) -> None:
    """Write a snapshot's record. Raises StorageError."""
    values = {
        **vars(record),
        "files": {name: vars(file) for name, file in record.files.items()},
        "evaluation": _evaluation_json(record.evaluation) if record.evaluation else None,
    }
    files.write_json(path, values)


def _evaluation_json(evaluation: Evaluation) -> dict[str, Any]:
    answers = evaluation.answers
    return {**evaluation.to_json(), "answers": vars(answers) if answers else None}
