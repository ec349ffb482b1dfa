"""manifest.json: what a built dataset holds and what it was made from. Written last, it makes OUT whole."""

import hashlib
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftjob.dataset.build_options import BuildOptions
from ftjob.errors import BadDataError, BadSpecError
from ftjob.fs import documents
from jobspec.problems import one_line

if TYPE_CHECKING:
    from ftjob.dataset.journal import JournalLine

FORMAT = 1
UNREADABLE_SHOWN = 20
"""Unreadable images the manifest names; sources.jsonl has them all."""


@dataclass(frozen=True)
class SplitCounts:
    """One LMDB."""

    records: int
    bytes: int
    """Size of data.mdb."""
    histogram: tuple[int, ...]
    """Records per label."""
    digest: str
    """sha256 over what made the records: options, library versions, each key, label and source."""


@dataclass(frozen=True)
class Manifest:
    """The contents of manifest.json."""

    sources: dict[str, str]
    """Where the images of train and val lay."""
    options: dict[str, Any]
    """BuildOptions: the exact preprocessing, the split and the seed."""
    made_with: dict[str, str]
    """Versions of what decoded and resized."""
    labels: tuple[str, ...]
    plan: str
    """Digest of all that decided the records: the same again is not built again."""
    splits: dict[str, SplitCounts]
    """train, and val where there is one."""
    mean: tuple[float, ...]
    """Per channel (BGR), over all pixels of train."""
    notes: dict[str, int]
    """Images out of the ordinary, by what they were."""
    unreadable: int
    unreadable_first: tuple[str, ...]
    """`path: why` of the first of them; sources.jsonl has all."""
    warnings: tuple[str, ...] = ()
    """What is allowed but probably not what was meant, a sentence each."""
    reused: int = field(compare=False, default=0)
    """Records reused from the previous build."""
    seconds: float = field(compare=False, default=0.0)
    format: int = FORMAT

    def to_json(self) -> dict[str, Any]:
        """Return the values of manifest.json."""
        return asdict(self)


def read_manifest(path: Path) -> Manifest:
    """Read a manifest.json. Raises BadDataError where it is not one."""
    try:
        return _from_json(documents.read_json(path, documents.LARGE))
    except OSError as error:
        raise BadDataError(f"{path}: cannot be read ({error.strerror}): build the dataset again") from error
    except documents.UnreadableError as error:
        raise BadDataError(f"{path}: {error}: build the dataset again") from None
    except (ValueError, KeyError, TypeError, AttributeError, BadSpecError) as error:
        why = one_line(str(error))
        raise BadDataError(f"{path}: is not a manifest of ftjob ({why}): build the dataset again") from error


def _from_json(values: dict[str, Any]) -> Manifest:
    """By hand, since names in it may be of bytes that are no UTF-8, which pydantic refuses.

    Raises TypeError, KeyError, AttributeError and BadSpecError for what no build wrote.
    """
    splits = {
        name: SplitCounts(**{**counts, "histogram": tuple(counts["histogram"])})
        for name, counts in values["splits"].items()
    }
    tuples = {name: tuple(values[name]) for name in ("labels", "mean", "unreadable_first")}
    tuples["warnings"] = tuple(values.get("warnings", ()))  # which an older ftjob did not write
    made = Manifest(**{**values, **tuples, "splits": splits})
    BuildOptions(**made.options)
    _check_types(str, "text", made.plan, *made.labels, *made.unreadable_first, *made.warnings)
    _check_types(str, "text", *made.sources.values(), *made.made_with.values())
    _check_types(int, "a whole number", made.format, made.reused, made.unreadable, *made.notes.values())
    _check_types((int, float), "a number", made.seconds, *made.mean)
    for counts in splits.values():
        _check_types(int, "a whole number", counts.records, counts.bytes, *counts.histogram)
        _check_types(str, "text", counts.digest)
    return made


def _check_types(kinds: type | tuple[type, ...], what: str, *values: object) -> None:
    if not all(isinstance(value, kinds) and not isinstance(value, bool) for value in values):
        raise TypeError(f"something in it is not {what}")


class Tally:
    """Counts the lines of a build as they come, in order."""

    def __init__(self, classes: int, seed: bytes) -> None:
        self.notes: Counter[str] = Counter()
        self.unreadable = 0
        self.unreadable_first: list[str] = []
        self._classes, self._seed = classes, seed
        self._counts: dict[str, list[int]] = {}
        self._digests: dict[str, hashlib._Hash] = {}

    def add(self, line: "JournalLine") -> None:
        if line.error:
            self.unreadable += 1
            if self.unreadable <= UNREADABLE_SHOWN:
                self.unreadable_first.append(f"{line.source}: {line.error}")
            return
        self.notes.update(line.notes)
        counts = self._counts.setdefault(line.split, [0] * self._classes)
        counts[line.label] += 1
        digest = self._digests.setdefault(line.split, hashlib.sha256(self._seed))
        digest.update(f"{line.key} {line.label} {line.sha256}\n".encode(errors="surrogateescape"))

    def counts(self, split: str, size: int) -> SplitCounts:
        """Return what was counted for a split whose data.mdb has that many bytes."""
        counts = self._counts.get(split, [0] * self._classes)
        digest = self._digests.get(split, hashlib.sha256(self._seed))
        return SplitCounts(sum(counts), size, tuple(counts), digest.hexdigest())
