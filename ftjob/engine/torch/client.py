"""The Engine and DeployNet protocols over PyTorch, in a process of its own."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ftjob.caffelog.fatal import ended
from ftjob.concurrency import processors
from ftjob.engine import DeployNet, Engine, Features
from ftjob.engine.child import PATIENCE_SECONDS, Child, Program, error_of
from ftjob.engine.client import (
    ProcessDeployNet,
    ProcessEngine,
    closing_on_error,
    existing_file,
    whole_file,
)
from ftjob.engine.exported import ExportedModel, PixelInput
from ftjob.engine.torch.installed import require_torch
from ftjob.engine.torch.rank_end import read_end
from ftjob.errors import FtjobError, thread_limit
from ftjob.net.precision import Precision


def _explain(log: str, returncode: int) -> FtjobError:
    if end := read_end(log):
        return error_of(PROGRAM, *end)
    return thread_limit.shown_in(log) or ended(log, returncode, PROGRAM.name).error()


PROGRAM = Program(
    "PyTorch",
    (sys.executable, "-P", "-m", "ftjob.engine.torch.process"),
    "PyTorch cannot be loaded",
    _explain,
)


def open_engine(
    solver: Path,
    *,
    weights: Path | None,
    log: Path,
    cwd: Path | None = None,
    gpu: int | None = None,
    ranks: int = 1,
    precision: Precision = "fp32",
    threads: int | None = None,
    features: Features | None = None,
    patience_seconds: float | None = PATIENCE_SECONDS,
) -> Engine:
    """Open a solver.prototxt with its TRAIN and TEST net, and load weights by layer name into both.

    Arguments and errors are those of ftjob.engine.caffe.client.open_engine; `threads` is what PyTorch
    computes with on processors; `features` where it keeps those of a frozen trunk. Several `ranks` are
    processes that train together, each with a batch of its own, on the GPUs from `gpu` on or all on
    processors. Raises BadSpecError too, for a precision that the device lacks and GPUs that are not there.
    """
    require_torch()
    path = existing_file(solver)
    if ranks > 1 and threads is None:
        threads = max(1, processors.share() // ranks)
    child = Child(PROGRAM, log, cwd, threads, patience_seconds=patience_seconds)
    with closing_on_error(child):
        child.call(
            "open_solver",
            path=path,
            weights=whole_file(weights) if weights else None,
            gpu=gpu,
            ranks=ranks,
            precision=precision,
            features={**asdict(features), "folder": str(features.folder)} if features else None,
        )
    return ProcessEngine(child, patience_seconds)


def open_deploy(
    deploy: Path,
    weights: Path,
    *,
    log: Path,
    cwd: Path | None = None,
    gpu: int | None = None,
    precision: Precision = "fp32",
    threads: int | None = None,
) -> DeployNet:
    """Open a deploy.prototxt with weights. Raises BadNetError, EngineError, and BadSpecError for a precision
    that the device lacks."""
    require_torch()
    path, model = existing_file(deploy), whole_file(weights)
    child = Child(PROGRAM, log, cwd, threads)
    with closing_on_error(child):
        child.call("open_deploy", path=path, weights=model, gpu=gpu, precision=precision)
    return ProcessDeployNet(child)


@contextmanager
def export_program(
    deploy: Path,
    weights: Path,
    outputs: Sequence[str],
    scores: str,
    pixels: PixelInput | None,
    facts: Mapping[str, str],
    log: Path,
) -> Iterator[ExportedModel]:
    """Return a deploy net with its weights as a .pt2 file, open for as long as the block runs.

    `facts` are kept in the file. Raises BadNetError and EngineError.
    """
    require_torch()
    fields = {**vars(pixels)} if pixels else None
    mean = fields.pop("mean") if fields else None
    with Child(PROGRAM, log) as child:
        _, made = child.call(
            "export",
            {} if mean is None else {"mean": mean},
            path=existing_file(deploy),
            weights=whole_file(weights),
            outputs=list(outputs),
            pixels=fields,
            facts=dict(facts),
        )

        def compute(images: NDArray[Any]) -> NDArray[np.float32]:
            return child.call("forward", {"images": images}, blobs=[scores])[1][scores]

        yield ExportedModel(made["program"].tobytes(), compute)
