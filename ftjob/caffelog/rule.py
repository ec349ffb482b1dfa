"""The rows of the tables of causes: Caffe's message, its cause, the fix and the change to the spec."""

from dataclasses import dataclass

from ftjob.errors import FtjobError


@dataclass(frozen=True)
class FatalRule:
    """A fatal message of Caffe's.

    Its texts may have the pattern's groups, and what fatal.py knows besides: {net}, {layer}, {lmdb} and more.
    """

    pattern: str
    """Searched in the message and, below it, the functions of its stack trace, a line each, Caffe's
    source file and line, and what protobuf wrote of a file that is too large."""
    kind: type[FtjobError]
    cause: str
    fix: str = ""
    patch: str = ""
    """YAML to merge into the spec, where that fixes it; the user fills in each `...`."""
    within: int | None = None
    """Applies only within this many first iterations of a training, not while a net is set up or used."""


@dataclass(frozen=True)
class Diagnosis:
    """Why a process ended, as the tables explain it."""

    kind: type[FtjobError]
    cause: str
    fix: str = ""
    patch: str = ""
    """YAML to merge into the spec; empty where no change to it helps."""
    seen: str = ""
    """The evidence: a line of the log without its stamp."""

    def error(self) -> FtjobError:
        """Return the error with cause and fix in one sentence."""
        return self.kind(f"{self.cause}: {self.fix}" if self.fix else self.cause)


SMALLER_BATCH = (
    "data:\n  batch_size: ...   # half of it\nsolver:\n  iter_size: ...    # twice of it: the same result"
)
MEAN_OF_DATA = "data:\n  mean: auto"
NUM_OUTPUT_OF_DATA = "surgery:\n  num_output: auto"
