"""A solver, driven as Solver::Step does (solver.cpp), but seeing each loss."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional

from ftjob.engine.caffe.process.features import FeatureNet, TrunkFields
from ftjob.engine.caffe.process.nets import PycaffeNet
from ftjob.engine.process import snapshotfile, stepping, wire
from ftjob.engine.process.rows import Rows
from ftjob.engine.process.writer import Writer


class CaffeTraining:
    """A solver with its TRAIN and TEST nets."""

    def __init__(
        self,
        solver: Any,
        iter_size: int,
        weights: Optional[str],
        log: Callable[[str], None],
        trunks: List[Dict[str, Any]],
    ) -> None:
        """`log` is Caffe's own: a forked writer tries it first, since data threads may hold its lock.

        `trunks` are the fields of a TrunkFields for each net whose features are kept.
        """
        self.solver = solver
        self.iter_size = iter_size
        fields = {each["phase"]: TrunkFields(**each) for each in trunks}
        self.train = _net(solver.net, fields.get("TRAIN"))
        self.tests = [_net(net, fields.get("TEST")) for net in list(solver.test_nets)[:1]]
        states = snapshotfile.states_of(type(solver).__name__.replace("Solver", ""))
        self.writer = Writer(
            self.train.parameters(), states, len(solver.net.layers), lambda: log("writing a snapshot")
        )
        for each in [solver.net] + list(solver.test_nets) if weights else []:
            each.copy_from(weights)

    def steps(self, iterations: int, halted: Callable[[], bool]) -> Iterator[wire.Frame]:
        """Update that many times, or until halted: see stepping.py."""
        scalars = self.train.scalars()

        def update() -> Iterator[Optional[stepping.Update]]:
            self.train.net.clear_param_diffs()
            loss = 0.0
            for _ in range(self.iter_size):
                yield from self.train.prepare()
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
            for _ in net.prepare(blobs):
                if pulse.due():
                    yield stepping.alive(first, images)
            net.forward()
            rows.take(first, batch, net.arrays(blobs))
            if halted():
                break
            if pulse.due():
                yield stepping.alive(first + batch, images)
        yield {}, rows.arrays()

    def kept_features(self) -> wire.Frame:
        """Return the fields of a FeatureRows for each net whose features are kept."""
        for each in self.tests:
            each.net.share_with(self.solver.net)
        kept = [each.kept() for each in [self.train] + self.tests]
        return {"files": [fields for fields in kept if fields]}, {}

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
        for each in [self.train] + self.tests:
            each.unsettle()
        pulse, batches, whole = stepping.Pulse(), self.solver.iter * self.iter_size, True
        for drawn, _ in enumerate(self.train.replay(batches), 1):
            if halted():
                whole = False
                break
            if pulse.due():
                yield stepping.alive(drawn, batches)
        yield {"iteration": self.solver.iter, "whole": whole, "replayed": self.train.drawn}, {}


def _net(net: Any, fields: Optional[TrunkFields]) -> PycaffeNet:
    return FeatureNet(net, fields) if fields else PycaffeNet(net)
