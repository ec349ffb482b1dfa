"""An engine without a net, in this process: for laws of what drives an engine, which need no Caffe.

Its weights are pulled to one number per batch, so that momentum, resuming and the place in the data mean
what they mean with a net; what its TEST net answers may be scripted. It runs ahead of its caller, as a
process does: some updates come after a halt.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import lmdb
import numpy as np
from numpy.typing import NDArray

from ftjob.engine import Blobs, FeatureRows, Iteration, ShouldContinue, SnapshotFiles, always
from ftjob.engine.snapshot_write import ForkedWriting
from ftjob.errors import BadNetError
from ftjob.net.lr_policy import learning_rate
from ftjob.net.proto.caffe_pb2 import Datum, NetParameter, SolverParameter, SolverState
from ftjob.net.prototxt import parse_net, parse_solver

SECONDS = 0.01
"""What an update takes, by its own account."""
LOSS = "loss"


def open_fake(folder: Path) -> "FakeEngine":
    """Open a job's folder: its solver, the labels of `val`, and the sizes of its net."""
    net = parse_net((folder / "train_val.prototxt").read_text(), "train_val.prototxt")
    batch, test_batch = (layer.data_param.batch_size for layer in net.layer if layer.type == "Data")
    with lmdb.open(str(folder / "val"), readonly=True) as env, env.begin() as txn:
        labels = [Datum.FromString(value).label for _, value in txn.cursor()]
    return FakeEngine(
        parse_solver((folder / "solver.prototxt").read_text(), "solver.prototxt"),
        labels,
        classes=next(layer.inner_product_param.num_output for layer in net.layer if layer.name == "fc"),
        batch=batch,
        test_batch=test_batch,
    )


class FakeEngine:
    """An Engine: see there. `events` lists what it was asked for, in order, with the iteration of each."""

    def __init__(
        self,
        solver: SolverParameter,
        labels: Sequence[int],
        *,
        classes: int = 3,
        batch: int = 4,
        test_batch: int = 4,
        head: str = "fc",
        at_once: int = 16,
        overrun: int = 3,
    ) -> None:
        """`labels` are those of the TEST data; `at_once` updates are reported together, and as many as
        `overrun` come after a halt."""
        self.iteration = 0
        self.replayed = 0
        self.events: list[tuple[str, int]] = []
        self.rights: Callable[[int], float] = lambda iteration: 1 - 1 / (iteration + 1)
        """The share of records that the net of an iteration is right about."""
        self.losses: Callable[[int], float] | None = None
        """The loss of an update, where it is not that of the weights."""
        self.heed: Callable[[str, int], None] = lambda _event, _iteration: None
        """Called at every event, before it."""
        self._solver, self._labels = solver, np.asarray(labels, np.float32)
        self._classes, self._batch, self._test_batch = classes, batch, test_batch
        self._head, self._at_once, self._overrun = head, at_once, overrun
        self._weights = np.zeros(2, np.float32)
        self._history = np.zeros(2, np.float32)
        self._left = 0
        self._drawn = 0

    def steps(self, iterations: int) -> Iterator[list[Iteration]]:
        self._left = iterations
        while self._left > 0:
            count = min(self._at_once, self._left)
            self._left -= count
            yield [self._update() for _ in range(count)]

    def step(self, iterations: int) -> list[Iteration]:
        return [each for some in self.steps(iterations) for each in some]

    def halt(self) -> None:
        self._left = min(self._left, self._overrun)

    def _settle(self) -> None:
        """Do what comes after a halt, for a caller that turned away from the steps."""
        self.halt()
        while self._left:
            self._left -= 1
            self._update()

    def _update(self) -> Iteration:
        """V = momentum V + lr (W - target); W -= V."""
        self._happens("update")
        solver = self._solver
        rate = learning_rate(solver, self.iteration)
        images = self.iteration * solver.iter_size * self._batch
        target = np.float32(images % 7), np.float32(images % 5)
        loss = float(np.square(self._weights - target).sum() / 2)
        self._history = solver.momentum * self._history + rate * (self._weights - target)
        self._weights = self._weights - self._history
        self.iteration += 1
        if self.losses:
            loss = self.losses(self.iteration)
        return Iteration(self.iteration, loss, {LOSS: loss}, rate, SECONDS)

    def kept_features(self) -> list[FeatureRows]:
        return []

    def test(self, images: int, blobs: Sequence[str], *, should_continue: ShouldContinue = always) -> Blobs:
        self._settle()
        self._happens("test")
        known = ("data", "label", self._head, "prob", LOSS)
        for name in blobs:
            if name not in known:
                raise BadNetError(f"the net has no blob {name!r}; it has {', '.join(known)}")
        batches = -(-images // self._test_batch)
        for done in range(1, batches + 1):
            if done < batches and not should_continue(done / batches):
                images, batches = done * self._test_batch, done
                break
        rows = (self._drawn + np.arange(images)) % len(self._labels)
        self._drawn += batches * self._test_batch
        right = self._labels[rows].astype(int)
        wrong = rows >= round(self.rights(self.iteration) * len(self._labels))
        scores = np.eye(self._classes, dtype=np.float32)[(right + wrong) % self._classes]
        found = {"data": scores, "label": self._labels[rows], LOSS: np.zeros(batches, np.float32)}
        return {name: found.get(name, scores) for name in blobs}

    def snapshot(self, directory: Path) -> SnapshotFiles:
        return self.begin_snapshot(directory).wait()

    def begin_snapshot(self, directory: Path) -> ForkedWriting:
        self._settle()
        self._happens("snapshot")
        stem = directory / f"iter_{self.iteration}"
        state = SolverState(iter=self.iteration, learned_net=f"{stem}.caffemodel")
        state.history.add(data=self._history).shape.dim.append(2)
        net = NetParameter()
        net.layer.add(name=self._head, type="InnerProduct").blobs.add(data=self._weights).shape.dim.append(2)
        stem.with_suffix(".caffemodel").write_bytes(net.SerializeToString())
        stem.with_suffix(".solverstate").write_bytes(state.SerializeToString())
        return ForkedWriting(directory, self.iteration, None)

    def restore(
        self, solverstate: Path, caffemodel: Path, *, should_continue: ShouldContinue = always
    ) -> bool:
        self._settle()
        state = SolverState.FromString(solverstate.read_bytes())
        self._history = _floats(state.history[0].data)
        self._weights = _floats(NetParameter.FromString(caffemodel.read_bytes()).layer[0].blobs[0].data)
        self.iteration = state.iter
        self._happens("restore")
        return should_continue(0.5)

    def _happens(self, event: str) -> None:
        self.heed(event, self.iteration)
        self.events.append((event, self.iteration))

    def close(self) -> None:
        self.events.append(("close", self.iteration))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _floats(values: Sequence[float]) -> NDArray[np.float32]:
    return np.array(values, np.float32)
