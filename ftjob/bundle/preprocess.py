"""From an image to what the net is given: exactly what Caffe's data layer does in the TEST phase."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Preprocess:
    """The exact preprocessing of a net's training data, as preprocess.json has it."""

    channels: int
    """3: BGR, as OpenCV and Caffe read; 1: grey."""
    height: int
    width: int
    """Of the stored images: what a picture is resized to."""
    resize_mode: str
    crop: int | None
    """Side of the square cut from the middle after resizing; None where the whole image is used."""
    mean: tuple[float, ...]
    """Per channel, or one for all; empty where nothing is subtracted."""
    mean_file: str | None
    """A mean image in the bundle, subtracted instead."""
    scale: float

    def to_json(self) -> dict[str, Any]:
        """Return the values of preprocess.json."""
        return dataclasses.asdict(self)


def preprocess_from_json(values: dict[str, Any]) -> Preprocess:
    """Read `to_json`'s values. Raises TypeError or KeyError where they are not."""
    return Preprocess(**{**values, "mean": tuple(values["mean"])})


def transform(
    image: NDArray[np.uint8], how: Preprocess, mean_image: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Turn a stored image (H, W, C) in BGR into a net's input (C, crop, crop).

    (pixel - mean) * scale on the image's own middle, as data_transformer.cpp does; a mean image (C, H, W) is
    cut at the same place.
    """
    values = image.astype(np.float32).transpose(2, 0, 1)
    rows, columns = (_middle(length, how.crop) for length in image.shape[:2])
    values = values[:, rows, columns]
    if mean_image is not None:
        values = values - mean_image[:, rows, columns]
    elif how.mean:
        values = values - np.asarray(how.mean, dtype=np.float32)[:, np.newaxis, np.newaxis]
    return np.ascontiguousarray(values * np.float32(how.scale))


def _middle(length: int, crop: int | None) -> slice:
    """The pixels of one axis that a crop takes."""
    if crop is None:
        return slice(None)
    start = (length - crop) // 2
    return slice(start, start + crop)
