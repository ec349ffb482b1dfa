"""A snapshot that a fork of the engine is writing, as its parent watches it."""

import json
import os
import select
import signal
import threading
from pathlib import Path

from ftjob.engine import SnapshotFiles
from ftjob.engine.process.snapshotfile import PARTIAL, answer_name
from ftjob.errors import StorageError

PATIENCE_SECONDS = 1800.0
"""After that a writer counts as stuck and is killed: a slow disk writes 100 GB meanwhile."""


class ForkedWriting:
    """A Writing: see there. Several threads may wait for it, any number of times.

    A fork may write a snapshot because its memory is the solver's at that moment, and stays so: the training
    that continues changes pages of its own process only. What a fork lacks are the other threads, and with
    them whoever would release a lock; engine/process/writer.py has the answer to that. A GPU's memory is not
    copied: Caffe writes the files itself there, and PyTorch brings its numbers to the host before the fork.
    """

    def __init__(self, directory: Path, iteration: int, pid: int | None) -> None:
        """`pid` is the writer's; None where the files are whole already."""
        stem = directory / f"iter_{iteration}"
        self._directory = directory
        self._files = SnapshotFiles(
            iteration, stem.with_suffix(".caffemodel"), stem.with_suffix(".solverstate")
        )
        self._lock = threading.Lock()
        self._error: str | None = None if pid else ""
        self._process = os.pidfd_open(pid) if pid else -1

    def wait(self) -> SnapshotFiles:
        with self._lock:
            if self._error is None:
                self._error = self._watch()
                sweep(self._directory)
        if self._error:
            raise StorageError(f"no snapshot could be written into {self._directory}: {self._error}")
        return self._files

    def kill(self) -> None:
        """End the writer."""
        signal.pidfd_send_signal(self._process, signal.SIGKILL)

    def _watch(self) -> str:
        """Wait for the writer to end; return what went wrong, or an empty text."""
        try:
            ended = select.select([self._process], [], [], PATIENCE_SECONDS)[0]
            if not ended:
                self.kill()
                return f"its writer did not finish in {PATIENCE_SECONDS:.0f} s: is the disk stuck?"
        finally:
            os.close(self._process)
        try:
            answer = (self._directory / answer_name(self._files.iteration)).read_text(encoding="utf-8")
            return str(json.loads(answer)["error"])
        except (OSError, ValueError):
            return "its writer died, as Caffe does when the disk is full: make room and submit again"


def sweep(directory: Path) -> None:
    """Remove the partial files of a writer."""
    for left in directory.glob(f"{PARTIAL}_iter_*"):
        left.unlink()
