"""Layers without bottoms: where images and labels come from."""

from collections.abc import Mapping, Sequence

from ftjob.net.layers.rule import Rule, Setup, Shape, refuse, text
from ftjob.net.proto.caffe_pb2 import LayerParameter, TransformationParameter

_BATCH_SIZE = {
    "Data": "data_param",
    "HDF5Data": "hdf5_data_param",
    "ImageData": "image_data_param",
    "WindowData": "window_data_param",
}


def source_tops(layer: LayerParameter, inputs: Mapping[str, Shape]) -> tuple[Shape, ...]:
    """Return the tops of a layer without bottoms, with what is known of them from outside.

    A shape in `inputs` overrides the prototxt's; a second top that is not there is the label, one
    per image. Raises BadNetError where a shape can be known from neither.
    """
    rule = RULES[layer.type]
    if layer.top[0] not in inputs:
        return rule.infer(layer, ()).tops
    images = inputs[layer.top[0]][:1]
    stated = () if layer.type in _BATCH_SIZE else rule.infer(layer, ()).tops
    known = [inputs.get(top, stated[index] if stated else images) for index, top in enumerate(layer.top)]
    return tuple(known)


def data_shape(layer: LayerParameter, record: Shape) -> Shape:
    """Return the first top of a Data layer whose records are `record` (channels, height, width), cropped as
    its transform_param sets. Raises BadNetError where the crop is larger than a record or batch_size is 0."""
    batch_size: int = getattr(layer, _BATCH_SIZE[layer.type]).batch_size
    if batch_size < 1:
        raise refuse(layer, "batch_size must be at least 1")
    transform: TransformationParameter = layer.transform_param
    channels, *size = record
    if transform.force_color or transform.force_gray:
        channels = 3 if transform.force_color else 1
    if transform.crop_size:
        if transform.crop_size > min(size):
            raise refuse(layer, f"crop_size {transform.crop_size} is larger than its images, {text(record)}")
        size = [transform.crop_size] * 2
    return (batch_size, channels, *size)


def data_inputs(layers: Sequence[LayerParameter], record: Shape) -> dict[str, Shape]:
    """Return the shapes that `infer_shapes` needs for nets fed from one dataset: the first top of each Data
    layer, for records of (channels, height, width)."""
    return {layer.top[0]: data_shape(layer, record) for layer in layers if layer.type == "Data" and layer.top}


def _from_outside(layer: LayerParameter, bottoms: Sequence[Shape]) -> Setup:
    raise refuse(layer, f'the prototxt does not say the shape of "{layer.top[0]}": it comes from the data')


def _memory_data(layer: LayerParameter, bottoms: Sequence[Shape]) -> Setup:
    param = layer.memory_data_param
    data = (param.batch_size, param.channels, param.height, param.width)
    return Setup((data, (param.batch_size,)))


def _input(layer: LayerParameter, bottoms: Sequence[Shape]) -> Setup:
    shapes = [tuple(shape.dim) for shape in layer.input_param.shape]
    return Setup(_one_each(layer, "input_param.shape", shapes))


def _one_each(layer: LayerParameter, field: str, given: Sequence[Shape]) -> tuple[Shape, ...]:
    if len(given) not in (1, len(layer.top)):
        raise refuse(layer, f"{field} must be given once or once per top, not {len(given)} times")
    return tuple(given) * len(layer.top) if len(given) == 1 else tuple(given)


def _dummy_data(layer: LayerParameter, bottoms: Sequence[Shape]) -> Setup:
    param = layer.dummy_data_param
    if len(param.data_filler) not in (0, 1, len(layer.top)):
        raise refuse(layer, "data_filler must be given once or once per top")
    legacy = [("num", param.num), ("channels", param.channels), ("height", param.height)]
    legacy.append(("width", param.width))
    if not any(values for _, values in legacy):
        return Setup(_one_each(layer, "shape", [tuple(shape.dim) for shape in param.shape]))
    if param.shape:
        raise refuse(layer, "give shape, or num, channels, height and width, not both")
    columns = [_one_each(layer, name, [(value,) for value in values]) for name, values in legacy]
    return Setup(tuple(sum(rows, ()) for rows in zip(*columns, strict=True)))


RULES = {
    "Data": Rule(_from_outside, bottoms=(0, 0), tops=(1, 2)),
    "DummyData": Rule(_dummy_data, bottoms=(0, 0), tops=(1, None)),
    "HDF5Data": Rule(_from_outside, bottoms=(0, 0), tops=(1, None)),
    "ImageData": Rule(_from_outside, bottoms=(0, 0), tops=(2, 2)),
    "Input": Rule(_input, bottoms=(0, 0), tops=(1, None)),
    "MemoryData": Rule(_memory_data, bottoms=(0, 0), tops=(2, 2)),
    "WindowData": Rule(_from_outside, bottoms=(0, 0), tops=(2, 2)),
}
