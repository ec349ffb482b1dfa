"""From a record's data to pixels, as Caffe decodes it."""

from contextlib import suppress
from typing import cast

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from ftjob.dataset import MOST_PIXELS
from ftjob.dataset.lmdb.datum import Buffer, DatumHead, RecordError
from ftjob.dataset.lmdb.flaws import check_decoded, raw_shape, undecodable

JPEG_MAGIC = b"\xff\xd8\xff"
FORMATS = {"Gray": ("GRAY", 1), "YCbCr": ("BGR", 3)}
"""What is made of a JPEG, and its channels, by its colour space. Of the others, OpenCV makes what it does in
Caffe."""
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # what is wrong is in the error


def decode_data(head: DatumHead, data: Buffer) -> NDArray[np.uint8]:
    """Return the pixels of a record, (H, W, C) uint8 in BGR.

    Encoded data is decoded as io.cpp, DecodeDatumToCVMatNative, does. Raises RecordError where it is no
    image.
    """
    if head.encoded:
        return _decoded(head, data)
    height, width, channels = raw_shape(head, data)
    planes = np.frombuffer(data, dtype=np.uint8).reshape(channels, height, width)
    return cast("NDArray[np.uint8]", cv2.merge(list(planes))).reshape(height, width, channels)


def decode_planes(head: DatumHead, data: Buffer) -> NDArray[np.uint8]:
    """Return the pixels as `decode_data` does, but (C, H, W): without a copy where a record has them so."""
    if head.encoded:
        return _decoded(head, data).transpose(2, 0, 1)
    height, width, channels = raw_shape(head, data)
    return np.frombuffer(data, dtype=np.uint8).reshape(channels, height, width)


def decode_strictly(head: DatumHead, data: Buffer) -> NDArray[np.uint8]:
    """Return the pixels as `decode_data` does, but refuse a JPEG that is cut short or damaged, which Caffe
    and OpenCV fill up with grey. Raises RecordError."""
    if not head.encoded:
        return decode_data(head, data)
    try:
        pixels = _sound_jpeg(data)
    except ValueError as error:
        raise RecordError(
            f"is a damaged JPEG ({error})", "build the dataset again without this image"
        ) from error
    return _decoded_by_opencv(head, data) if pixels is None else pixels


def _decoded(head: DatumHead, data: Buffer) -> NDArray[np.uint8]:
    """Decode a sound JPEG with simplejpeg: the same pixels as OpenCV's, in four fifths of its time."""
    with suppress(ValueError, RecordError):
        pixels = _sound_jpeg(data)
        if pixels is not None:
            return pixels
    return _decoded_by_opencv(head, data)


def _sound_jpeg(data: Buffer) -> NDArray[np.uint8] | None:
    """Return the pixels of a JPEG in grey or colour, None for any other data.

    Raises ValueError for one that is cut short or damaged, RecordError for one of too many pixels.
    """
    if bytes(data[:3]) != JPEG_MAGIC:
        return None
    height, width, space, _ = simplejpeg.decode_jpeg_header(data)
    if height * width > MOST_PIXELS:
        raise RecordError(
            f"is an image of {width}x{height}, and at most {MOST_PIXELS:,} pixels are decoded",
            "make it smaller",
        )
    if space not in FORMATS:
        return None
    colors, channels = FORMATS[space]
    return cast(
        "NDArray[np.uint8]",
        simplejpeg.decode_jpeg(data, colors, buffer=pixel_memory(height * width * channels)),
    )


def pixel_memory(size: int) -> NDArray[np.uint8]:
    """Return memory for the pixels of a JPEG, which begins at an odd address.

    Rows at multiples of 32 libjpeg-turbo writes past the processor's caches (the non-temporal stores of
    jdcolext-avx2.asm), so that whoever reads them next waits for memory: cropping or resizing included, an
    image of 256x256 took 10 to 14% longer, or not, by the luck of malloc.
    """
    return np.empty(size + 1, np.uint8)[1:]


def _decoded_by_opencv(head: DatumHead, data: Buffer) -> NDArray[np.uint8]:
    try:
        pixels = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:  # no data, or more pixels than OpenCV takes
        pixels = None
    if pixels is None:
        raise undecodable(head)
    if pixels.dtype != np.uint8:
        raise RecordError(f"holds {pixels.dtype} pixels, not uint8", "store 8-bit images")
    shaped = cast("NDArray[np.uint8]", pixels[:, :, np.newaxis] if pixels.ndim == 2 else pixels)
    check_decoded(shaped.shape)
    return shaped
