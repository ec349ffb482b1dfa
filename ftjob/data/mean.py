"""Mean images, added up while building and written as Caffe's compute_image_mean does."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ftjob import files
from ftjob.net.proto.caffe_pb2 import BlobProto


def write_mean_image(path: Path, mean: NDArray[np.float64]) -> None:
    """Write a mean image (H, W) or (H, W, C), BGR, as a BlobProto of shape (1, C, H, W)."""
    planes = mean[np.newaxis] if mean.ndim == 2 else mean.transpose(2, 0, 1)
    channels, height, width = planes.shape
    blob = BlobProto(num=1, channels=channels, height=height, width=width)
    blob.data.extend(planes.astype(np.float32).ravel().tolist())
    with files.whole(path) as temporary:
        temporary.write_bytes(blob.SerializeToString())


def mean_pixel(mean: NDArray[np.float64]) -> tuple[float, ...]:
    """Return the mean of each channel of a mean image (H, W) or (H, W, C)."""
    return tuple(float(value) for value in np.atleast_1d(mean.mean(axis=(0, 1))))
