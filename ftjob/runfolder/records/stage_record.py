"""stages/<id>/stage.json: the record that makes a stage complete."""

from dataclasses import asdict, dataclass
from pathlib import Path

from ftjob.fs import files
from ftjob.fs.documents import parse_strictly
from ftjob.runfolder.status import Count, Dollars, Seconds, Share


@dataclass(frozen=True, kw_only=True)
class StageRecord:
    """What an earlier stage of a run came to; written last."""

    run_id: str
    """The stage's id."""
    snapshot: Count
    """The iteration of its best snapshot, with which the next stage begins."""
    iteration: Count
    """How far it was trained."""
    max_iter: Count
    accuracy: Share
    """Of the best snapshot, on the stage's own validation data."""
    reason: str
    """Completed, Plateau, or BudgetReached where its share of the budget ended it."""
    seconds: Seconds
    usd: Dollars
    """What this run paid for it: nothing where it was copied."""
    reused_from: str = ""
    """The run that trained it, where that was another one: its id, NAME/ID where its name is another too."""


def parse_stage(data: bytes) -> StageRecord:
    """Return a stage's record. Raises UnreadableError."""
    return parse_strictly(StageRecord, data)


def write_stage(path: Path, record: StageRecord) -> None:
    """Write a stage's record. Raises StorageError."""
    files.write_json(path, asdict(record))
