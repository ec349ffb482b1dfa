"""A snapshot's two files: written by a copy of the engine's process, whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import select
import signal
from pathlib import Path
from typing import Callable, List

from ftjob.engine.process import parent, snapshotfile

PATIENCE = (1, 2, 4, 8, 16)
"""Seconds that one copy after the other has to show that it can go on."""


class StorageError(Exception):
    """A snapshot could not be written; named as in ftjob.errors, see serving.py."""


class Writer:
    """Writes the snapshots of one solver, one at a time."""

    def __init__(
        self, parameters: int, states: int, layers: int, rehearse: Callable[[], object] = lambda: None
    ) -> None:
        """The net's numbers, how many the solver keeps for each (its history), and the net's layers.

        `rehearse` takes the locks that `save` will take and that other threads may hold.
        """
        self.parameters, self.states, self.layers = parameters, states, layers
        self.rehearse = rehearse
        self.pid = os.getpid()
        self.writer = 0
        """The process that writes the last snapshot, or wrote it; 0 where there is none to wait for."""

    def write(self, directory: str, iteration: int, save: Callable[[Path, int], None], apart: bool) -> int:
        """Have `save(folder, its descriptor)` write both files under temporary names, then make them whole.

        With `apart` a copy of this process does it, which shares the memory as it is now, while this one goes
        on: its id is returned, else 0. Its answer is a file, the last thing it writes.
        """
        folder = Path(directory)
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._check_space(fd)
            if not apart:
                self._write(folder, fd, iteration, save)
                return 0
            self._reap()
            self.writer = self._copy(lambda: self._write_apart(folder, fd, iteration, save))
            return self.writer
        finally:
            os.close(fd)

    def _copy(self, work: Callable[[], None]) -> int:
        """Have a copy of this process do the work and end; return its id.

        A lock that another thread holds at the moment of the fork stays locked in the copy for good, since
        that thread is not in it. So a copy rehearses first, and gives way to another if it hangs there.
        """
        for seconds in PATIENCE:
            read_end, write_end = os.pipe()
            pid = os.fork()
            if not pid:
                try:
                    parent.die_with(self.pid)
                    self.rehearse()
                    os.close(write_end)
                    work()
                finally:
                    os._exit(0)
            os.close(write_end)
            ready, _, _ = select.select([read_end], [], [], seconds)
            os.close(read_end)
            if ready:
                return pid
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        raise StorageError("copies of the engine's process hang")

    def _reap(self) -> None:
        """Let go of the last writer, which has ended: its answer was waited for."""
        if self.writer:
            os.waitpid(self.writer, 0)
            self.writer = 0

    def _write_apart(self, folder: Path, fd: int, iteration: int, save: Callable[[Path, int], None]) -> None:
        """In the copy of this process: write, and leave the answer."""
        error = ""
        try:
            self._write(folder, fd, iteration, save)
        except (StorageError, OSError) as failure:
            full = isinstance(failure, OSError) and failure.errno == errno.ENOSPC
            error = "the disk is full" if full else str(failure)
        (folder / snapshotfile.answer_name(iteration)).write_text(json.dumps({"error": error}))

    def _write(self, folder: Path, fd: int, iteration: int, save: Callable[[Path, int], None]) -> None:
        save(folder, fd)
        self._finish(folder, iteration)
        os.fsync(fd)

    def _check_space(self, fd: int) -> None:
        """Refuse where the files would not fit: Caffe's own way to say so is to end the process."""
        needed = 4 * self.parameters * (1 + self.states) * 1.01 + 200000
        disk = os.fstatvfs(fd)
        free = disk.f_bavail * disk.f_frsize
        if free < needed:
            raise StorageError("it needs %.1f MB and %.1f MB are free" % (needed / 1e6, free / 1e6))

    def _finish(self, folder: Path, iteration: int) -> None:
        """Check, sync and rename what was written: the weights first, then the state that names them."""
        for kind in ("caffemodel", "solverstate"):
            name = snapshotfile.partial_name(iteration, kind)
            partial, final = folder / name, folder / name[len(snapshotfile.PARTIAL) + 1 :]
            self._check_whole(partial)
            if kind == "solverstate":
                snapshotfile.set_learned_net(partial, final.with_suffix(".caffemodel"))
            with partial.open("rb") as stream:
                os.fsync(stream.fileno())
            partial.replace(final)

    def _check_whole(self, partial: Path) -> None:
        """Refuse a file without its end: Caffe does not notice a full disk in the last 8 kB."""
        try:
            fields: List[int] = snapshotfile.field_numbers(partial)
        except ValueError:
            fields = []
        layers, history = fields.count(snapshotfile.LAYER), fields.count(snapshotfile.HISTORY)
        if not history and layers != self.layers:
            raise StorageError("the disk is full")
