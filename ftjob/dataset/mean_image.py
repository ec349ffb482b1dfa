"""Mean images: Caffe's .binaryproto, a BlobProto of shape (1, C, H, W), read and written."""

from math import prod
from pathlib import Path

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from ftjob.errors import BadDataError
from ftjob.fs import files
from ftjob.fs.documents import UnreadableError, read_bytes
from ftjob.net.proto.caffe_pb2 import BlobProto
from ftjob.protowire import bytes_field, number_field

LARGEST = 32 * 2**20
"""Bytes: a mean of colour images of 1600x1600."""
_AXES = 4


def read_mean_image(path: Path) -> NDArray[np.float32]:
    """Return the mean image, (C, H, W) float32 in BGR.

    Raises BadDataError, naming the file, where it is missing or not a mean image.
    """
    try:
        return mean_image(read_bytes(path, LARGEST))
    except OSError as error:
        raise BadDataError(f"data.mean: {path} cannot be read ({error.strerror}): fix the path") from error
    except UnreadableError as error:
        raise BadDataError(f"data.mean: {path} {error}") from None


def mean_image(data: bytes) -> NDArray[np.float32]:
    """Return what is in a .binaryproto, (C, H, W) float32 in BGR. Raises UnreadableError."""
    try:
        blob = BlobProto.FromString(data)
    except DecodeError:
        raise UnreadableError("is not a .binaryproto (a BlobProto of Caffe)") from None
    shape = tuple(blob.shape.dim[: _AXES + 1]) or (blob.num, blob.channels, blob.height, blob.width)
    if len(shape) == 3:  # Caffe asks it for its second axis as channels (blob.hpp, LegacyShape)
        raise UnreadableError(
            f"holds a blob of shape {shape}, which Caffe takes for {shape[1]} channels: save it with four "
            "axes, (1, channels, height, width), such as mean[np.newaxis]"
        )
    counted = len(blob.data) or len(blob.double_data)
    if len(shape) != _AXES or min(shape) < 1 or counted != prod(shape[1:]):
        shown = shape if len(shape) <= _AXES else f"more than {_AXES} axes"
        raise UnreadableError(f"holds a blob of shape {shown} with {counted} numbers, not one image")
    with np.errstate(over="ignore"):
        values = np.asarray(blob.data or blob.double_data, dtype=np.float32)
    if not np.isfinite(values).all():
        raise UnreadableError("holds numbers that are not finite")
    return values.reshape(shape[1:])


def write_mean_image(path: Path, mean: NDArray[np.float64]) -> None:
    """Write a mean image (H, W) or (H, W, C), BGR, as Caffe's compute_image_mean does.

    The wire format is written here: that is a hundred times faster than filling the message float by float.
    """
    planes = mean[np.newaxis] if mean.ndim == 2 else mean.transpose(2, 0, 1)
    fields = (
        BlobProto.NUM_FIELD_NUMBER,
        BlobProto.CHANNELS_FIELD_NUMBER,
        BlobProto.HEIGHT_FIELD_NUMBER,
        BlobProto.WIDTH_FIELD_NUMBER,
    )
    sizes = [number_field(field, size) for field, size in zip(fields, (1, *planes.shape), strict=True)]
    values = bytes_field(BlobProto.DATA_FIELD_NUMBER, [planes.astype("<f4").tobytes()])
    with files.whole(path) as temporary:
        temporary.write_bytes(b"".join([*sizes, *values]))


def mean_pixel(mean: NDArray[np.float64]) -> tuple[float, ...]:
    """Return the mean of each channel of a mean image (H, W) or (H, W, C)."""
    return tuple(float(value) for value in np.atleast_1d(mean.mean(axis=(0, 1))))
