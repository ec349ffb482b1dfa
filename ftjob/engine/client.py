"""The Engine and DeployNet protocols over an engine in a process of its own: each call is a request."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ftjob.engine import Blobs, FeatureRows, Iteration, ShouldContinue, SnapshotFiles, Writing, always
from ftjob.engine.child import Child
from ftjob.engine.process.snapshotfile import field_numbers
from ftjob.engine.snapshot_write import ForkedWriting, sweep
from ftjob.errors import BadDataError, BadNetError, FtjobError, StorageError


class _Held:
    """A process that is closed; what solvers and deploy nets share."""

    def __init__(self, child: Child) -> None:
        self.child = child

    def close(self) -> None:
        self.child.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class ProcessEngine(_Held):
    """An Engine: see there."""

    def __init__(self, child: Child, patience_seconds: float | None, **snapshot: Any) -> None:
        """`snapshot` are the arguments of that command beside the directory."""
        super().__init__(child)
        child.be_patient(patience_seconds)
        self._snapshot = snapshot
        self._writing: ForkedWriting | None = None
        self._iteration = 0
        self._replayed = 0
        self._stepping = False

    @property
    def iteration(self) -> int:
        return self._iteration

    @property
    def replayed(self) -> int:
        return self._replayed

    def steps(self, iterations: int) -> Iterator[list[Iteration]]:
        self.settle()
        self.child.send("steps", iterations=iterations)
        self._stepping = True
        while self._stepping:
            if done := self._receive_steps():
                yield done

    def _receive_steps(self) -> list[Iteration]:
        reply, _ = self.child.receive()
        done = [
            Iteration(number, loss, dict(zip(reply["outputs"], outputs, strict=True)), rate, seconds, waited)
            for number, loss, outputs, rate, waited, seconds in reply["rows"]
        ]
        self._iteration += len(done)
        self._stepping = not reply["done"]
        return done

    def halt(self) -> None:
        if self._stepping:
            self.child.send("halt")

    def settle(self) -> None:
        """End steps whose iterator the caller abandoned."""
        self.halt()
        while self._stepping:
            self._receive_steps()

    def step(self, iterations: int) -> list[Iteration]:
        return [each for some in self.steps(iterations) for each in some]

    def test(self, images: int, blobs: Sequence[str], *, should_continue: ShouldContinue = always) -> Blobs:
        if images < 1:
            raise BadDataError("a test needs at least one image")
        self.settle()
        return self.child.call("test", should_continue=should_continue, images=images, blobs=list(blobs))[1]

    def kept_features(self) -> list[FeatureRows]:
        self.settle()
        reply, _ = self.child.call("kept_features")
        return [FeatureRows(Path(each.pop("path")), **each) for each in reply["files"]]

    def snapshot(self, directory: Path) -> SnapshotFiles:
        return self.begin_snapshot(directory).wait()

    def begin_snapshot(self, directory: Path) -> Writing:
        self.settle()
        self._finish_writing()
        directory = directory.absolute()
        try:
            reply, _ = self.child.call("snapshot", directory=str(directory), **self._snapshot)
        except StorageError as error:
            sweep(directory)
            raise StorageError(f"no snapshot could be written into {directory}: {error}") from error
        self._writing = ForkedWriting(directory, reply["iteration"], reply["pid"])
        return self._writing

    def _finish_writing(self) -> None:
        """Wait for the last snapshot; `Writing.wait` raises its failure."""
        if self._writing:
            with contextlib.suppress(StorageError):
                self._writing.wait()

    def close(self) -> None:
        self._finish_writing()
        super().close()

    def restore(
        self, solverstate: Path, caffemodel: Path, *, should_continue: ShouldContinue = always
    ) -> bool:
        state, model = whole_file(solverstate), whole_file(caffemodel)
        self.settle()
        reply, _ = self.child.call(
            "restore", should_continue=should_continue, solverstate=state, caffemodel=model
        )
        self._iteration, self._replayed = int(reply["iteration"]), int(reply["replayed"])
        return bool(reply["whole"])


class ProcessDeployNet(_Held):
    """A DeployNet: see there."""

    def forward(
        self, images: NDArray[np.float32], blobs: Sequence[str], *, at_once: int | None = None
    ) -> Blobs:
        if not len(images):
            raise BadDataError("there is no image to classify")
        arrays = {"images": np.asarray(images, np.float32)}
        return self.child.call("forward", arrays, blobs=list(blobs), at_once=at_once)[1]


def existing_file(path: Path) -> str:
    """Return a file's absolute path. Raises BadNetError where there is none."""
    if not path.is_file():
        raise BadNetError(f"there is no file {path}")
    return str(path.absolute())


def whole_file(path: Path) -> str:
    """Return the path of a whole protobuf file; Caffe itself would read an empty one as no weights."""
    text = existing_file(path)
    try:
        whole = path.suffix == ".h5" or bool(field_numbers(path))
    except ValueError:
        whole = False
    if not whole:
        raise BadNetError(f"{path} is empty, cut off or not a file of Caffe's: fetch it again")
    return text


def text_of(path: Path, kind: type[FtjobError]) -> str:
    """Return a file's text, or raise that kind of error."""
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise kind(f"{path} cannot be read: {error}") from error


@contextlib.contextmanager
def closing_on_error(child: Child) -> Iterator[None]:
    """End the process where opening a net in it fails."""
    try:
        yield
    except BaseException:
        child.close()
        raise
