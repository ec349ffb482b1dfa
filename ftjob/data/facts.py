"""What is known of a dataset before training: plain values, no images."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Lmdb:
    """An LMDB on this machine."""

    path: Path
    location: str
    """What people call it: its path, or the URI it was fetched from."""


@dataclass(frozen=True)
class DatasetFacts:
    """One LMDB of Datum."""

    location: str
    """The LMDB's folder (it holds data.mdb) as people name it: a path or a URI."""
    records: int
    channels: int
    height: int
    width: int
    """Of the first record; `encoded` records may differ, which `ftjob data check` says."""
    histogram: Mapping[int, int]
    """label → number of records, in label order."""
    encoded: bool
    digest: str
    """sha256 (hex) of what it holds: from the manifest beside it where ftjob built it, else of data.mdb."""
    labels: tuple[str, ...]
    """Class names by label, from labels.txt beside it; empty where there is none."""
    mean: tuple[float, ...]
    """Mean per channel over all pixels (BGR), from the manifest beside it; empty where there is none."""
    resize_mode: str = "squash"
    """How the images came to be of one size (DIGITS' names), from the manifest; else squash."""
    local: Path | None = None
    """The LMDB's folder on this machine; None where a manifest told all, and it has not been fetched."""

    @property
    def path(self) -> Path:
        """The LMDB's folder on this machine, of one that is going to be read."""
        assert self.local is not None, f"{self.location} was planned with, not fetched"
        return self.local

    @property
    def lmdb(self) -> Lmdb:
        """The LMDB on this machine, with its name."""
        return Lmdb(self.path, self.location)

    @property
    def source(self) -> str:
        """What a data layer is told: the path where there is one, else the URI."""
        return str(self.local or self.location)
