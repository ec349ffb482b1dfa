"""A solver, driven as Solver::Step does (solver.cpp), but seeing each loss. Runs under Caffe's Python."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Iterator, List, Optional

if TYPE_CHECKING:
    from ftjob.engine.caffe.process import parent, snapshotfile, wire
    from ftjob.engine.caffe.process.nets import Collected, Net
else:
    import parent
    import snapshotfile
    from nets import Collected, Net

TELL_SECONDS = 0.2


class StorageError(Exception):
    """A snapshot could not be written."""


class Training:
    """A solver with its TRAIN and TEST nets."""

    def __init__(self, solver: Any, iter_size: int, weights: Optional[str]) -> None:
        self.solver = solver
        self.iter_size = iter_size
        self.train = Net(solver.net)
        self.tests = [Net(net) for net in solver.test_nets]
        self.pid = os.getpid()
        self.writer = 0
        """The process that writes the last snapshot, or wrote it; 0 where there is none to wait for."""
        for each in [self.train] + self.tests if weights else []:
            each.net.copy_from(weights)

    def steps(self, iterations: int, halted: Callable[[], bool]) -> Iterator[wire.Frame]:
        """Update that many times, or until halted; a frame with the rows of every 0.2 s.

        A row is [iteration, loss, outputs, learning rate, seconds].
        """
        scalars = self.train.scalars()
        names = [name for name, _ in scalars]
        rows: List[Any] = []
        sent = start = time.perf_counter()
        for _ in range(iterations):
            loss = self._gradients()
            rate = self.solver.lr
            self.solver.apply_update()
            outputs = [float(blob.data.flat[0]) for _, blob in scalars]
            now = time.perf_counter()
            rows.append([self.solver.iter, loss, outputs, rate, now - start])
            start = now
            if halted():
                break
            if now - sent > TELL_SECONDS:
                yield {"outputs": names, "rows": rows, "done": False}, {}
                sent, rows = now, []
        yield {"outputs": names, "rows": rows, "done": True}, {}

    def _gradients(self) -> float:
        """Leave the gradients of iter_size batches in the net; return their mean loss."""
        self.train.net.clear_param_diffs()
        loss = 0.0
        for _ in range(self.iter_size):
            loss += self.train.forward()
            self.train.backward()
        return loss / self.iter_size

    def test(self, images: int, blobs: List[str]) -> wire.Frame:
        """Run the TEST net over that many records, with the weights as they are now (Solver::Test)."""
        net = self.tests[0]
        collected = Collected(images, net.named(blobs))
        net.net.share_with(self.solver.net)
        batch = net.batch_size()
        for first in range(0, images, batch):
            net.forward()
            collected.take(first, batch)
        return {}, collected.arrays()

    def snapshot(self, directory: str, prefix_fd: int, apart: bool) -> wire.Frame:
        """Write both files under temporary names into the directory that prefix_fd is made to stand for.

        With `apart` a copy of this process does it, which shares the memory as it is now, while this one goes
        on. Its answer is a file, the last thing it writes. Only for the CPU: a GPU's memory is not copied.
        """
        folder = Path(directory)
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._check_space(fd)
            if not apart:
                self._write(folder, fd, prefix_fd)
                return {"iteration": self.solver.iter}, {}
            self._reap()
            self.writer = os.fork()
            if not self.writer:
                self._write_apart(folder, fd, prefix_fd)
        finally:
            os.close(fd)
        return {"iteration": self.solver.iter, "pid": self.writer}, {}

    def _reap(self) -> None:
        """Let go of the last writer, which has ended: its answer was waited for."""
        if self.writer:
            os.waitpid(self.writer, 0)
            self.writer = 0

    def _write_apart(self, folder: Path, fd: int, prefix_fd: int) -> None:
        """In the copy of this process: write, leave the answer, end."""
        try:
            parent.die_with(self.pid)
            error = ""
            try:
                self._write(folder, fd, prefix_fd)
            except (StorageError, OSError) as failure:
                error = str(failure)
            answer = folder / snapshotfile.answer_name(self.solver.iter)
            answer.write_text(json.dumps({"error": error}))
        finally:
            os._exit(0)

    def _write(self, folder: Path, fd: int, prefix_fd: int) -> None:
        os.dup2(fd, prefix_fd)
        self.solver.snapshot()
        self._finish(folder)
        os.fsync(fd)

    def _check_space(self, fd: int) -> None:
        """Refuse where the files would not fit: Caffe's own way to say so is to end the process."""
        states = (
            2 if "Ada" in type(self.solver).__name__ else 1
        )  # AdaDelta and Adam keep two numbers a weight
        needed = 4 * self.train.parameters() * (1 + states) * 1.01 + 200000
        disk = os.fstatvfs(fd)
        free = disk.f_bavail * disk.f_frsize
        if free < needed:
            raise StorageError("it needs %.1f MB and %.1f MB are free" % (needed / 1e6, free / 1e6))

    def _finish(self, folder: Path) -> None:
        """Check, sync and rename what Caffe wrote: the weights first, then the state that names them."""
        for kind in ("caffemodel", "solverstate"):
            name = "_iter_%d.%s" % (self.solver.iter, kind)
            partial, final = folder / (snapshotfile.PARTIAL + name), folder / name[1:]
            self._check_whole(partial)
            if kind == "solverstate":
                snapshotfile.set_learned_net(partial, final.with_suffix(".caffemodel"))
            with partial.open("rb") as stream:
                os.fsync(stream.fileno())
            partial.replace(final)

    def _check_whole(self, partial: Path) -> None:
        """Refuse a file without its end: Caffe does not notice a full disk in the last 8 kB."""
        try:
            fields = snapshotfile.field_numbers(partial)
        except ValueError:
            fields = []
        layers, history = fields.count(snapshotfile.LAYER), fields.count(snapshotfile.HISTORY)
        if not history and layers != len(self.train.net.layers):
            raise StorageError("the disk is full")

    def restore(self, solverstate: str, caffemodel: str) -> wire.Frame:
        """Take up a snapshot, then draw the batches that the iterations before it drew."""
        if self.solver.iter:
            raise RuntimeError("a solver that has run cannot go back: open another")
        with tempfile.TemporaryDirectory() as folder:
            if snapshotfile.learned_net(Path(solverstate)) != caffemodel:
                solverstate = shutil.copy(solverstate, folder)
                snapshotfile.set_learned_net(Path(solverstate), Path(caffemodel))
            self.solver.restore(solverstate)
        for _ in range(self.solver.iter * self.iter_size):
            self.train.redraw()
        return {"iteration": self.solver.iter}, {}
