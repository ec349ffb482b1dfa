"""From a record's data to pixels, as Caffe decodes it."""

from typing import cast

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from ftjob.data.datum import Buffer, DatumHead
from ftjob.errors import BadDataError

JPEG_MAGIC = b"\xff\xd8\xff"


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
    return cast("NDArray[np.uint8]", cv2.merge(list(planes))).reshape(head.height, head.width, head.channels)


def decode_strictly(head: DatumHead, data: Buffer, where: str) -> NDArray[np.uint8]:
    """Return the pixels as `decode_data` does, but refuse a JPEG that is cut short or damaged, which Caffe
    and OpenCV fill up with grey. Raises BadDataError."""
    if not head.encoded or bytes(data[:3]) != JPEG_MAGIC:
        return decode_data(head, data, where)
    try:
        space = simplejpeg.decode_jpeg_header(data)[2]
        if space not in ("Gray", "YCbCr"):
            return decode_data(head, data, where)
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(data, "GRAY" if space == "Gray" else "BGR")
    except ValueError as error:
        raise BadDataError(
            f"{where}: is a damaged JPEG ({error}): build the dataset again without this image"
        ) from error
    return pixels


def _decoded(data: Buffer, where: str) -> NDArray[np.uint8]:
    pixels = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_UNCHANGED) if len(data) else None
    if pixels is None or pixels.dtype != np.uint8:
        what = "cannot be decoded" if pixels is None else f"holds {pixels.dtype} pixels, not uint8"
        raise BadDataError(f"{where}: {what}: build the dataset again without this image")
    return cast("NDArray[np.uint8]", pixels[:, :, np.newaxis] if pixels.ndim == 2 else pixels)
