"""acceptance.json: what a spec's `accept` requires of a run, and what was reached."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from ftjob.fs import files
from ftjob.fs.documents import read_strictly
from ftjob.runfolder.records.ranges import Images
from ftjob.runfolder.status import Share


class Verdict(StrEnum):
    """How a run stands to an earlier one, by the 95 % interval of the difference of their accuracies."""

    BETTER = "better"
    """All of the interval is above 0."""
    SAME = "same"
    """0 is in the interval: the images do not show which is better."""
    WORSE = "worse"
    """All of the interval is below 0."""

    @classmethod
    def by(cls, low: float, high: float) -> "Verdict":
        """Return the verdict of an interval."""
        return cls.BETTER if low > 0 else cls.WORSE if high < 0 else cls.SAME


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """One requirement, and whether it was met."""

    field: str
    """Of the spec, such as accept.accuracy."""
    met: bool
    message: str
    """The field, what is required and what was reached, in a sentence."""
    verdict: str | None = None
    """Against an earlier run: better, same or worse."""


@dataclass(frozen=True, kw_only=True)
class Acceptance:
    """acceptance.json."""

    on: str | None
    """The dataset, where it is not data.val."""
    images: Images
    accuracy: Share
    requirements: tuple[Requirement, ...]

    @property
    def is_met(self) -> bool:
        return all(each.met for each in self.requirements)

    @property
    def failures(self) -> str:
        """What was not met, in one line; empty where all was."""
        return "; ".join(each.message for each in self.requirements if not each.met)

    def to_json(self) -> dict[str, Any]:
        """Return the values of acceptance.json."""
        return {**asdict(self), "met": self.is_met}


def read_acceptance(path: Path) -> Acceptance:
    """Return acceptance.json. Raises UnreadableError, OSError."""
    return read_strictly(Acceptance, path)


def write_acceptance(path: Path, acceptance: Acceptance) -> None:
    """Write acceptance.json. Raises StorageError."""
    files.write_json(path, acceptance.to_json())
