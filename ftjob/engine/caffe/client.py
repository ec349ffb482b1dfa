"""Caffe behind the Engine and DeployNet protocols: each call is one request to the process that holds it."""

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ftjob.engine import Blobs, DeployNet, Engine, Iteration, SnapshotFiles, Writing
from ftjob.engine.caffe.child import Child
from ftjob.engine.caffe.installed import find_caffe
from ftjob.engine.caffe.process.snapshotfile import PARTIAL, field_numbers
from ftjob.engine.caffe.writing import CaffeWriting, sweep
from ftjob.errors import BadDataError, BadNetError, EngineError, FtjobError, StorageError
from ftjob.net.proto.caffe_pb2 import SolverParameter
from ftjob.net.prototxt import parse_solver, to_text

NEVER = 2**31 - 1
"""A test interval no run reaches; where there is a TEST net Caffe wants one (Solver::InitTestNets)."""
PROBE_NET = """
layer { name: "x" type: "DummyData" top: "x" dummy_data_param { shape { dim: 2 dim: 3 } } }
layer { name: "y" type: "InnerProduct" bottom: "x" top: "y"
        inner_product_param { num_output: 4 bias_filler { type: "constant" value: 5 } } }
"""


def open_engine(
    solver: Path,
    *,
    weights: Path | None,
    log: Path,
    cwd: Path | None = None,
    gpu: int | None = None,
    threads: int | None = None,
) -> Engine:
    """Open a solver.prototxt with its TRAIN and TEST net, and load weights by layer name into both.

    Paths inside the prototxts count from `cwd`, as with `caffe train`. `gpu` is CUDA's number of the device,
    None is the CPU; `threads` is what OpenBLAS computes with, None leaves it to the environment. What Caffe
    prints is appended to `log`. The engine ends with the thread that opened it.
    Raises BadNetError, BadDataError or EngineError, as Engine's methods do.
    """
    python = find_caffe().python
    param = parse_solver(_text_of(solver, BadNetError), str(solver))
    prefix_fd = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    try:
        text = to_text(driven_from_outside(param, f"/proc/self/fd/{prefix_fd}/{PARTIAL}"))
        with _memory_file(text) as text_fd:
            child = Child(python, log, cwd, threads, inherit=(text_fd, prefix_fd))
            with _closing_on_error(child):
                child.call(
                    "open_solver",
                    path=f"/proc/self/fd/{text_fd}",
                    iter_size=param.iter_size,
                    weights=_whole(weights) if weights else None,
                    gpu=gpu,
                )
    finally:
        os.close(prefix_fd)
    return CaffeEngine(child, prefix_fd, gpu)


def open_deploy(deploy: Path, weights: Path, *, log: Path, threads: int | None = None) -> DeployNet:
    """Open a deploy.prototxt with weights, on the CPU. Raises BadNetError or EngineError."""
    python = find_caffe().python
    path, model = _existing(deploy), _whole(weights)
    child = Child(python, log, None, threads)
    with _closing_on_error(child):
        child.call("open_deploy", path=path, weights=model)
    return CaffeDeployNet(child)


def probe(python: Path) -> str:
    """Run a tiny net with the pycaffe of `python`; return its version, or raise EngineError."""
    with (
        tempfile.TemporaryDirectory() as folder,
        _memory_file(PROBE_NET) as fd,
        Child(python, Path(folder, "log"), threads=1, inherit=(fd,)) as child,
    ):
        reply, _ = child.call("probe", path=f"/proc/self/fd/{fd}")
    if reply["lacks"]:
        lacks = ", ".join(reply["lacks"])
        raise EngineError(
            f"the pycaffe of {python} is of before August 2018: it has no {lacks}; take a newer one"
        )
    if reply["value"] != 5:
        raise EngineError(f"the Caffe of {python} computes {reply['value']} where 5 is right")
    return str(reply["version"])


def driven_from_outside(param: SolverParameter, snapshot_prefix: str) -> SolverParameter:
    """Return the solver with everything that Caffe would do between two updates switched off."""
    solver = SolverParameter()
    solver.CopyFrom(param)
    test_nets = max(1, len(param.test_net) + len(param.test_net_param), len(param.test_state))
    solver.test_iter[:] = [1] * test_nets
    solver.test_interval = NEVER
    solver.test_initialization = False
    solver.display = 0
    solver.snapshot = 0
    solver.snapshot_after_train = False
    solver.snapshot_prefix = snapshot_prefix
    solver.snapshot_format = SolverParameter.BINARYPROTO
    return solver


class _Held:
    """What both kinds of net share: a process, which is closed."""

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


class CaffeEngine(_Held):
    """An Engine: see there."""

    def __init__(self, child: Child, prefix_fd: int, gpu: int | None) -> None:
        super().__init__(child)
        self._prefix_fd, self._gpu = prefix_fd, gpu
        self._writing: CaffeWriting | None = None
        self._iteration = 0
        self._stepping = False

    @property
    def iteration(self) -> int:
        return self._iteration

    def steps(self, iterations: int) -> Iterator[list[Iteration]]:
        self._settle()
        self.child.tell("steps", iterations=iterations)
        self._stepping = True
        while self._stepping:
            if done := self._hear_steps():
                yield done

    def _hear_steps(self) -> list[Iteration]:
        reply, _ = self.child.hear()
        done = [
            Iteration(iteration, loss, dict(zip(reply["outputs"], outputs, strict=True)), rate, seconds)
            for iteration, loss, outputs, rate, seconds in reply["rows"]
        ]
        self._iteration += len(done)
        self._stepping = not reply["done"]
        return done

    def halt(self) -> None:
        if self._stepping:
            self.child.tell("halt")

    def kill(self) -> None:
        self.child.strike()

    def _settle(self) -> None:
        """End steps that the caller turned away from."""
        self.halt()
        while self._stepping:
            self._hear_steps()

    def step(self, iterations: int) -> list[Iteration]:
        return [each for some in self.steps(iterations) for each in some]

    def test(self, images: int, blobs: Sequence[str]) -> Blobs:
        if images < 1:
            raise BadDataError("a test needs at least one image")
        self._settle()
        return self.child.call("test", images=images, blobs=list(blobs))[1]

    def snapshot(self, directory: Path) -> SnapshotFiles:
        return self.begin_snapshot(directory).wait()

    def begin_snapshot(self, directory: Path) -> Writing:
        self._settle()
        self._finish_writing()
        directory = directory.absolute()
        apart = self._gpu is None
        try:
            reply, _ = self.child.call(
                "snapshot", directory=str(directory), prefix_fd=self._prefix_fd, apart=apart
            )
        except StorageError as error:
            sweep(directory)
            raise StorageError(f"no snapshot could be written into {directory}: {error}") from error
        self._writing = CaffeWriting(directory, reply["iteration"], reply.get("pid"))
        return self._writing

    def _finish_writing(self) -> None:
        """Wait for the last snapshot, whose failure is told to who waits for it."""
        if self._writing:
            with contextlib.suppress(StorageError):
                self._writing.wait()

    def close(self) -> None:
        self._finish_writing()
        super().close()

    def restore(self, solverstate: Path, caffemodel: Path) -> None:
        state, model = _whole(solverstate), _whole(caffemodel)
        self._settle()
        reply, _ = self.child.call("restore", solverstate=state, caffemodel=model)
        self._iteration = int(reply["iteration"])


class CaffeDeployNet(_Held):
    """A DeployNet: see there."""

    def forward(self, images: NDArray[np.float32], blobs: Sequence[str]) -> Blobs:
        if not len(images):
            raise BadDataError("there is no image to classify")
        arrays = {"images": np.asarray(images, np.float32)}
        return self.child.call("forward", arrays, blobs=list(blobs))[1]


def _existing(path: Path) -> str:
    if not path.is_file():
        raise BadNetError(f"there is no file {path}")
    return str(path.absolute())


def _whole(path: Path) -> str:
    """Return the path of a file that Caffe wrote; Caffe itself takes an empty one for weights of no layer."""
    text = _existing(path)
    try:
        whole = path.suffix == ".h5" or bool(field_numbers(path))
    except ValueError:
        whole = False
    if not whole:
        raise BadNetError(f"{path} is empty, cut off or not a file of Caffe's: fetch it again")
    return text


def _text_of(path: Path, kind: type[FtjobError]) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise kind(f"{path} cannot be read: {error}") from error


@contextlib.contextmanager
def _memory_file(text: str) -> Iterator[int]:
    """Yield a file descriptor with the text behind it: Caffe takes nets and solvers by path only."""
    fd = os.memfd_create("prototxt")
    try:
        os.write(fd, text.encode())
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def _closing_on_error(child: Child) -> Iterator[None]:
    try:
        yield
    except BaseException:
        child.close()
        raise
