"""Copies images plane by plane."""

import cv2
import numpy as np
from numpy.typing import NDArray


def copy_planes(planes: NDArray[np.uint8], out: NDArray[np.uint8], *, mirrored: bool) -> None:
    """Copy an image (C, H, W), mirrored or not, to a contiguous one.

    OpenCV does it where NumPy would go pixel by pixel: for mirrored planes, and for those of a decoded
    picture, whose channels lie beside each other.
    """
    if planes.strides[2] == 1:
        for source, target in zip(planes, out, strict=True):
            if mirrored:
                cv2.flip(source, 1, target)
            else:
                np.copyto(target, source)
    else:
        picture = planes.transpose(1, 2, 0)
        # in one piece: of rows with gaps, OpenCV's split takes ten times as long
        whole = cv2.flip(picture, 1) if mirrored else np.ascontiguousarray(picture)
        cv2.split(whole, list(out))
