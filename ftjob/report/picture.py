"""A whole confusion matrix as a picture, one pixel for each pair: what many classes look like at once."""

import base64
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

LEVELS = 16
"""Of darkness: what keeps a thousand classes below a megabyte."""


def picture_of(confusion: Sequence[Sequence[int]]) -> str:
    """Return a PNG as a data URI: rows are classes, columns the labels they were given; the darker, the
    larger the share (by its square root, so that few images show)."""
    counts = np.array(confusion, dtype=np.float64)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    level = np.ceil(np.sqrt(share) * (LEVELS - 1)).astype(np.uint8)
    image = Image.fromarray(level, mode="P")
    grey = [round(255 * (1 - each / (LEVELS - 1))) for each in range(LEVELS)]
    image.putpalette([value for each in grey for value in (each, each, each)])
    written = io.BytesIO()
    image.save(written, format="PNG", optimize=True, bits=4)
    return f"data:image/png;base64,{base64.b64encode(written.getvalue()).decode('ascii')}"
