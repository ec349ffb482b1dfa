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
class ImageSize:
    """The image of one record."""

    key: str
    height: int
    width: int

    @property
    def side(self) -> int:
        """The shorter one."""
        return min(self.height, self.width)

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


@dataclass(frozen=True)
class OtherSizes:
    """The images that are not of the first one's size."""

    records: int
    first: ImageSize
    smallest: ImageSize
    """Of all images, the one with the shortest side."""


@dataclass(frozen=True)
class LongRuns:
    """Records of one label in a row, more of them than a shuffled order has (ftjob.dataset.shuffled)."""

    records: int
    """In all such runs."""
    longest: int
    label: int
    key: str
    """Of the longest run, and of its first record."""


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What the records of one LMDB are."""

    records: int
    channels: int
    height: int
    width: int
    """Of the first record."""
    histogram: Mapping[int, int]
    """label → number of records, in label order."""
    encoded: bool
    """Whether the first record is a JPEG or PNG."""
    others: OtherSizes | None = None
    """None where all images have one size."""
    long_runs: LongRuns | None = None
    """None where the labels change as they do in a shuffled order."""

    @property
    def size(self) -> ImageSize:
        """Of the first image, whose key is not known."""
        return ImageSize("", self.height, self.width)

    @property
    def smallest(self) -> ImageSize:
        """The image with the shortest side; without a key where all are of one size."""
        return self.others.smallest if self.others else self.size


@dataclass(frozen=True, kw_only=True)
class DatasetFacts(Contents):
    """One LMDB of Datum."""

    location: str
    """The LMDB's folder (it holds data.mdb) as people name it: a path or a URI."""
    digest: str
    """sha256 (hex) of what it holds: from the manifest beside it where ftjob built it, else of data.mdb."""
    labels: tuple[str, ...]
    """Class names by label, from labels.txt beside it; empty where there is none."""
    mean: tuple[float, ...]
    """Mean per channel over all pixels (BGR), from the manifest beside it; empty where there is none."""
    resize_mode: str = "squash"
    """How the images came to be of one size (DIGITS' names), from the manifest; else squash."""
    face_crop: bool = False
    """Whether each image is a face that was cut out of a picture, from the manifest."""
    size_bytes: int = 0
    """Of its data.mdb."""
    local: Path | None = None
    """The LMDB's folder on this machine; None where the manifest sufficed and it was not fetched."""

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
        """The source of a data layer: the path where there is one, else the URI."""
        return str(self.local or self.location)
