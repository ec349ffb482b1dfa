"""Every kind of image file."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ftjob.dataset.image.pixels import Shape, UnreadableImageError, encode_pixels, stored_picture
from tests.dataset.images import file_of, jpeg, photo, rgb

COLOR = Shape(60, 80, "squash", color=True)
GREY = Shape(60, 80, "squash", color=False)


def difference(picture: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """The largest difference of two pixels."""
    return float(np.abs(picture.astype(int) - other).max())


def test_a_jpeg_is_what_opencv_reads() -> None:
    """A plain JPEG of the stored size is stored as Caffe itself would read it, to the bit."""
    data = jpeg(photo(1))

    stored = stored_picture(data, COLOR)

    assert np.array_equal(stored.pixels, cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR))
    assert stored.notes == ()


def test_grey_is_what_opencv_reads() -> None:
    """In grey too."""
    data = jpeg(photo(1))

    expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert np.array_equal(stored_picture(data, GREY).pixels, expected)


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_exif_orientation_is_undone(orientation: int, kind: str) -> None:
    """A picture taken on its side is stored upright, as Pillow turns it, and noted."""
    image = rgb(photo(3))
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = file_of(image, kind, exif=exif, quality=100, subsampling=0)
    with_exif = image.copy()
    with_exif.getexif()[0x0112] = orientation
    upright = np.asarray(ImageOps.exif_transpose(with_exif))[:, :, ::-1]

    stored = stored_picture(data, Shape(*upright.shape[:2], "squash", color=True))

    assert difference(stored.pixels, upright) <= 8
    assert stored.notes == ("rotated",)


def test_large_jpegs_are_decoded_small() -> None:
    """Scaled decoding changes next to nothing: the picture stays the one that a full decoding gives."""
    large = cv2.resize(photo(4), (2400, 1800), interpolation=cv2.INTER_CUBIC)

    stored = stored_picture(jpeg(large), COLOR)

    assert difference(stored.pixels, cv2.resize(large, (80, 60), interpolation=cv2.INTER_AREA)) <= 12


def sixteen_bits(image: Image.Image) -> bytes:
    grey = np.asarray(image.convert("L")).astype(np.uint16) * 257
    return file_of(Image.fromarray(grey), "PNG")


def sixteen_bits_colour(image: Image.Image) -> bytes:
    encoded = cv2.imencode(".png", np.asarray(image)[:, :, ::-1].astype(np.uint16) * 257)[1]
    return encoded.tobytes()


def animated(image: Image.Image) -> bytes:
    return file_of(image, "PNG", save_all=True, append_images=[ImageOps.invert(image)])


def opaque(image: Image.Image) -> bytes:
    image.putalpha(255)
    return file_of(image, "PNG")


@pytest.mark.parametrize(
    ("write", "note", "shape"),
    [
        (lambda image: file_of(image.convert("CMYK"), "JPEG", quality=100, subsampling=0), "cmyk", COLOR),
        (lambda image: file_of(image.convert("CMYK"), "TIFF"), "cmyk", COLOR),
        (sixteen_bits, "16-bit", GREY),
        (sixteen_bits_colour, "16-bit", COLOR),
        (animated, "animated", COLOR),
        (opaque, "alpha", COLOR),
    ],
)
def test_uncommon_images_are_read_and_noted(
    write: Callable[[Image.Image], bytes], note: str, shape: Shape
) -> None:
    """CMYK, 16 bits, animations (their first frame) and alpha become what they look like, and are counted."""
    image = rgb(photo(5))
    expected = stored_picture(file_of(image, "PNG"), shape).pixels

    stored = stored_picture(write(image), shape)

    assert stored.notes == (note,)
    assert difference(stored.pixels, expected) <= 6


@pytest.mark.parametrize("kind", ["BMP", "GIF", "PPM", "TIFF", "WEBP"])
def test_other_formats(kind: str) -> None:
    """What Pillow reads is read."""
    assert stored_picture(file_of(rgb(photo(6)), kind), COLOR).pixels.shape == (60, 80, 3)


def test_what_is_transparent_becomes_white() -> None:
    """Transparent pixels show white, whatever colour is hidden in them."""
    image = Image.new("RGBA", (80, 60), (0, 0, 255, 0))

    assert (stored_picture(file_of(image, "PNG"), COLOR).pixels == 255).all()


def test_padding_in_a_jpeg_is_no_damage() -> None:
    """Bytes too many before the end are noted and otherwise of no consequence."""
    data = jpeg(photo(7))

    stored = stored_picture(data[:-2] + b"\x11" * 20 + data[-2:], COLOR)

    assert stored.notes == ("padded",)
    assert np.array_equal(stored.pixels, stored_picture(data, COLOR).pixels)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (jpeg(photo(8))[:900], "damaged or cut short"),
        (file_of(rgb(photo(8)), "JPEG", progressive=True)[:900], "damaged or cut short"),
        (file_of(rgb(photo(8)), "PNG")[:900], "damaged or cut short"),
        (b"", "no image of a known kind"),
        (b"\0" * 99, "no image of a known kind"),
        (b"<html>not found</html>", "no image of a known kind"),
        (
            b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
            "a HEIC photograph, which ftjob does not read: save it as JPEG",
        ),
        (b"\xff\xd8\xff\xe0 and no more", "damaged or cut short"),
        (file_of(Image.new("F", (8, 8)), "TIFF"), "floating-point"),
    ],
)
def test_unusable_images_are_refused_with_the_reason(data: bytes, why: str) -> None:
    """An image that is cut short or none at all is refused, never stored in part."""
    with pytest.raises(UnreadableImageError, match=why):
        stored_picture(data, COLOR)


@pytest.mark.parametrize("shape", [COLOR, GREY])
@pytest.mark.parametrize("encoding", ["png", "jpg"])
def test_encodings_keep_the_picture(shape: Shape, encoding: str) -> None:
    """PNG keeps every pixel, JPEG looks the same."""
    pixels = stored_picture(jpeg(photo(9)), shape).pixels

    back = cv2.imdecode(np.frombuffer(encode_pixels(pixels, encoding), np.uint8), cv2.IMREAD_UNCHANGED)

    assert difference(back, pixels) <= (0 if encoding == "png" else 12)
