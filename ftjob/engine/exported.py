"""What an engine's net is exported as: a file's bytes, which may take images of bytes as they are."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Layout = Literal["nhwc", "nchw"]
"""How an image lies in memory: its channels together, or one after another."""
Order = Literal["rgb", "bgr"]


@dataclass(frozen=True)
class PixelInput:
    """uint8 images of one size, and what makes a net's input of them, as Caffe does in the TEST phase."""

    shape: tuple[int, int, int]
    """(C, H, W)."""
    layout: Layout
    order: Order
    """Of the channels given, where there are three; the net's own is bgr."""
    rows: tuple[int, int]
    """First and end of what is cut from each image."""
    columns: tuple[int, int]
    mean: NDArray[np.float32] | None
    """What is subtracted: numbers for planes (C, H, W) that were cut."""
    scale: float

    @property
    def axes(self) -> tuple[int, int, int, int]:
        """Where N, C, H and W are in what is given."""
        return (0, 3, 1, 2) if self.layout == "nhwc" else (0, 1, 2, 3)

    @property
    def given(self) -> tuple[int, int, int]:
        """The shape of an image as it is given."""
        channels, height, width = self.shape
        return (height, width, channels) if self.layout == "nhwc" else self.shape

    @property
    def reverses(self) -> bool:
        """Whether the channels have to be turned round."""
        return self.order == "rgb" and self.shape[0] == 3


@dataclass(frozen=True)
class ExportedModel:
    """A net in another format."""

    data: bytes
    """The whole file."""
    scores: Callable[[NDArray[Any]], NDArray[np.float32]]
    """What the file's own runtime computes of N images as it takes them: (N, ...)."""
