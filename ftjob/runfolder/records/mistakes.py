"""mistakes.json: the surest wrong answers of a net, with small pictures of the images."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from annotated_types import Len, MaxLen

from ftjob.fs import files
from ftjob.fs.documents import read_strictly
from ftjob.runfolder.status import Count, Share

MOST = 24
"""Mistakes kept: what fits on a screen."""
LONGEST_PICTURE = 32_768
"""Letters of a picture; ftjob's own have some 5,000."""


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A validation image that was given a wrong label."""

    key: str
    """Of the record in its LMDB."""
    label: Count
    predicted: Count
    score: Share
    """The probability of `predicted`."""
    picture: Annotated[str, MaxLen(LONGEST_PICTURE)] | None
    """A JPEG in base64; None where the record could not be read."""


@dataclass(frozen=True, kw_only=True)
class Mistakes:
    """mistakes.json, the surest mistake first."""

    mistakes: Annotated[tuple[Mistake, ...], Len(0, MOST)]


def mistakes_json(mistakes: Sequence[Mistake]) -> bytes:
    """Return the bytes of mistakes.json."""
    return files.json_text(asdict(Mistakes(mistakes=tuple(mistakes)))).encode()


def read_mistakes(path: Path) -> tuple[Mistake, ...]:
    """Return what is in mistakes.json, nothing where there is none. Raises UnreadableError, OSError."""
    return read_strictly(Mistakes, path).mistakes if path.exists() else ()
