"""What the ranks of a training exchange, as Caffe's solvers do on several GPUs (parallel.cpp, NCCL).

Each has its own batch of every pass. Before an update, gradients are summed over the ranks and divided by
their number (NCCL::on_gradients_ready); then each makes the same update to its own copy of the weights.
As in Caffe, each rank keeps its own BatchNorm statistics, and snapshots have the first rank's.
"""

import os
import select
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from io import FileIO

import torch
from torch import Tensor, distributed

from ftjob.errors import EngineError

BUCKET_NUMBERS = 8 << 20
"""Numbers exchanged at a time: the buffer for them takes at most 32 MiB."""
LONGEST_WAIT = timedelta(days=1)
"""How long a rank waits for another; the parent has its own limit for a silent engine."""
NOTICE_SECONDS = 60.0
"""Within this time the first rank sees that another has ended, and ends them all."""
LOOPBACK = {"GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo"}
"""Ranks are on one node, and need no network to find each other."""


class Ranks:
    """This process alone: there is nothing to exchange."""

    rank, size = 0, 1

    @contextmanager
    def together(self, command: str, **fields: object) -> Iterator[None]:
        """Have the other ranks do what the block does, by sending them a command with its fields."""
        yield

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace the numbers of every tensor by their means over all ranks."""


ALONE = Ranks()


@dataclass(frozen=True)
class RankContext:
    """Which rank a process is, and how it reaches the others; known before it joins them."""

    rank: int
    size: int
    store: int
    """The descriptor of the file through which ranks find each other."""
    send_command: Callable[..., None]
    """Sends the other ranks a command with fields; does nothing except in the first rank."""
    on_lost_rank: Callable[[], None]
    """Called when another rank does not answer: waits for this process to be ended. If it returns, the
    exchange failed for another reason."""


class JoinedRanks(Ranks):
    """One of several processes that train together."""

    def __init__(self, rank_context: RankContext, device: torch.device) -> None:
        """Wait until all have joined. Raises EngineError where this PyTorch cannot exchange anything."""
        self.rank, self.size, self._rank_context = rank_context.rank, rank_context.size, rank_context
        self._is_broken = False
        backend = "nccl" if device.type == "cuda" else "gloo"
        if not distributed.is_available() or not distributed.is_backend_available(backend):
            raise EngineError(f"this PyTorch ({torch.__version__}) has no {backend}: train on one GPU")
        for name, value in LOOPBACK.items():
            os.environ.setdefault(name, value)
        distributed.init_process_group(
            backend,
            store=distributed.FileStore(f"/proc/self/fd/{rank_context.store}", rank_context.size),
            rank=rank_context.rank,
            world_size=rank_context.size,
            timeout=LONGEST_WAIT,
            device_id=device if device.type == "cuda" else None,
        )

    @contextmanager
    def together(self, command: str, **fields: object) -> Iterator[None]:
        """See Ranks. Raises EngineError if an error ended an earlier block: the others are still in it."""
        if self._is_broken:
            raise EngineError("an update ended in an error: open the engine again")
        self._rank_context.send_command(command, **fields)
        self._is_broken = True
        yield
        self._is_broken = False

    def average(self, tensors: Sequence[Tensor]) -> None:
        for bucket in _buckets(tensors):
            self._average(bucket)

    def _average(self, bucket: Sequence[Tensor]) -> None:
        flat = bucket[0].reshape(-1) if len(bucket) == 1 else torch.cat([each.reshape(-1) for each in bucket])
        try:
            distributed.all_reduce(flat)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError:
            self._rank_context.on_lost_rank()
            raise
        flat.mul_(1 / self.size)
        for tensor, mean in zip(bucket, flat.split([each.numel() for each in bucket]), strict=True):
            if tensor.data_ptr() != mean.data_ptr():
                tensor.copy_(mean.view(tensor.shape))


def await_end(commands: FileIO) -> None:
    """End this process once the first rank, whose pipe this is, is gone; return if it stays."""
    if select.select([commands], [], [], NOTICE_SECONDS)[0]:
        os._exit(0)


def _buckets(tensors: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """Yield tensors to be exchanged together, in order."""
    bucket: list[Tensor] = []
    numbers = 0
    for tensor in tensors:
        if bucket and numbers + tensor.numel() > BUCKET_NUMBERS:
            yield bucket
            bucket, numbers = [], 0
        bucket.append(tensor)
        numbers += tensor.numel()
    if bucket:
        yield bucket
