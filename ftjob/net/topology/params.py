"""The params of a net's layers: their rates, and which are shared by name (net.cpp, AppendParam)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

from ftjob.net.layers.rule import Shape, checked, refuse, text
from ftjob.net.proto.caffe_pb2 import LayerParameter, ParamSpec

STATISTICS = 3
"""BatchNorm's params: mean, variance and how much of them was summed."""


@dataclass(frozen=True)
class Param:
    """One blob of a layer's params."""

    shape: Shape
    lr_mult: float
    """As the solver uses it: 0 for statistics; of a shared param the one that is written first."""
    decay_mult: float
    owner: str
    """The layer whose memory it is: another one where a param is shared by name."""

    @property
    def count(self) -> int:
        return prod(self.shape)


def param_specs(layer: LayerParameter) -> Sequence[ParamSpec]:
    """Return a layer's param messages as Caffe sees them: in a BatchNorm that has all three it sets their
    rates to 0 (upgrade_proto.cpp, UpgradeNetBatchNorm)."""
    if layer.type == "BatchNorm" and len(layer.param) == STATISTICS:
        return [ParamSpec(name=spec.name, lr_mult=0, decay_mult=0) for spec in layer.param]
    return layer.param


class Params:
    """The params met so far, in the order of the layers."""

    def __init__(self, layers: Sequence[LayerParameter]) -> None:
        self._lr_mult = _first_given(layers, "lr_mult")
        self._decay_mult = _first_given(layers, "decay_mult")
        self._named: dict[str, Param] = {}

    def of(self, layer: LayerParameter, shapes: Sequence[Shape]) -> tuple[Param, ...]:
        """Return a layer's params, or raise BadNetError where Caffe refuses to make or share them."""
        specs = param_specs(layer)
        if len(specs) > len(shapes):
            keep = f"keep the first {len(shapes)}" if shapes else "take every param out"
            raise refuse(layer, f"it has {len(specs)} param but only {len(shapes)} to set: {keep}")
        specs = [*specs, *[ParamSpec()] * (len(shapes) - len(specs))]
        return tuple(
            self._shared(layer, spec, checked(layer, shape, "its param"))
            for spec, shape in zip(specs, shapes, strict=True)
        )

    def _shared(self, layer: LayerParameter, spec: ParamSpec, shape: Shape) -> Param:
        lr_mult = self._lr_mult.get(spec.name, spec.lr_mult)
        decay_mult = self._decay_mult.get(spec.name, spec.decay_mult)
        own = Param(shape, 0.0 if layer.type == "BatchNorm" else lr_mult, decay_mult, layer.name)
        if not spec.name:
            return own
        first = self._named.setdefault(spec.name, own)
        permissive = spec.share_mode == ParamSpec.PERMISSIVE
        if first.count != own.count if permissive else first.shape != shape:
            raise refuse(
                layer,
                f'its param "{spec.name}" is {text(shape)}, but layer "{first.owner}" has it as '
                f"{text(first.shape)}",
            )
        return replace(own, owner=first.owner)


def _first_given(layers: Sequence[LayerParameter], field: str) -> dict[str, float]:
    """Return the rate of each shared param; it must be the same wherever it is written."""
    rates: dict[str, float] = {}
    for layer in layers:
        for spec in param_specs(layer):
            if spec.name and spec.HasField(field):
                rate = getattr(spec, field)
                if rates.setdefault(spec.name, rate) != rate:
                    raise refuse(layer, f'its param "{spec.name}" has another {field} in a layer before it')
    return rates
