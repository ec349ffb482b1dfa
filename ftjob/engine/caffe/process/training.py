"""A solver, driven as Solver::Step does (solver.cpp), but seeing each loss."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, Callable, Iterator, List, Optional

from ftjob.engine.caffe.process.nets import PycaffeNet
from ftjob.engine.process import snapshotfile, stepping, wire
from ftjob.engine.process.rows import Rows
from ftjob.engine.process.writer import Writer


class CaffeTraining:
    """A solver with its TRAIN and TEST nets."""

    def __init__(
        self, solver: Any, iter_size: int, weights: Optional[str], log: Callable[[str], None]
    ) -> None:
        """`log` is Caffe's own: a forked writer tries it first, since data threads may hold its lock."""
        self.solver = solver
        self.iter_size = iter_size
        self.train = PycaffeNet(solver.net)
        self.tests = [PycaffeNet(net) for net in solver.test_nets]
        states = snapshotfile.states_of(type(solver).__name__.replace("Solver", ""))
        self.writer = Writer(
            self.train.parameters(), states, len(solver.net.layers), lambda: log("writing a snapshot")
        )
        for each in [self.train] + self.tests if weights else []:
            each.net.copy_from(weights)

    def steps(self, iterations: int, halted: Callable[[], bool]) -> Iterator[wire.Frame]:
        """Update that many times, or until halted: see stepping.py."""
        scalars = self.train.scalars()

        def update() -> Iterator[Optional[stepping.Update]]:
            self.train.net.clear_param_diffs()
            loss = 0.0
            for _ in range(self.iter_size):
                loss += self.train.forward()
                self.train.backward()
                yield None
            rate = self.solver.lr
            self.solver.apply_update()
            shown = [float(blob.data.flat[0]) for _, blob in scalars]
            waited = None  # only Caffe's data threads know
            yield self.solver.iter, loss / self.iter_size, shown, rate, waited

        return stepping.steps(iterations, halted, [name for name, _ in scalars], update)

    def test(self, images: int, blobs: List[str], halted: Callable[[], bool]) -> Iterator[wire.Frame]:
        """Run the TEST net over that many records, with the weights as they are now (Solver::Test)."""
        net, pulse = self.tests[0], stepping.Pulse()
        net.check_names(blobs)
        rows = Rows(images, blobs)
        net.net.share_with(self.solver.net)
        batch = net.batch_size()
        for first in range(0, images, batch):
            net.forward()
            rows.take(first, batch, net.arrays(blobs))
            if halted():
                break
            if pulse.due():
                yield stepping.alive(first + batch, images)
        yield {}, rows.arrays()

    def snapshot(self, directory: str, prefix_fd: int, apart: bool) -> wire.Frame:
        """Write both files under temporary names; prefix_fd is made to refer to the directory.

        `apart` (in a fork) is for the CPU only: a GPU's memory is not copied.
        """

        def save(folder: Path, fd: int) -> None:
            os.dup2(fd, prefix_fd)
            self.solver.snapshot()

        pid = self.writer.write(directory, self.solver.iter, save, apart)
        return {"iteration": self.solver.iter, "pid": pid or None}, {}

    def restore(self, solverstate: str, caffemodel: str, halted: Callable[[], bool]) -> Iterator[wire.Frame]:
        """Restore a snapshot, then draw the batches that the earlier iterations drew, unless halted."""
        if self.solver.iter:
            raise RuntimeError("a solver that has run cannot go back: open another")
        with tempfile.TemporaryDirectory() as folder:
            if snapshotfile.learned_net(Path(solverstate)) != caffemodel:
                solverstate = shutil.copy(solverstate, folder)
                snapshotfile.set_learned_net(Path(solverstate), Path(caffemodel))
            self.solver.restore(solverstate)
        pulse, batches, drawn = stepping.Pulse(), self.solver.iter * self.iter_size, 0
        while drawn < batches and not halted():
            self.train.redraw()
            drawn += 1
            if pulse.due():
                yield stepping.alive(drawn, batches)
        yield {"iteration": self.solver.iter, "whole": drawn == batches}, {}
