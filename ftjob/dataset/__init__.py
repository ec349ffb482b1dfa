"""Datasets: what they hold, how they are made and checked."""

import os

MOST_PIXELS = 50_000_000
"""Of an encoded image in a record: 400 MB where it has four channels of 16 bits."""
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MOST_PIXELS))  # which OpenCV reads when it is loaded
