"""PyTorch's commands, and what its errors mean."""

import re
import sys
from io import FileIO
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import torch
from numpy.typing import NDArray

from ftjob.engine import Features
from ftjob.engine.client import text_of
from ftjob.engine.exported import Layout, Order, PixelInput
from ftjob.engine.process import computing, serving, wire
from ftjob.engine.torch.process import program
from ftjob.engine.torch.process.deploy import TorchDeploy
from ftjob.engine.torch.process.layers.numerics import settle
from ftjob.engine.torch.process.net import TorchNet
from ftjob.engine.torch.process.parallel.launch import Launch
from ftjob.engine.torch.process.parallel.ranks import JoinedRanks, RankContext, await_end
from ftjob.engine.torch.process.training import TorchTraining
from ftjob.errors import BadDataError, BadNetError, BadSpecError, EngineError, GpuMemoryError
from ftjob.net.layers.rule import text
from ftjob.net.precision import Precision
from ftjob.net.proto.caffe_pb2 import TEST, NetParameter, NetState
from ftjob.net.prototxt import parse_net, parse_solver
from ftjob.net.topology.phases import filter_net

GPU_IS_FULL = re.compile(r"CUDA error: out of memory|CU(BLAS|DNN)_STATUS_ALLOC_FAILED")
"""What CUDA and its libraries report when they, not PyTorch's allocator, find no memory."""


class FeatureFields(TypedDict):
    """The fields of ftjob.engine.Features as they travel."""

    folder: str
    limit: int
    digests: dict[str, str]


class PixelFields(TypedDict):
    """The fields of ftjob.engine.exported.PixelInput as they travel, but for its mean."""

    shape: tuple[int, int, int]
    layout: Layout
    order: Order
    rows: tuple[int, int]
    columns: tuple[int, int]
    scale: float


class TorchServer:
    """The one solver or net that is open."""

    def __init__(self) -> None:
        self.opened: Any = None
        self._rank_context: RankContext | None = None

    def set_rank(self, rank: int, size: int, store: int, commands: FileIO) -> None:
        """Make this process a rank other than the first, whose pipe this is; `open_solver` then joins."""
        self._rank_context = RankContext(
            rank, size, store, lambda command, **fields: None, lambda: await_end(commands)
        )

    def open_solver(
        self,
        path: str,
        weights: str | None,
        gpu: int | None,
        ranks: int,
        precision: Precision,
        features: FeatureFields | None,
        seed: int | None = None,
    ) -> wire.Frame:
        """Open a solver prototxt, whose paths count from this process's folder.

        `features`: see ftjob.engine.Features; `seed` is that of the first rank.
        """
        launch = Launch(ranks) if ranks > 1 and self._rank_context is None else None
        rank_context = launch.rank_context if launch else self._rank_context
        solver = parse_solver(text_of(Path(path), BadNetError), path)
        net = NetParameter()
        if solver.HasField("net_param"):
            net.CopyFrom(solver.net_param)
        elif solver.net:
            net = _read_net(solver.net)
        else:
            raise BadNetError(f"{path}: the torch engine needs one net for training and testing: set `net`")
        device = _device(gpu, rank_context.rank if rank_context else 0, ranks)
        numerics = settle(precision, device)
        kept = (
            Features(Path(features["folder"]), features["limit"], features["digests"]) if features else None
        )
        given = Path(weights) if weights else None
        training = TorchTraining(solver, net, given, device, kept, numerics, rank_context, seed)
        if launch:  # not earlier: an error that all ranks would have is reported by the first alone
            fields = {"path": path, "weights": weights, "gpu": gpu, "ranks": ranks, "precision": precision}
            launch.send_command("open_solver", **fields, features=features, seed=training.seed)
        if rank_context:
            training.ranks = JoinedRanks(rank_context, device)
        self.opened = training
        if self._rank_context is None:
            sys.stderr.write(f"{_machine(device, precision, ranks)}\n{described(training.train)}")
        return {}, {}

    def open_deploy(self, path: str, weights: str, gpu: int | None, precision: Precision) -> wire.Frame:
        """Open a deploy prototxt with weights."""
        net = filter_net(_read_net(path), NetState(phase=TEST))
        device = _device(gpu)
        self.opened = TorchDeploy(net, Path(weights), device, settle(precision, device))
        return {}, {}

    def export(
        self,
        path: str,
        weights: str,
        outputs: list[str],
        pixels: PixelFields | None,
        facts: dict[str, str],
        mean: NDArray[np.float32] | None = None,
    ) -> wire.Frame:
        """Return a deploy prototxt with weights as a program's bytes, and open that."""
        net = filter_net(_read_net(path), NetState(phase=TEST))
        given = PixelInput(**pixels, mean=mean) if pixels else None
        data = program.export(net, Path(weights), outputs, given, facts)
        self.opened = program.LoadedProgram(data)
        return {}, {"program": np.frombuffer(data, np.uint8)}

    def error_reply(self, error: Exception) -> tuple[str, str]:
        """Return the name of ftjob's error that one of PyTorch's means, if known, and a message."""
        if isinstance(error, torch.OutOfMemoryError) or GPU_IS_FULL.search(str(error)):
            remedy = "lower data.batch_size, and raise solver.iter_size to make up for it"
            return GpuMemoryError.__name__, f"the net and its batch do not fit the GPU's memory: {remedy}"
        if "device-side assert" in str(error):
            remedy = "a label outside its classes is the usual cause: `ftjob data check` finds it"
            return BadDataError.__name__, f"the GPU stopped at a value it cannot index with: {remedy}"
        if "DefaultCPUAllocator" in str(error):
            remedy = "lower data.batch_size (iter_size can make up for it)"
            return EngineError.__name__, f"PyTorch ran out of memory: {remedy}"
        return serving.by_name(error)


def described(net: TorchNet) -> str:
    """Return a line for each layer: its type, bottoms and the shapes of its tops."""
    lines = []
    for layer in net.shapes.layers:
        tops = ", ".join(
            f"{top} {text(shape)}" for top, shape in zip(layer.layer.top, layer.tops, strict=True)
        )
        lines.append(f"layer {layer.name} ({layer.type}): {', '.join(layer.layer.bottom)} -> {tops}\n")
    return "".join(lines)


def _read_net(path: str) -> NetParameter:
    return parse_net(text_of(Path(path), BadNetError), path)


def _device(gpu: int | None, rank: int = 0, ranks: int = 1) -> torch.device:
    if gpu is None:
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise EngineError(
            f"this PyTorch ({torch.__version__}) cannot use the GPU: install one built for the CUDA of "
            "the node's driver, and see that `nvidia-smi` works"
        )
    usable = torch.cuda.device_count() - gpu
    if ranks > 1 and ranks > usable:
        raise BadSpecError(
            f"solver.gpus: is {ranks}, and PyTorch can use {usable} here: lower it, or take a node with more"
        )
    torch.backends.cudnn.benchmark = True  # the shapes of a net stay the same
    torch.cuda.set_device(gpu + rank)
    return torch.device("cuda", gpu + rank)


def _machine(device: torch.device, precision: Precision, ranks: int) -> str:
    engine = f"PyTorch {torch.__version__} in {precision}"
    if ranks > 1:
        engine += f" by {ranks} ranks"
    if device.type == "cuda":
        return f"{engine} on {torch.cuda.get_device_name(device)}"
    return computing.described(engine, torch.get_num_threads())
