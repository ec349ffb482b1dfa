"""What an image file claims of itself, read without decoding a pixel."""

import io

from PIL import Image, UnidentifiedImageError

from ftjob.dataset.image.pillow import DECODER_ERRORS
from ftjob.dataset.image.pixels import UnreadableImageError


def picture_size(data: bytes) -> tuple[int, int]:
    """Return (width, height) as the file's header has them. Raises UnreadableImageError."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.size
    except UnidentifiedImageError as error:
        raise UnreadableImageError("no image of a known kind") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise UnreadableImageError("its header claims more pixels than anybody decodes") from None
    except DECODER_ERRORS as error:
        raise UnreadableImageError(f"damaged or cut short ({error})") from error
