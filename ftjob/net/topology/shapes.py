"""The shapes of a net's blobs and params, as Caffe would make them (net.cpp, Init), without Caffe."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

from ftjob.net.layers import rule_of
from ftjob.net.layers.rule import Rule, Setup, Shape, checked, refuse, text
from ftjob.net.layers.sources import data_inputs, source_tops
from ftjob.net.proto.caffe_pb2 import BlobShape, LayerParameter, NetParameter
from ftjob.net.topology.fillers import check_fillers
from ftjob.net.topology.params import Param, Params
from ftjob.net.topology.splits import ConnectedLayer, insert_splits

__all__ = ["LayerShapes", "NetShapes", "Param", "Shape", "data_inputs", "infer_shapes"]

FLOAT_BYTES = 4
AUTOMATIC = "(automatic)"
"""What Net::AppendTop calls a top that the prototxt leaves out."""


@dataclass(frozen=True)
class LayerShapes:
    """One layer of the net Caffe runs, Splits included."""

    layer: LayerParameter
    bottoms: tuple[Shape, ...]
    tops: tuple[Shape, ...]
    params: tuple[Param, ...]

    @property
    def name(self) -> str:
        return self.layer.name

    @property
    def type(self) -> str:
        return self.layer.type

    @property
    def owned(self) -> tuple[Param, ...]:
        """The params that are its own, not another layer's."""
        return tuple(param for param in self.params if param.owner == self.name)


@dataclass(frozen=True)
class NetShapes:
    """A whole net in one phase."""

    layers: tuple[LayerShapes, ...]
    """In the order Caffe runs them."""
    blobs: Mapping[str, Shape]
    """By name, those of Split layers too."""
    force_backward: bool = False

    @cached_property
    def params(self) -> dict[str, tuple[Shape, ...]]:
        """Params by layer, for the layers that have any."""
        return {
            layer.name: tuple(param.shape for param in layer.params) for layer in self.layers if layer.params
        }

    @cached_property
    def parameter_count(self) -> int:
        """Numbers in all params, a shared one once."""
        return sum(param.count for layer in self.layers for param in layer.owned)

    @cached_property
    def outputs(self) -> list[str]:
        """The blobs that no layer reads after they are made, in place or not."""
        available: dict[str, None] = {}
        for layer in self.layers:
            for blob in layer.layer.bottom:
                available.pop(blob, None)
            available.update(dict.fromkeys(layer.layer.top))
        return list(available)

    @cached_property
    def memory_bytes(self) -> int:
        """Caffe's "Memory required for data": all tops of all layers, in-place and Split ones again."""
        return FLOAT_BYTES * sum(prod(top) for layer in self.layers for top in layer.tops)


def infer_shapes(net: NetParameter, inputs: Mapping[str, Shape] | None = None) -> NetShapes:
    """Return every shape of a net that is already filtered to its phase.

    `inputs` has the shapes of blobs that come from outside, by name: needed for the images of Data,
    ImageData, WindowData and HDF5Data layers (see `data_inputs`); for other sources it goes before the
    prototxt.
    Raises BadNetError, naming the layer, for what Caffe would refuse or could not hold.
    """
    layers = _with_input_layer(net)
    walk = _Walk(inputs or {}, Params(layers))
    return NetShapes(
        tuple(walk.set_up(node) for node in insert_splits(layers)), walk.blobs, net.force_backward
    )


def _with_input_layer(net: NetParameter) -> Sequence[LayerParameter]:
    """Turn `input:` fields into an Input layer, as Caffe does (upgrade_proto.cpp, UpgradeNetInput)."""
    if not net.input:
        return net.layer
    layer = LayerParameter(name="input", type="Input", top=net.input)
    if net.input_dim:
        dims = list(net.input_dim)
        shapes = [BlobShape(dim=dims[start : start + 4]) for start in range(0, len(dims), 4)]
        layer.input_param.shape.extend(shapes)
    else:
        layer.input_param.shape.extend(net.input_shape)
    return [layer, *net.layer]


class _Walk:
    """The state of Net::Init: which blobs and which params are there so far."""

    def __init__(self, inputs: Mapping[str, Shape], params: Params) -> None:
        self.inputs = inputs
        self.params = params
        self.blobs: dict[str, Shape] = {}

    def set_up(self, node: ConnectedLayer) -> LayerShapes:
        layer, written = node.layer, node.written
        rule = rule_of(layer)
        if rule.auto_tops and not layer.top:
            layer.top.append(AUTOMATIC)
            written = layer
        _check_numbers(written, rule)
        _check_lengths(written, rule)
        bottoms = tuple(self.blobs[bottom] for bottom in layer.bottom)
        setup = self._infer(rule, written, bottoms)
        for place, (top, shape) in enumerate(zip(layer.top, setup.tops, strict=True)):
            self._append_top(layer, place, top, checked(written, shape, f'its top "{top}"'))
        params = self.params.of(written, setup.params)
        check_fillers(written, setup.params)
        return LayerShapes(layer, bottoms, setup.tops, params)

    def _infer(self, rule: Rule, written: LayerParameter, bottoms: Sequence[Shape]) -> Setup:
        if bottoms or rule.bottoms[1] != 0 or written.type == "Parameter":
            return rule.infer(written, bottoms)
        return Setup(source_tops(written, self.inputs))

    def _append_top(self, layer: LayerParameter, place: int, top: str, shape: Shape) -> None:
        if place < len(layer.bottom) and layer.bottom[place] == top:
            if shape != self.blobs[top]:
                before = text(self.blobs[top])
                raise refuse(
                    layer, f'it cannot work in place: "{top}" is {before} and would be {text(shape)}'
                )
        elif top in self.blobs and top != AUTOMATIC:
            raise refuse(layer, f'its top "{top}" is already the top of a layer before it')
        self.blobs[top] = shape


def _check_lengths(layer: LayerParameter, rule: Rule) -> None:
    """Check what Net::Init and Layer::SetLossWeights check of the lists that go with bottoms and tops."""
    if layer.propagate_down and len(layer.propagate_down) != len(layer.bottom):
        raise refuse(
            layer, f"propagate_down must be given for all of its {len(layer.bottom)} bottoms, or none"
        )
    weights = len(layer.loss_weight) or (1 if rule.loss else len(layer.top))
    if weights != len(layer.top):
        raise refuse(layer, f"loss_weight must be given for all of its {len(layer.top)} tops, or none")


def _check_numbers(layer: LayerParameter, rule: Rule) -> None:
    """Check what Layer::CheckBlobCounts checks."""
    for what, blobs, (fewest, most) in (
        ("bottom", layer.bottom, rule.bottoms),
        ("top", layer.top, rule.tops),
    ):
        if len(blobs) < fewest or (most is not None and len(blobs) > most):
            wanted = (
                fewest if fewest == most else f"{fewest} or more" if most is None else f"{fewest} to {most}"
            )
            raise refuse(layer, f"it has {len(blobs)} {what} and takes {wanted}")
