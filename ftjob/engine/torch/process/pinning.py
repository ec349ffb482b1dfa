"""The way of a batch to the device.

A GPU reads pinned memory by itself while this thread continues; any other is copied to such memory first, for
longer than the GPU takes to read it. So it is pinned while the GPU is still at the batch before.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import Tensor

Made = TypeVar("Made")


def on_host(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return memory for what will travel to the device, with anything in it."""
    return torch.empty(shape, dtype=dtype, pin_memory=device.type == "cuda")


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a tensor on the device, on its way there while this thread continues if its memory is pinned."""
    return tensor.to(device, non_blocking=True)


def thread_for(device: torch.device, name: str) -> ThreadPoolExecutor:
    """Return a thread that may pin memory: without a GPU of its own, CUDA would use the first one for it."""
    if device.type != "cuda":
        return ThreadPoolExecutor(1, name)
    return ThreadPoolExecutor(1, name, initializer=torch.cuda.set_device, initargs=(device,))


class Pinning:
    """Pins what was begun elsewhere once it is made, in a thread of its own; without a GPU nothing."""

    def __init__(self, device: torch.device) -> None:
        self._thread = thread_for(device, "pinned") if device.type == "cuda" else None

    def of(self, made: Callable[[], Made], pinned: Callable[[Made], Made]) -> Callable[[], Made]:
        """Return what waits for the pinned thing, and raises what making it raised."""
        return self._thread.submit(lambda: pinned(made())).result if self._thread else made
