"""Where a frozen trunk ends: the part of a net that makes the same of an image every time."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from math import prod
from types import MappingProxyType

from ftjob.net.layers.rule import Shape, axis_of
from ftjob.net.proto.caffe_pb2 import (
    TEST,
    TRAIN,
    BlobShape,
    LayerParameter,
    NetParameter,
    Phase,
    PoolingParameter,
    TransformationParameter,
)
from ftjob.net.topology.backward import backward
from ftjob.net.topology.shapes import LayerShapes, NetShapes

_PER_IMAGE = frozenset(
    {"AbsVal", "BNLL", "BatchNorm", "Clip", "Dropout", "ELU", "Eltwise", "Exp", "LRN", "Log", "PReLU"}
    | {"Pooling", "Power", "ReLU", "Sigmoid", "Swish", "TanH", "Threshold"}
)
"""Types that compute each image's row from that row alone."""
_BY_AXIS: MappingProxyType[str, Callable[[LayerParameter], int]] = MappingProxyType(
    {
        "Bias": lambda layer: layer.bias_param.axis,
        "Concat": lambda layer: layer.concat_param.concat_dim and layer.concat_param.axis,
        "Convolution": lambda layer: layer.convolution_param.axis,
        "Deconvolution": lambda layer: layer.convolution_param.axis,
        "Flatten": lambda layer: layer.flatten_param.axis,
        "InnerProduct": lambda layer: layer.inner_product_param.axis,
        "Scale": lambda layer: layer.scale_param.axis,
        "Slice": lambda layer: layer.slice_param.slice_dim and layer.slice_param.axis,
        "Softmax": lambda layer: layer.softmax_param.axis,
    }
)
"""Types that do so unless this axis is the first."""


@dataclass(frozen=True)
class Trunk:
    """A net of one phase in two: what never changes, and the rest."""

    trunk: NetParameter
    """From an Input layer with the images to the features."""
    head: NetParameter
    """From an Input layer with features and labels on; its other layers are those of the whole net."""
    images: str
    """The blob of the images."""
    features: tuple[str, ...]
    """The blobs at the boundary."""
    labels: tuple[str, ...]
    """The other tops of the Data layer."""
    shapes: tuple[Shape, ...]
    """Those of the features for one image, without the axis of images."""
    source: str
    """The LMDB of the Data layer, as that names it."""
    transform: TransformationParameter
    """Of the Data layer."""

    @property
    def floats(self) -> int:
        """Numbers in the features of one image."""
        return sum(map(prod, self.shapes))

    @property
    def mirrors(self) -> bool:
        """Whether an image comes in two variants."""
        return self.transform.mirror

    @property
    def definition(self) -> tuple[bytes, bytes]:
        """What features depend on besides weights, data and mean: the serialized trunk, without the batch
        size, and the transformation of images, without the place of a mean image."""
        net, transform = NetParameter(), TransformationParameter()
        net.CopyFrom(self.trunk)
        net.ClearField("name")
        del net.layer[0].input_param.shape[0].dim[:1]
        transform.CopyFrom(self.transform)
        transform.ClearField("mean_file")
        return net.SerializeToString(deterministic=True), transform.SerializeToString(deterministic=True)

    @property
    def variants(self) -> int:
        """How many different features one image has."""
        return 2 if self.mirrors else 1


def changing(train: NetShapes) -> frozenset[str]:
    """Return the layers of a TRAIN net whose params training changes: they learn, or collect statistics."""
    return frozenset(
        layer.name
        for layer in train.layers
        if any(param.lr_mult for param in layer.params)
        or (layer.type == "BatchNorm" and not layer.layer.batch_norm_param.use_global_stats)
    )


def find_trunk(net: NetParameter, shapes: NetShapes, phase: Phase, changed: Collection[str]) -> Trunk | str:
    """Return a net's trunk, or why it has none, as the end of a sentence.

    `net` has the layers of that phase only, and `shapes` are its own; `changed` are the layers that training
    changes, which a TEST net shares. A layer is part of the trunk when neither its params nor any before it
    change, no chance is in it, and it computes each image alone.
    """
    sources = [layer for layer in net.layer if not layer.bottom]
    if len(sources) != 1 or sources[0].type != "Data":
        return "its images do not come from one Data layer"
    source = sources[0]
    if len({layer.name for layer in net.layer}) < len(net.layer):
        return "two of its layers have one name"
    if source.transform_param.crop_size and _phase(source, phase) == TRAIN:
        return "its crops are random"
    by_name = {layer.name: (layer, way) for layer, way in zip(shapes.layers, backward(shapes), strict=True)}
    frozen = {source.top[0]}
    inside: list[LayerParameter] = []
    for layer in net.layer:
        if layer is source:
            continue
        found, way = by_name[layer.name]
        owners = {layer.name, *(param.owner for param in found.params)}
        stays = not way.runs and owners.isdisjoint(changed)
        if stays and frozen.issuperset(layer.bottom) and _same_each_time(found, phase):
            inside.append(layer)
            frozen.update(layer.top)
        else:
            frozen.difference_update(layer.top)
    if not any(by_name[layer.name][0].params for layer in inside):
        return "no layer with weights comes before the first that learns"
    return _cut(net, shapes, source, inside)


def _cut(
    net: NetParameter, shapes: NetShapes, source: LayerParameter, inside: list[LayerParameter]
) -> Trunk | str:
    names = {source.name, *(layer.name for layer in inside)}
    features: dict[str, None] = {}
    made_outside: set[str] = set()
    for layer in net.layer:
        if layer.name in names:
            continue
        features.update((blob, None) for blob in layer.bottom if blob not in {*made_outside, *source.top[1:]})
        made_outside.update(layer.top)
    if not features:
        return "nothing comes after its frozen layers"
    blobs, labels = tuple(features), tuple(source.top[1:])
    after = [layer for layer in net.layer if layer.name not in names]
    return Trunk(
        trunk=_fed(net, inside, {source.top[0]: shapes.blobs[source.top[0]]}),
        head=_fed(net, after, {blob: shapes.blobs[blob] for blob in (*blobs, *labels)}),
        images=source.top[0],
        features=blobs,
        labels=labels,
        shapes=tuple(shapes.blobs[blob][1:] for blob in blobs),
        source=source.data_param.source,
        transform=source.transform_param,
    )


def _fed(net: NetParameter, layers: list[LayerParameter], inputs: dict[str, Shape]) -> NetParameter:
    """Return a net of some layers, with an Input layer for what they read of others."""
    made = NetParameter(name=net.name)
    feed = made.layer.add(name=_unused(net), type="Input", top=list(inputs))
    feed.input_param.shape.extend(BlobShape(dim=shape) for shape in inputs.values())
    made.layer.extend(layers)
    return made


def _unused(net: NetParameter) -> str:
    name = "features"
    while any(layer.name == name for layer in net.layer):
        name += "_"
    return name


def _phase(layer: LayerParameter, phase: Phase) -> Phase:
    return layer.phase if layer.HasField("phase") else phase


def _same_each_time(layer: LayerShapes, net_phase: Phase) -> bool:
    """Whether a layer makes the same of an image each time, if its bottoms and params are the same."""
    param, phase = layer.layer, _phase(layer.layer, net_phase)
    if param.type in _BY_AXIS:
        return all(axis_of(param, shape, _BY_AXIS[param.type](param)) for shape in layer.bottoms[:1])
    if param.type == "BatchNorm":
        own = param.batch_norm_param
        return own.use_global_stats if own.HasField("use_global_stats") else phase == TEST
    by_chance = param.type == "Dropout" or param.pooling_param.pool == PoolingParameter.STOCHASTIC
    return param.type in _PER_IMAGE and not (by_chance and phase == TRAIN)
