"""Every name inside a built dataset."""

from dataclasses import dataclass
from pathlib import Path

TRAIN, VAL = "train", "val"
SPLITS = (TRAIN, VAL)
DATA_FILE = "data.mdb"


@dataclass(frozen=True)
class DatasetFolder:
    """OUT of `ftjob data build`. It is whole when manifest.json is there."""

    root: Path

    @property
    def labels(self) -> Path:
        """One class name per line, in label order."""
        return self.root / "labels.txt"

    @property
    def mean(self) -> Path:
        """The mean image of train, Caffe's BlobProto."""
        return self.root / "mean.binaryproto"

    @property
    def sources(self) -> Path:
        """A JSON line per image: where it went, its digests, what was out of the ordinary."""
        return self.root / "sources.jsonl"

    @property
    def manifest(self) -> Path:
        return self.root / "manifest.json"

    @property
    def checkpoint(self) -> Path:
        """How far the build is, while it is not whole."""
        return self.root / "checkpoint.npz"

    @property
    def plan(self) -> Path:
        """Which build it is, while it is not whole."""
        return self.root / "plan.txt"

    @property
    def stage(self) -> "DatasetFolder":
        """Where a build grows."""
        return DatasetFolder(self.root / ".partial")

    @property
    def lock(self) -> Path:
        return self.root / ".lock"

    def split(self, name: str) -> Path:
        """The LMDB's folder of train or val."""
        return self.root / name

    @property
    def is_whole(self) -> bool:
        return self.manifest.is_file()
