"""Decodes image files of every kind to the pixels that are stored."""

from dataclasses import dataclass

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from ftjob.dataset.image.resize import fit, resized_size, scale
from ftjob.dataset.lmdb.decode import JPEG_MAGIC, pixel_memory
from ftjob.dataset.modes import Mode

EXIF_SEGMENT = 0xE1
EXIF_MAGIC = b"Exif\0\0"
ENCODER_FLAGS = {"jpg": [cv2.IMWRITE_JPEG_QUALITY, 95], "png": []}
"""As in convert_imageset, so that the bytes are the same."""
HARMLESS = "extraneous bytes"
"""libjpeg's warning about padding between segments: the picture is whole."""


MAX_PIXELS = 100_000_000
"""Of an image file: 300 MB, and 600 MB while a progressive JPEG is decoded."""
LONGEST_SIDE = 65_535
"""Pixels, as of a JPEG: a longer thread is no picture, and becomes a huge one where its short side grows."""


class UnreadableImageError(Exception):
    """An image that cannot be used; the text gives the reason."""


@dataclass(frozen=True)
class Shape:
    """What every stored image is made into."""

    height: int
    width: int
    mode: Mode
    color: bool
    face_crop: bool = False
    """Whether the largest face is cut out first (ftjob.dataset.image.faces)."""


@dataclass(frozen=True)
class Picture:
    """A stored image."""

    pixels: NDArray[np.uint8]
    """(H, W, 3) in BGR, or (H, W) where grey."""
    notes: tuple[str, ...]
    """What was out of the ordinary: rotated, cmyk, 16-bit, alpha, animated, padded, several faces."""


def stored_picture(data: bytes, shape: Shape, most_pixels: int = MAX_PIXELS) -> Picture:
    """Decode an image file and make it the stored shape.

    Raises UnreadableImageError, also for one of more pixels than `most_pixels`, before it is decoded.
    """
    picture = _plain_jpeg(data, shape, most_pixels) if data.startswith(JPEG_MAGIC) else None
    if picture is None:
        from ftjob.dataset.image.pillow import any_image  # here, because plain JPEGs do without Pillow

        picture = any_image(data, shape.color, most_pixels)
    pixels, notes = picture.pixels, picture.notes
    if shape.face_crop:
        pixels, more = _face_of(pixels)
        notes += more
    size = resized_size(pixels.shape[0], pixels.shape[1], shape.height, shape.width, shape.mode)
    check_pixels(*size)
    return Picture(fit(scale(pixels, *size), shape.height, shape.width), notes)


def _face_of(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    from ftjob.dataset.image.faces import cut_face, find_faces

    faces = find_faces(pixels)
    if not faces:
        raise UnreadableImageError("no face was found in it")
    return cut_face(pixels, faces[0]), (("several faces",) if len(faces) > 1 else ())


def check_pixels(height: int, width: int, most: int = MAX_PIXELS) -> None:
    """Raise UnreadableImageError for an image whose header claims more pixels than are decoded."""
    if height * width > most:
        raise UnreadableImageError(f"{width}x{height} is more than {most} pixels")
    if max(height, width) > LONGEST_SIDE:
        raise UnreadableImageError(f"{width}x{height} has a side of more than {LONGEST_SIDE} pixels")


def _plain_jpeg(data: bytes, shape: Shape, most_pixels: int) -> Picture | None:
    """Decode a grey or colour JPEG, at 1/2 to 1/8 where that is still large enough; None for other kinds."""
    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return None
    if space == "CMYK":
        return None
    check_pixels(height, width, most_pixels)
    orientation = _orientation(data)
    wanted = _turned(height, width, orientation)
    if not shape.face_crop:  # a face is small, and wants all its pixels
        wanted = resized_size(*wanted, shape.height, shape.width, shape.mode)
    pixels, notes = _decode_jpeg(data, shape.color, (height, width), _turned(*wanted, orientation))
    if orientation == 1:
        return Picture(pixels, notes)
    return Picture(_upright(pixels, orientation), (*notes, "rotated"))


def _decode_jpeg(
    data: bytes, color: bool, size: tuple[int, int], at_least: tuple[int, int]
) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    def decode(strict: bool) -> NDArray[np.uint8]:
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(
            data,
            "BGR" if color else "GRAY",
            min_height=at_least[0],
            min_width=at_least[1],
            min_factor=2,
            buffer=pixel_memory(size[0] * size[1] * (3 if color else 1)),
            strict=strict,
        )
        return pixels if color else pixels[:, :, 0]

    try:
        return decode(strict=True), ()
    except ValueError as error:
        if HARMLESS not in str(error):
            raise UnreadableImageError(f"damaged or cut short ({error})") from error
        return decode(strict=False), ("padded",)


def _orientation(data: bytes) -> int:
    """The Exif orientation of a JPEG, 1 (upright) to 8; 1 where it has none."""
    at = len(JPEG_MAGIC) - 1
    while (
        data[at : at + 1] == b"\xff" and data[at + 1 : at + 2] >= b"\xe0"
    ):  # application segments come first
        size = int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at + 1] == EXIF_SEGMENT and data.startswith(EXIF_MAGIC, at + 4):
            from ftjob.dataset.image.pillow import exif_orientation

            return exif_orientation(data[at + 4 : at + 2 + size])
        at += 2 + size
    return 1


def _turned(height: int, width: int, orientation: int) -> tuple[int, int]:
    return (width, height) if orientation >= 5 else (height, width)


def _upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Undo an Exif orientation: 2 to 4 mirror or turn by 180°, 5 to 8 also swap the axes."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def encode_pixels(pixels: NDArray[np.uint8], encoding: str) -> bytes:
    """Return the data of a Datum: CHW bytes for raw, a file's bytes for png and jpg (quality 95)."""
    if encoding == "raw":
        planes = cv2.split(pixels) if pixels.ndim == 3 else (pixels,)
        return b"".join(plane.tobytes() for plane in planes)
    return cv2.imencode(f".{encoding}", pixels, ENCODER_FLAGS[encoding])[1].tobytes()
