"""What the tables of causes are made of: what Caffe says, why, what to do, and the change of the spec."""

from dataclasses import dataclass

from ftjob.errors import FtjobError


@dataclass(frozen=True)
class FatalRule:
    """A fatal message of Caffe's.

    Its texts may have the pattern's groups, and what fatal.py knows besides: {net}, {layer}, {lmdb} and more.
    """

    pattern: str
    """Searched in the message and, below it, the functions of its stack trace, a line each."""
    kind: type[FtjobError]
    cause: str
    fix: str = ""
    patch: str = ""
    """YAML to lay over the spec, where a change of the spec is the remedy; ... is for its user to fill in."""
    within: int | None = None
    """It holds of so many first iterations of a training only, not while a net is made or used."""


@dataclass(frozen=True)
class Diagnosis:
    """Why a process ended, in the words of the tables."""

    kind: type[FtjobError]
    cause: str
    fix: str = ""
    patch: str = ""
    """YAML to lay over the spec; empty where no change of it helps."""
    seen: str = ""
    """What shows it: a line of the log without its stamp."""

    def error(self) -> FtjobError:
        """Return it as the one sentence of an error."""
        return self.kind(f"{self.cause}: {self.fix}" if self.fix else self.cause)


SMALLER_BATCH = (
    "data:\n  batch_size: ...   # half of it\nsolver:\n  iter_size: ...    # twice of it: the same result"
)
MEAN_OF_DATA = "data:\n  mean: auto"
NUM_OUTPUT_OF_DATA = "surgery:\n  num_output: auto"
