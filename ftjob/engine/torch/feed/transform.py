"""Transforms a record's pixels by a transform_param (data_transformer.cpp)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ftjob.dataset.image.planes import copy_planes
from ftjob.dataset.mean_image import read_mean_image
from ftjob.net import data_transformer
from ftjob.net.data_transformer import Window
from ftjob.net.layers.rule import Shape, refuse, text
from ftjob.net.proto.caffe_pb2 import TRAIN, LayerParameter, Phase

Pixels = NDArray[np.uint8]
Values = NDArray[np.float32]
Draw = Sequence[float]
"""Three numbers for one image, each from 0 to below 1: for row and column of the crop, and for the mirror."""
GREY = np.array([1868, 9617, 4899])
"""Of blue, green and red in 2^14 parts, as OpenCV has it."""


class ImageTransform:
    """Colour, crop, mean, mirror, scale; in float32."""

    def __init__(self, layer: LayerParameter, shape: Shape, phase: Phase) -> None:
        """`shape` is that of the layer's images: (channels, height, width)."""
        self.param = layer.transform_param
        self.shape = shape
        self.random_crop = bool(self.param.crop_size) and phase == TRAIN
        self.mean = self._mean(layer)

    @property
    def draws(self) -> bool:
        """Whether anything depends on random numbers."""
        return self.random_crop or self.param.mirror

    def _mean(self, layer: LayerParameter) -> Values | None:
        if self.param.mean_file and self.param.mean_value:
            raise refuse(layer, "give mean_file or mean_value, not both")
        if self.param.mean_file:
            return read_mean_image(Path(self.param.mean_file))
        values = tuple(self.param.mean_value)
        if len(values) not in (0, 1, self.shape[0]):
            raise refuse(
                layer, f"it has {len(values)} mean_value for {self.shape[0]} channels: give one each"
            )
        return data_transformer.per_channel(values) if values else None

    @property
    def ends_alike(self) -> bool:
        """Whether mean and scale are the same for all images, so that a whole batch can be given them."""
        return not (self.param.mean_file and self.draws)

    @property
    def kind(self) -> type[np.uint8 | np.float32]:
        """What a batch has of its images: pixels where they end alike, else values."""
        return np.uint8 if self.ends_alike else np.float32

    def into(self, out: Values, planes: Pixels, draw: Draw) -> None:
        """Transform pixels (C, H, W) into `out`, of the layer's shape. Raises ValueError for an image of
        another shape."""
        planes = self._coloured(planes)
        window = self._window(planes.shape, draw)
        mean = self._mean_at(planes.shape, window)
        mirrored = self.mirrors(draw)
        pixels = np.empty(self.shape, np.uint8)
        copy_planes(self._cut(planes, window), pixels, mirrored=mirrored)
        cut_mean = mean[:, :, ::-1] if mean is not None and mirrored else mean
        data_transformer.transform(pixels, cut_mean, self.param.scale, out)

    def pixels_into(self, out: Pixels, planes: Pixels, draw: Draw) -> None:
        """Do the same without mean and scale, which are applied to the whole batch (see `end`)."""
        planes = self._coloured(planes)
        window = self._window(planes.shape, draw)
        self._mean_at(planes.shape, window)
        copy_planes(self._cut(planes, window), out, mirrored=self.mirrors(draw))

    def end(self) -> tuple[Values | None, float]:
        """Return the mean that is subtracted from every image of a batch, and the factor then.

        The mean is (C, 1, 1) or of the images' shape. Raises ValueError for a mean image of another shape.
        """
        if self.mean is None or not self.param.mean_file:
            return self.mean, self.param.scale
        window = data_transformer.middle(self.mean.shape[1:], self.param.crop_size)
        return self._mean_at(self.mean.shape, window), self.param.scale

    def mirrors(self, draw: Draw) -> bool:
        """Return whether an image is mirrored."""
        return self.param.mirror and draw[2] >= 0.5

    def _cut(self, planes: Pixels, window: Window) -> Pixels:
        cropped = data_transformer.cut(planes, window)
        if cropped.shape != self.shape:
            raise ValueError(f"it is {text(planes.shape)}, and {text(self.shape)} is wanted: build it again")
        return cropped

    def _window(self, shape: Shape, draw: Draw) -> Window:
        """Where the crop is: anywhere while training, else in the middle."""
        size, (_, height, width) = self.param.crop_size, shape
        if size > min(height, width):
            raise ValueError(f"it is {text(shape)}, smaller than crop_size {size}: build it again")
        if not self.random_crop:
            return data_transformer.middle((height, width), size)
        row, column = int(draw[0] * (height - size + 1)), int(draw[1] * (width - size + 1))
        return data_transformer.window_at(row, column, size)

    def _mean_at(self, shape: Shape, window: Window) -> Values | None:
        if self.mean is None or not self.param.mean_file:
            return self.mean
        if self.mean.shape != shape:
            raise ValueError(
                f"it is {text(shape)}, and the mean_file {text(self.mean.shape)}: build it again"
            )
        return data_transformer.cut(self.mean, window)

    def _coloured(self, planes: Pixels) -> Pixels:
        """Give an image the channels that force_color and force_gray ask for."""
        channels = planes.shape[0]
        if self.param.force_color and channels != self.shape[0]:
            return np.repeat(planes, 3, 0) if channels == 1 else planes[:3]
        if self.param.force_gray and channels > 1:
            grey = (planes[:3].transpose(1, 2, 0) @ GREY + (1 << 13)) >> 14
            return np.asarray(grey, np.uint8)[np.newaxis]
        return planes
