"""From a record's data to pixels, as Caffe decodes it."""

from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from ftjob.data.datum import Buffer, DatumHead
from ftjob.errors import BadDataError


def decode_data(head: DatumHead, data: Buffer, where: str) -> NDArray[np.uint8]:
    """Return the pixels of a record, (H, W, C) uint8 in BGR.

    Encoded data is decoded as io.cpp, DecodeDatumToCVMatNative, does. Raises BadDataError, naming `where`.
    """
    if head.encoded:
        return _decoded(data, where)
    if head.floats:
        raise BadDataError(f"{where}: holds float_data, which is no image: build the dataset from images")
    if len(data) != head.channels * head.height * head.width:
        raise BadDataError(
            f"{where}: has {len(data)} bytes of pixels and a shape of "
            f"{head.channels}x{head.height}x{head.width}: build the dataset again"
        )
    planes = np.frombuffer(data, dtype=np.uint8).reshape(head.channels, head.height, head.width)
    return np.ascontiguousarray(planes.transpose(1, 2, 0))


def _decoded(data: Buffer, where: str) -> NDArray[np.uint8]:
    pixels = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_UNCHANGED) if len(data) else None
    if pixels is None or pixels.dtype != np.uint8:
        what = "cannot be decoded" if pixels is None else f"holds {pixels.dtype} pixels, not uint8"
        raise BadDataError(f"{where}: {what}: build the dataset again without this image")
    return cast(NDArray[np.uint8], pixels[:, :, np.newaxis] if pixels.ndim == 2 else pixels)
