"""What becomes of a record's pixels: a transform_param (data_transformer.cpp)."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ftjob.mean import read_mean_image
from ftjob.net.layers.rule import Shape, refuse, text
from ftjob.net.proto.caffe_pb2 import TRAIN, LayerParameter, Phase

Pixels = NDArray[np.uint8]
Values = NDArray[np.float32]
GREY = np.array([1868, 9617, 4899])
"""Of blue, green and red in 2^14 parts, as OpenCV has it."""


class Transform:
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
        values = np.array(self.param.mean_value, np.float32)
        if values.size not in (0, 1, self.shape[0]):
            raise refuse(
                layer, f"it has {values.size} mean_value for {self.shape[0]} channels: give one each"
            )
        return values.reshape(-1, 1, 1) if values.size else None

    def into(self, out: Values, pixels: Pixels, draws: NDArray[np.float64]) -> None:
        """Transform pixels (H, W, C) into `out` (C, H, W). `draws` are three numbers from 0 to below 1: for
        row and column of the crop, and for the mirror. Raises ValueError for an image of another shape."""
        planes = self._coloured(pixels).transpose(2, 0, 1)
        window = self._window(planes.shape, draws)
        cropped = planes[:, window[0], window[1]]
        if cropped.shape != out.shape:
            raise ValueError(f"it is {text(planes.shape)}, and {text(out.shape)} is wanted: build it again")
        target = out[:, :, ::-1] if self.param.mirror and draws[2] >= 0.5 else out
        if self.mean is None:
            target[...] = cropped
        else:
            np.subtract(cropped, self._mean_at(planes.shape, window), out=target, dtype=np.float32)
        if self.param.scale != 1:
            out *= np.float32(self.param.scale)

    def _window(self, shape: Shape, draws: NDArray[np.float64]) -> tuple[slice, slice]:
        """Where the crop is: anywhere while training, else in the middle."""
        size = self.param.crop_size
        if not size:
            return slice(None), slice(None)
        shares = draws[:2] if self.random_crop else (0.0, 0.0)
        begins = [
            int(share * (side - size + 1)) if self.random_crop else (side - size) // 2
            for share, side in zip(shares, shape[1:], strict=True)
        ]
        if min(begins) < 0:
            raise ValueError(f"it is {text(shape)}, smaller than crop_size {size}: build it again")
        return slice(begins[0], begins[0] + size), slice(begins[1], begins[1] + size)

    def _mean_at(self, shape: Shape, window: tuple[slice, slice]) -> Values:
        assert self.mean is not None
        if not self.param.mean_file:
            return self.mean
        if self.mean.shape != shape:
            raise ValueError(
                f"it is {text(shape)}, and the mean_file {text(self.mean.shape)}: build it again"
            )
        return self.mean[:, window[0], window[1]]

    def _coloured(self, pixels: Pixels) -> Pixels:
        """Give an image the channels that force_color and force_gray ask for."""
        channels = pixels.shape[2]
        if self.param.force_color and channels != self.shape[0]:
            return np.repeat(pixels, 3, 2) if channels == 1 else pixels[:, :, :3]
        if self.param.force_gray and channels > 1:
            return np.asarray((pixels[:, :, :3] @ GREY + (1 << 13)) >> 14, np.uint8)[:, :, np.newaxis]
        return pixels
