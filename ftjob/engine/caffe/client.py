"""The Engine and DeployNet protocols over Caffe, in a process of its own."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from ftjob.caffelog.fatal import explain
from ftjob.engine import DeployNet, Engine, Features
from ftjob.engine.caffe.cutting import kept_trunks
from ftjob.engine.caffe.gpucode import refuse_unusable
from ftjob.engine.caffe.installed import CaffeInstallation, find_caffe
from ftjob.engine.child import PATIENCE_SECONDS, Child, Program
from ftjob.engine.client import (
    ProcessDeployNet,
    ProcessEngine,
    closing_on_error,
    existing_file,
    text_of,
    whole_file,
)
from ftjob.engine.nvml import find_driver
from ftjob.engine.process.snapshotfile import PARTIAL
from ftjob.errors import BadNetError, EngineError
from ftjob.net.proto.caffe_pb2 import SolverParameter
from ftjob.net.prototxt import parse_solver, to_text

MAIN = Path(__file__).parent / "process" / "__main__.py"
NEVER = 2**31 - 1
"""A test interval no run reaches; where there is a TEST net Caffe wants one (Solver::InitTestNets)."""
PROBE_NET = """
layer { name: "x" type: "DummyData" top: "x" dummy_data_param { shape { dim: 2 dim: 3 } } }
layer { name: "y" type: "InnerProduct" bottom: "x" top: "y"
        inner_product_param { num_output: 4 bias_filler { type: "constant" value: 5 } } }
"""


def program(python: Path) -> Program:
    """Return the program of Caffe's process."""
    return Program("Caffe", (str(python), str(MAIN)), "its Python cannot load pycaffe", explain)


def open_engine(
    solver: Path,
    *,
    weights: Path | None,
    log: Path,
    cwd: Path | None = None,
    gpu: int | None = None,
    threads: int | None = None,
    features: Features | None = None,
    patience_seconds: float | None = PATIENCE_SECONDS,
) -> Engine:
    """Open a solver.prototxt with its TRAIN and TEST net, and load weights by layer name into both.

    Paths inside the prototxts count from `cwd`, as with `caffe train`. `gpu` is CUDA's number of the device,
    None is the CPU; `threads` is what OpenBLAS computes with, None leaves it to the environment; `features`
    is where those of a frozen trunk are kept. What Caffe prints is appended to `log`. An engine that is
    silent for `patience_seconds` is killed (None: never), but opening it has at least PATIENCE_SECONDS. The
    engine ends with the thread that opened it.
    Raises BadNetError, BadDataError or EngineError, as Engine's methods do.
    """
    found = find_caffe()
    if gpu is not None:
        _check_gpu(found, gpu)
    param = parse_solver(text_of(solver, BadNetError), str(solver))
    caffe = f"{found.version} on {'processors' if gpu is None else 'a GPU'}"
    trunks = kept_trunks(param, cwd or Path(), features, caffe) if features else []
    prefix_fd = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    try:
        text = to_text(driven_from_outside(param, f"/proc/self/fd/{prefix_fd}/{PARTIAL}"))
        with _memory_file(text) as text_fd:
            child = Child(program(found.python), log, cwd, threads, (text_fd, prefix_fd), patience_seconds)
            with closing_on_error(child):
                child.call(
                    "open_solver",
                    path=f"/proc/self/fd/{text_fd}",
                    iter_size=param.iter_size,
                    weights=whole_file(weights) if weights else None,
                    gpu=gpu,
                    trunks=[asdict(each) for each in trunks],
                )
    finally:
        os.close(prefix_fd)
    return ProcessEngine(child, patience_seconds, prefix_fd=prefix_fd, apart=gpu is None)


def open_deploy(
    deploy: Path,
    weights: Path,
    *,
    log: Path,
    cwd: Path | None = None,
    gpu: int | None = None,
    threads: int | None = None,
) -> DeployNet:
    """Open a deploy.prototxt with weights. Raises BadNetError or EngineError."""
    found = find_caffe()
    if gpu is not None:
        _check_gpu(found, gpu)
    path, model = existing_file(deploy), whole_file(weights)
    child = Child(program(found.python), log, cwd, threads)
    with closing_on_error(child):
        child.call("open_deploy", path=path, weights=model, gpu=gpu)
    return ProcessDeployNet(child)


def probe(python: Path) -> str:
    """Run a tiny net with the pycaffe of `python`; return its version, or raise EngineError."""
    with (
        tempfile.TemporaryDirectory() as folder,
        _memory_file(PROBE_NET) as fd,
        Child(program(python), Path(folder, "log"), threads=1, inherit=(fd,)) as child,
    ):
        reply, _ = child.call("probe", path=f"/proc/self/fd/{fd}")
    if reply["lacks"]:
        lacks = ", ".join(reply["lacks"])
        raise EngineError(
            f"the pycaffe of {python} is older than August 2018: it has no {lacks}; use a newer one"
        )
    if reply["value"] != 5:
        raise EngineError(f"the Caffe of {python} computes {reply['value']} where 5 is right")
    return str(reply["version"])


def driven_from_outside(param: SolverParameter, snapshot_prefix: str) -> SolverParameter:
    """Return the solver without the tests, snapshots and output that Caffe does between updates."""
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


def _check_gpu(found: CaffeInstallation, index: int) -> None:
    """Raise EngineError where this Caffe cannot compute on the GPU; a Caffe of the system's may try."""
    if found.gpu:
        refuse_unusable(found.gpu, find_driver(), index)
    elif found.origin == "bundle":
        raise EngineError(
            "the installed Caffe computes on processors only: install one for GPUs with "
            "`ftjob engine install caffe --cuda`, or set engine: torch"
        )


@contextlib.contextmanager
def _memory_file(text: str) -> Iterator[int]:
    """Yield a file descriptor with the text behind it: Caffe takes nets and solvers by path only."""
    fd = os.memfd_create("prototxt")
    try:
        os.write(fd, text.encode())
        yield fd
    finally:
        os.close(fd)
