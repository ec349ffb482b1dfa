"""The interface of ftjob to its training engines: Caffe's verbs, arrays in, arrays out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

Blobs = dict[str, NDArray[np.float32]]
ShouldContinue = Callable[[float], bool]
"""Called several times a second with the share that is done; False ends the operation early."""


def always(_share: float) -> bool:
    """Let the operation run to its end."""
    return True


@dataclass(frozen=True)
class Iteration:
    """What one iteration of the solver showed."""

    iteration: int
    """Updates done when it ended: the first one is 1, as in the names of Caffe's snapshots."""
    loss: float
    """The weighted sum of all losses, averaged over iter_size."""
    outputs: Mapping[str, float]
    """The TRAIN net's scalar output blobs by name (of the last of the iter_size passes), unweighted."""
    learning_rate: float
    """The rate this update was made with."""
    seconds: float
    waited: float | None = None
    """Of these seconds, what was spent waiting for images; None where the engine does not know (Caffe)."""


@dataclass(frozen=True)
class SnapshotFiles:
    """The two files of a Caffe snapshot, complete on disk."""

    iteration: int
    caffemodel: Path
    solverstate: Path


@dataclass(frozen=True)
class Features:
    """Where an engine may keep what a frozen trunk makes of images, to compute it once."""

    folder: Path
    limit: int
    """Bytes that all files there may have together."""
    digests: Mapping[str, str]
    """The digest of an LMDB by the source of its Data layer; of others no features are kept."""


@dataclass(frozen=True)
class FeatureRows:
    """A file in which an engine keeps the features of one LMDB, a row for each image or its mirrored copy."""

    path: Path
    """Its name is a digest of all that the features depend on."""
    floats: int
    """Numbers in a row."""
    rows: int
    """How many the file has when all are there."""
    is_test: bool
    """Whether they are those of the TEST net."""


class Writing(Protocol):
    """A snapshot that is being written while the engine continues."""

    def wait(self) -> SnapshotFiles:
        """Return its files once they are whole. Raises StorageError where they could not be written; nothing
        half-written is left then."""
        ...


class Process(Protocol):
    """Something that may live in another process, and must be closed."""

    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Engine(Process, Protocol):
    """A solver with its TRAIN net and TEST net, as Caffe's Solver. Every method raises EngineError when the
    engine died (with its last log lines), EngineSilentError when it hung and was killed, BadNetError where
    the net or weights are at fault and BadDataError where the data is."""

    @property
    def iteration(self) -> int:
        """Updates done so far."""
        ...

    @property
    def replayed(self) -> int:
        """Batches of TRAIN that `restore` drew again, to bring the data layer where it was."""
        ...

    def steps(self, iterations: int) -> Iterator[list[Iteration]]:
        """Do that many updates, and yield them as they are made: all of some 0.2 s, or each where one takes
        longer. The engine continues while the caller handles them. After `halt`, too, every update that was
        made is yielded. Never tests, never snapshots by itself."""
        ...

    def halt(self) -> None:
        """End `steps` after the update in progress."""
        ...

    def step(self, iterations: int) -> list[Iteration]:
        """Do that many updates, and return them together."""
        ...

    def test(self, images: int, blobs: Sequence[str], *, should_continue: ShouldContinue = always) -> Blobs:
        """Run the TEST net over that many records of its data and return the named blobs.

        Shapes: (images, ...) for a blob with a batch axis; a scalar blob gives (batches,). The TEST data
        layer cycles through its LMDB, so N records in a row are each of its N records once: request the size
        of the dataset and every record counts exactly once, whatever the batch size.
        Where `should_continue` ends it early, the rows of the batches that were run are returned.
        """
        ...

    def kept_features(self) -> list[FeatureRows]:
        """Return where features are kept with the weights as they are now; nothing where none are."""
        ...

    def snapshot(self, directory: Path) -> SnapshotFiles:
        """Write `iter_<N>.caffemodel` and `iter_<N>.solverstate` into a directory.

        Under temporary names, on disk (fsync), then renamed. Raises StorageError where the disk is full;
        nothing half-written is left.
        """
        ...

    def begin_snapshot(self, directory: Path) -> Writing:
        """Take a snapshot of this moment; where it can, the engine continues while the files are written.

        Waits for the one before. Raises StorageError where there is no room for the files.
        """
        ...

    def restore(
        self, solverstate: Path, caffemodel: Path, *, should_continue: ShouldContinue = always
    ) -> bool:
        """Resume from a snapshot: restore iteration, momentum and weights, wherever the two files lie now,
        and advance the data layer by as many batches as the earlier iterations consumed.

        Return False where `should_continue` ended that early: the engine can still test then, but must not
        train.
        """
        ...


class DeployNet(Process, Protocol):
    """A deploy net with weights, for classifying."""

    def forward(
        self, images: NDArray[np.float32], blobs: Sequence[str], *, at_once: int | None = None
    ) -> Blobs:
        """Forward images of shape (N, C, H, W), any N, already preprocessed; return blobs (N, ...).

        `at_once` images go through the net together; None: the prototxt's batch size.
        """
        ...
