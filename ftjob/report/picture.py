"""A whole confusion matrix as a picture, one pixel for each pair: what many classes look like at once."""

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

LEVELS = 16
"""Of darkness: what keeps a thousand classes below a megabyte."""
LARGEST = 1000
"""Pixels of a side."""


def picture_of(cells: NDArray[np.int64], classes: int) -> str:
    """Return a PNG as a data URI of cells (M, 3): rows are classes, columns the labels they were given; the
    darker, the larger the share (by its square root, so that few images show). Of more than LARGEST classes
    several share a pixel."""
    each = -(-classes // LARGEST)
    side = -(-classes // each)
    counts = np.zeros((side, side))
    np.add.at(counts, (cells[:, 0] // each, cells[:, 1] // each), cells[:, 2])
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    level = np.ceil(np.sqrt(share) * (LEVELS - 1)).astype(np.uint8)
    image = Image.fromarray(level, mode="P")
    grey = [round(255 * (1 - step / (LEVELS - 1))) for step in range(LEVELS)]
    image.putpalette([value for shade in grey for value in (shade,) * 3])
    written = io.BytesIO()
    image.save(written, format="PNG", optimize=True, bits=4)
    return f"data:image/png;base64,{base64.b64encode(written.getvalue()).decode('ascii')}"
