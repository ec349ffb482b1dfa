"""What Caffe's DataTransformer makes of an image's pixels (data_transformer.cpp), to the bit."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Window = tuple[slice, slice]
"""Rows and columns of an image."""
Planes = TypeVar("Planes", NDArray[np.uint8], NDArray[np.float32])


def middle(sides: tuple[int, int], crop: int | None) -> Window:
    """Return where the TEST phase crops an image of (height, width): all of it without a crop."""
    if not crop:
        return slice(None), slice(None)
    return window_at((sides[0] - crop) // 2, (sides[1] - crop) // 2, crop)


def window_at(row: int, column: int, crop: int) -> Window:
    """Return the square with its first pixel there."""
    return slice(row, row + crop), slice(column, column + crop)


def cut(planes: Planes, window: Window) -> Planes:
    """Return the part of an image (C, H, W) that lies in a window."""
    return planes[:, window[0], window[1]]


def per_channel(means: tuple[float, ...]) -> NDArray[np.float32]:
    """Return mean values, one each or one for all channels, as what is subtracted from planes."""
    return np.asarray(means, np.float32).reshape(-1, 1, 1)


def transform(
    planes: NDArray[np.uint8], mean: NDArray[np.float32] | None, scale: float, out: NDArray[np.float32]
) -> None:
    """Write (pixel - mean) * scale to `out`, in float32; a mean image was cut as the image was."""
    if mean is None:
        out[...] = planes
    else:
        np.subtract(planes, mean, out=out, dtype=np.float32)
    if scale != 1:
        out *= np.float32(scale)
