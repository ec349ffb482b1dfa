"""Reads golden images as a net's input: PNG or JPEG of bounded size and number."""

import io
import warnings
from math import prod

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ftjob.bundle.preprocess import Preprocess, transform
from ftjob.bundle.schema import GoldenScores
from ftjob.dataset.image.pillow import DECODER_ERRORS
from ftjob.dataset.mean_image import LARGEST as LARGEST_MEAN
from ftjob.dataset.mean_image import mean_image
from ftjob.errors import BadNetError
from ftjob.fs.documents import UnreadableError, read_bytes
from ftjob.runfolder.layout import BundleFolder

LARGEST_FILE = 64 * 2**20
MOST_PIXELS = 2**24
"""Of an image: 48 MiB in colour."""
MOST_BYTES = 200 * 2**20
"""Of all images together as the net's input: 16 of 1024x1024 in colour."""
_MODES = {1: "L", 3: "RGB"}


def golden_inputs(
    bundle: BundleFolder, how: Preprocess, golden: GoldenScores, shape: tuple[int, int, int]
) -> NDArray[np.float32]:
    """Return the preprocessed golden images, (N, C, H, W), each of a shape (C, H, W).

    Raises BadNetError, naming the file, for one that is not such an image.
    """
    count = len(golden.images)
    if count > most_images(shape):
        raise BadNetError(
            f"{bundle.golden_scores}: {count} images for the net's input take more than "
            f"{MOST_BYTES >> 20} MiB: make the bundle again"
        )
    path = bundle.mean
    inputs = np.empty((count, *shape), dtype=np.float32)
    try:
        mean = mean_image(read_bytes(path, LARGEST_MEAN)) if how.mean_file else None
        for row, each in zip(inputs, golden.images, strict=True):
            path = bundle.golden / each.image
            row[...] = _input(_pixels(read_bytes(path, LARGEST_FILE), how), how, mean, shape)
    except UnreadableError as error:
        raise BadNetError(f"{path}: {error}: copy it again from the run") from None
    except OSError as error:
        raise BadNetError(f"{path}: cannot be read ({error.strerror}): copy it again from the run") from None
    return inputs


def golden_pixels(bundle: BundleFolder, how: Preprocess, golden: GoldenScores) -> NDArray[np.uint8]:
    """Return the golden images as they are stored, (N, H, W, C) in BGR, as many as fit into MOST_BYTES.

    Raises BadNetError, naming the file, for one that does not have the size in preprocess.json.
    """
    shape = (how.height, how.width, how.channels)
    fitting = golden.images[: max(1, MOST_BYTES // prod(shape))]
    images = []
    for each in fitting:
        path = bundle.golden / each.image
        try:
            pixels = _pixels(read_bytes(path, LARGEST_FILE), how)
        except (UnreadableError, OSError) as error:
            raise BadNetError(f"{path}: {error}: copy it again from the run") from None
        if pixels.shape != shape:
            raise BadNetError(
                f"{path}: is not of {how.width}x{how.height} pixels, the size in preprocess.json, which a "
                "file that prepares images itself is made for: export with --input prepared"
            )
        images.append(pixels)
    return np.stack(images)


def most_images(shape: tuple[int, ...]) -> int:
    """Return how many images of a shape (C, H, W) a bundle may have."""
    return max(1, MOST_BYTES // (4 * prod(shape)))


def _pixels(data: bytes, how: Preprocess) -> NDArray[np.uint8]:
    """Decode an image, (H, W, C) in BGR. Raises UnreadableError."""
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as picture:
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            width, height = picture.size
            if width * height > MOST_PIXELS:
                raise UnreadableError(f"has {width}x{height} pixels, and at most {MOST_PIXELS:,} are read")
            if picture.mode != _MODES[how.channels]:
                raise UnreadableError(
                    f"does not have {how.channels} channels of 8 bits, as in preprocess.json"
                )
            pixels = np.asarray(picture)
    except UnreadableError:
        raise
    except (*DECODER_ERRORS, Image.DecompressionBombWarning):
        raise UnreadableError("is not a whole PNG or JPEG image") from None
    return pixels[:, :, np.newaxis] if how.channels == 1 else pixels[:, :, ::-1]


def _input(
    pixels: NDArray[np.uint8], how: Preprocess, mean: NDArray[np.float32] | None, shape: tuple[int, ...]
) -> NDArray[np.float32]:
    height, width, channels = pixels.shape
    if min(height, width) < how.crop if how.crop else (height, width) != shape[1:]:
        raise UnreadableError(f"is of {width}x{height} pixels, of which the net's input cannot be made")
    if mean is not None and mean.shape != (channels, height, width):
        raise UnreadableError(f"is of {width}x{height} pixels, and mean.binaryproto is not")
    with np.errstate(over="ignore", invalid="ignore"):
        values = transform(pixels, how, mean)
    if not np.isfinite(values).all():
        raise UnreadableError("becomes numbers beyond float32 with this mean and scale")
    return values
