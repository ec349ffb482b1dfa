"""Mean images, added up while building and written as Caffe's compute_image_mean does."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ftjob import files
from ftjob.protowire import bytes_field, number_field

# Field numbers of message BlobProto (caffe.proto); its wire format is written here, because that is a
# hundred times faster than filling the message float by float.
NUM, CHANNELS, HEIGHT, WIDTH, DATA = range(1, 6)


def write_mean_image(path: Path, mean: NDArray[np.float64]) -> None:
    """Write a mean image (H, W) or (H, W, C), BGR, as a BlobProto of shape (1, C, H, W)."""
    planes = mean[np.newaxis] if mean.ndim == 2 else mean.transpose(2, 0, 1)
    sizes = zip((NUM, CHANNELS, HEIGHT, WIDTH), (1, *planes.shape), strict=True)
    numbers = [number_field(number, size) for number, size in sizes]
    values = bytes_field(DATA, [planes.astype("<f4").tobytes()])
    with files.whole(path) as temporary:
        temporary.write_bytes(b"".join([*numbers, *values]))


def mean_pixel(mean: NDArray[np.float64]) -> tuple[float, ...]:
    """Return the mean of each channel of a mean image (H, W) or (H, W, C)."""
    return tuple(float(value) for value in np.atleast_1d(mean.mean(axis=(0, 1))))
