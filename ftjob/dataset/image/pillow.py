"""Every image that is not a plain JPEG, read with Pillow."""

import io
import struct

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from ftjob.dataset.image.pixels import Picture, UnreadableImageError, check_pixels

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
PNG_DEPTH_AT = 24
ORIENTATION = 0x0112
DECODER_ERRORS = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    TypeError,
    LookupError,
    ArithmeticError,
    struct.error,
    Image.DecompressionBombError,
)
"""What Pillow's readers raise at damaged files."""


HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
"""What HEIC files have as their major brand, behind `ftyp` (ISO/IEC 23008-12)."""


def any_image(data: bytes, color: bool, most_pixels: int) -> Picture:
    """Decode whatever Pillow can; of an animation the first frame. Raises UnreadableImageError."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            check_pixels(image.height, image.width, most_pixels)
            notes = _notes(image, data)
            upright = ImageOps.exif_transpose(image)
            return Picture(_pixels(upright, color), notes)
    except UnidentifiedImageError as error:
        heic = data[4:8] == b"ftyp" and data[8:12] in HEIC_BRANDS
        what = (
            "a HEIC photograph, which ftjob does not read: save it as JPEG"
            if heic
            else "no image of a known kind"
        )
        raise UnreadableImageError(what) from error
    except DECODER_ERRORS as error:
        raise UnreadableImageError(f"damaged or cut short ({error})") from error


def _notes(image: Image.Image, data: bytes) -> tuple[str, ...]:
    deep_png = data.startswith(PNG_MAGIC) and data[PNG_DEPTH_AT] == 16
    present = {
        "rotated": image.getexif().get(ORIENTATION, 1) != 1,
        "cmyk": image.mode == "CMYK",
        "16-bit": deep_png or image.mode.startswith("I"),
        "alpha": image.has_transparency_data,
        "animated": getattr(image, "is_animated", False),
    }
    return tuple(note for note, applies in present.items() if applies)


def _pixels(image: Image.Image, color: bool) -> NDArray[np.uint8]:
    if image.mode == "F":
        raise UnreadableImageError("its pixels are floating-point numbers: save it with 8 bits per channel")
    if image.mode.startswith("I"):
        image = _eight_bits(image)
    if image.has_transparency_data:
        image = _on_white(image)
    pixels = np.asarray(image.convert("RGB" if color else "L"))
    return np.ascontiguousarray(pixels[:, :, ::-1]) if color else pixels


def _eight_bits(image: Image.Image) -> Image.Image:
    """Scale 0 to 65535 to 0 to 255."""
    values = np.asarray(image).astype(np.int64).clip(0, 65535)
    return Image.fromarray(((values + 128) // 257).astype(np.uint8))


def _on_white(image: Image.Image) -> Image.Image:
    layered = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered)


def exif_orientation(segment: bytes) -> int:
    """Return the orientation in an Exif segment, 1 (upright) to 8; 1 where it has none."""
    exif = Image.Exif()
    try:
        exif.load(segment)
        orientation = exif.get(ORIENTATION, 1)
    except (SyntaxError, ValueError, KeyError, OSError):
        return 1  # broken Exif has no orientation
    return orientation if orientation in range(1, 9) else 1
