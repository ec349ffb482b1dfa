"""Preprocesses an image exactly as Caffe's data layer does in the TEST phase."""

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, StringConstraints

from ftjob.bundle.schema import Channels, MeanFile, Number, Side
from ftjob.net import data_transformer


@dataclass(frozen=True)
class Preprocess:
    """The exact preprocessing of a net's training data, as preprocess.json has it."""

    channels: Channels
    """3: BGR, as OpenCV and Caffe read; 1: grey."""
    height: Side
    width: Side
    """Of the stored images: the size after resizing."""
    resize_mode: Annotated[str, StringConstraints(strict=True, max_length=100)]
    crop: Side | None
    """Side of the square cut from the middle after resizing; None where the whole image is used."""
    mean: Annotated[tuple[Number, ...], Field(max_length=3)]
    """Per channel, or one for all; empty where nothing is subtracted."""
    mean_file: MeanFile | None
    """A mean image in the bundle, subtracted instead."""
    scale: Number
    face_crop: Annotated[bool, Field(strict=True)] = False
    """Whether the largest face is cut out of a picture before all else."""

    def __post_init__(self) -> None:
        if self.channels == 2:
            raise ValueError("channels are 1 or 3")
        if len(self.mean) not in (0, 1, self.channels):
            raise ValueError(f"mean has {len(self.mean)} numbers for {self.channels} channels")
        if self.crop and self.crop > min(self.height, self.width):
            raise ValueError(f"crop {self.crop} is larger than the images, {self.height}x{self.width}")

    def to_json(self) -> dict[str, Any]:
        """Return the values of preprocess.json."""
        return dataclasses.asdict(self)


def transform(
    image: NDArray[np.uint8], how: Preprocess, mean_image: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Turn a stored image (H, W, C) in BGR into a net's input (C, crop, crop).

    The crop is the middle, and a mean image (C, H, W) is cut at the same place.
    """
    window = data_transformer.middle((image.shape[0], image.shape[1]), how.crop)
    planes = data_transformer.cut(image.transpose(2, 0, 1), window)
    mean = None
    if mean_image is not None:
        mean = data_transformer.cut(mean_image, window)
    elif how.mean:
        mean = data_transformer.per_channel(how.mean)
    values = np.empty(planes.shape, np.float32)
    data_transformer.transform(planes, mean, how.scale, values)
    return values
