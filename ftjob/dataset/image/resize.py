"""Resizes pictures to the stored size: the geometry (pure), and the pixels."""

from collections.abc import Mapping
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from ftjob.dataset.modes import Mode

AREA_FACTOR = 2
"""From this reduction on every pixel is averaged over; below it, two neighbours per axis are enough."""


def resized_size(height: int, width: int, to_height: int, to_width: int, mode: Mode) -> tuple[int, int]:
    """Return the (height, width) that a picture is scaled to before it is cut or filled up.

    squash: the stored size itself; crop: the smallest that covers it; fill: the largest inside it;
    half-crop: between the two (DIGITS averages the two reductions).
    """
    down, across = height / to_height, width / to_width
    reductions: Mapping[Mode, float] = {
        "crop": min(down, across),
        "fill": max(down, across),
        "half-crop": (down + across) / 2,
    }
    if mode == "squash":
        return to_height, to_width
    reduction = reductions[mode]
    return max(1, round(height / reduction)), max(1, round(width / reduction))


def scale(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Scale an image (H, W, C) or (H, W): bilinear, as convert_imageset does; averaging from a half down."""
    if image.shape[:2] == (height, width):
        return image
    reduced = max(image.shape[0] / height, image.shape[1] / width) >= AREA_FACTOR
    how = cv2.INTER_AREA if reduced else cv2.INTER_LINEAR
    return cast("NDArray[np.uint8]", cv2.resize(image, (width, height), interpolation=how))


def fit(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Cut out the middle where an axis is too large, put black around where it is too small."""
    spare = (image.shape[0] - height, image.shape[1] - width)
    if spare == (0, 0):
        return image
    top, left = max(spare[0] // 2, 0), max(spare[1] // 2, 0)
    image = image[top : top + height, left : left + width]
    if min(spare) >= 0:
        return np.ascontiguousarray(image)
    canvas = np.zeros((height, width, *image.shape[2:]), dtype=np.uint8)
    top, left = (height - image.shape[0]) // 2, (width - image.shape[1]) // 2
    canvas[top : top + image.shape[0], left : left + image.shape[1]] = image
    return canvas
