"""What a base net defines for its images: its own data layers' transform, or its input's size."""

from dataclasses import dataclass
from pathlib import PurePosixPath

from ftjob.net.proto.caffe_pb2 import LayerParameter, NetParameter
from ftjob.net.topology.layertypes import DATA

_IMAGE_AXES = 4

MEANS_OF_FILES = {"imagenet_mean.binaryproto": (104.0, 117.0, 123.0)}
"""Mean images that published nets name, and their means per channel (BGR), rounded as published nets do."""


@dataclass(frozen=True)
class Transform:
    """What a net's own data layers do to its images, as Caffe's transform_param has it."""

    layer: str
    """The data layer, or the input."""
    crop: int | None
    """Side of the square that reaches the net; None where the net does not define one, or it is no square."""
    mean: tuple[float, ...]
    """Values per channel (BGR), or one for all; empty where none is subtracted, or `mean_file` is."""
    mean_file: str
    """A mean image, as the prototxt names it; empty where there is none."""
    scale: float
    mirror: bool

    @property
    def known_mean(self) -> tuple[float, ...]:
        """The values, those of a mean image that is known by its name, or none."""
        return self.mean or MEANS_OF_FILES.get(PurePosixPath(self.mean_file.replace("\\", "/")).name, ())


def own_transform(net: NetParameter) -> Transform | None:
    """Return what a net's own data layers do, each setting from the first that has it; None without any.

    The deprecated fields of data_param are not looked at, as Caffe does not (data_transformer.cpp).
    """
    layers = [layer for layer in net.layer if layer.type in DATA]
    if not layers:
        return None
    params = [layer.transform_param for layer in layers]
    crops = [param.crop_size for param in params] + [_input_side(layer) for layer in layers]
    means = [param for param in params if param.mean_value or param.mean_file]
    return Transform(
        layer=layers[0].name,
        crop=next((crop for crop in crops if crop), None),
        mean=tuple(means[0].mean_value) if means else (),
        mean_file=means[0].mean_file if means else "",
        scale=next((param.scale for param in params if param.scale != 1), 1.0),
        mirror=any(param.mirror for param in params),
    )


def _input_side(layer: LayerParameter) -> int:
    """The side of the square images that a layer's own field gives; 0 where it gives none."""
    shape: tuple[int, ...] = ()
    if layer.type == "Input" and layer.input_param.shape:
        shape = tuple(layer.input_param.shape[0].dim)
    elif layer.type == "DummyData" and layer.dummy_data_param.shape:
        shape = tuple(layer.dummy_data_param.shape[0].dim)
    elif layer.type == "MemoryData":
        memory = layer.memory_data_param
        shape = (memory.batch_size, memory.channels, memory.height, memory.width)
    return shape[-1] if len(shape) == _IMAGE_AXES and shape[-1] == shape[-2] else 0
