"""Mean images: Caffe's .binaryproto, a BlobProto of shape (1, C, H, W)."""

from pathlib import Path

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from ftjob.errors import BadDataError
from ftjob.net.proto.caffe_pb2 import BlobProto


def read_mean_image(path: Path) -> NDArray[np.float32]:
    """Return the mean image, (C, H, W) float32 in BGR.

    Raises BadDataError, naming the file, where it is missing or not a mean image.
    """
    try:
        blob = BlobProto.FromString(path.read_bytes())
    except OSError as error:
        raise BadDataError(f"data.mean: {path} cannot be read ({error.strerror}): mend the path") from error
    except DecodeError as error:
        raise BadDataError(f"data.mean: {path} is not a .binaryproto (a BlobProto of Caffe)") from error
    shape = tuple(blob.shape.dim) or (blob.num, blob.channels, blob.height, blob.width)
    values = np.asarray(blob.data or blob.double_data, dtype=np.float32)
    image_shape = shape[-3:]
    if len(shape) == 3:  # Caffe asks it for its second axis as channels (blob.hpp, LegacyShape)
        raise BadDataError(
            f"data.mean: {path} holds a blob of shape {shape}, which Caffe takes for {shape[1]} channels: "
            "save it with four axes, (1, channels, height, width), such as mean[np.newaxis]"
        )
    if len(shape) != 4 or values.size != np.prod(image_shape):
        raise BadDataError(f"data.mean: {path} holds a blob of shape {shape}, not one image")
    return values.reshape(image_shape)
