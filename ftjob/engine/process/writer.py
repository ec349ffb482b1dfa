"""Writes a snapshot's two files, whole or not at all, in a fork of the engine's process."""

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
"""Seconds that each fork in turn has to prove that no lock blocks it."""
REMEDY = "make room there and submit again"
FULL = "the disk is full: " + REMEDY


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
        """The process of the last snapshot; 0 where there is none to reap."""

    def write(self, directory: str, iteration: int, save: Callable[[Path, int], None], apart: bool) -> int:
        """Have `save(folder, its descriptor)` write both files under temporary names, then make them whole.

        With `apart` a fork does it, which has the memory as it is now, while this process continues: its id
        is returned, else 0. It reports the result in a file, the last thing it writes.
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
        """Do the work in a fork of this process; return its id.

        A lock that another thread holds at the moment of the fork stays locked in the fork for good, since
        that thread is not in it. So each fork rehearses first, and is replaced if it hangs there.
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
        raise StorageError("forks of the engine's process hang")

    def _reap(self) -> None:
        """Reap the last writer, which has ended: the parent waited for its result."""
        if self.writer:
            os.waitpid(self.writer, 0)
            self.writer = 0

    def _write_apart(self, folder: Path, fd: int, iteration: int, save: Callable[[Path, int], None]) -> None:
        """Write in the fork, and report the result in a file."""
        error = ""
        try:
            self._write(folder, fd, iteration, save)
        except (StorageError, OSError) as failure:
            full = isinstance(failure, OSError) and failure.errno == errno.ENOSPC
            error = FULL if full else str(failure)
        (folder / snapshotfile.answer_name(iteration)).write_text(json.dumps({"error": error}))

    def _write(self, folder: Path, fd: int, iteration: int, save: Callable[[Path, int], None]) -> None:
        save(folder, fd)
        self._finish(folder, iteration)
        os.fsync(fd)

    def _check_space(self, fd: int) -> None:
        """Raise StorageError if the files do not fit: Caffe itself would end the process."""
        needed = 4 * self.parameters * (1 + self.states) * 1.01 + 200000
        disk = os.fstatvfs(fd)
        free = disk.f_bavail * disk.f_frsize
        if free < needed:
            sizes = (needed / 1e6, free / 1e6)
            raise StorageError("it needs %.1f MB and %.1f MB are free: %s" % (*sizes, REMEDY))

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
        """Raise StorageError for a truncated file: Caffe misses a full disk in the last 8 kB."""
        try:
            fields: List[int] = snapshotfile.field_numbers(partial)
        except ValueError:
            fields = []
        layers, history = fields.count(snapshotfile.LAYER), fields.count(snapshotfile.HISTORY)
        if not history and layers != self.layers:
            raise StorageError(FULL)
