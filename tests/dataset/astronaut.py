"""NASA's photograph of an astronaut, which scikit-image ships: one face; and pictures without any."""

from pathlib import Path

import cv2
import numpy as np
import skimage
from numpy.typing import NDArray


def picture(name: str = "astronaut.png") -> NDArray[np.uint8]:
    """One of scikit-image's pictures, (H, W, 3) in BGR."""
    return cv2.imread(str(Path(skimage.__file__).parent / "data" / name))


def turned(degrees: float, scale: float = 1.0) -> NDArray[np.uint8]:
    """The photograph turned about its middle, scaled, with black corners."""
    pixels = cv2.resize(picture(), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    height, width = pixels.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    return cv2.warpAffine(pixels, turn, (width, height))
