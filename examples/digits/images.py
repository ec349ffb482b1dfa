"""Write scikit-learn's handwritten digits out as PNG files, one folder per class."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

SHADES = 16
"""The digits' pixels are counts from 0 to 16."""


def write_digits(folder: Path, classes: Iterable[int], count: slice) -> Mapping[str, int]:
    """Write the `count` slice of each class's images to folder/<class>/<number>.png; return how many."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    written = {}
    for label in classes:
        images = digits.images[digits.target == label][count]
        for number, image in enumerate(images):
            path = folder / str(label) / f"{number:03d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray((image * 255 / SHADES).astype(np.uint8)).save(path)
        written[str(label)] = len(images)
    return written
