"""Which layers Caffe runs backward, and into which of their bottoms and params (net.cpp, Init)."""

from collections.abc import Sequence
from dataclasses import dataclass

from ftjob.net.layers import rule_of
from ftjob.net.layers.rule import refuse
from ftjob.net.proto.caffe_pb2 import LayerParameter
from ftjob.net.topology.params import param_specs
from ftjob.net.topology.shapes import LayerShapes, NetShapes

WITHOUT_GRADIENT = frozenset({"ArgMax", "Threshold"})
"""Types whose Backward_cpu is NOT_IMPLEMENTED."""
BLIND_BOTTOMS = {"Embed": 0, "HingeLoss": 1, "MultinomialLogisticLoss": 1, "SoftmaxWithLoss": 1}
"""The bottom, of class numbers or indices, into which a type propagates nothing but Caffe's end."""


@dataclass(frozen=True)
class LayerBackward:
    """What the backward pass does in one layer."""

    runs: bool
    """Whether Caffe calls the layer's Backward."""
    bottoms: tuple[bool, ...]
    """For each bottom: whether a gradient is propagated down to it."""
    params: tuple[bool, ...]
    """For each param: whether its gradient is computed."""


def backward(shapes: NetShapes) -> tuple[LayerBackward, ...]:
    """Return what the backward pass does in each layer, in the order of `shapes.layers`.

    A param is learned unless its lr_mult is 0; a layer runs backward when it or one before it learns and a
    loss is computed from it. As in Caffe a BatchNorm counts as learning unless its prototxt has all three
    param: above one without, only `propagate_down: false` ends the backward pass.
    """
    # Two walks, as in Net::Init. Upwards: what learns makes everything computed from it need a gradient.
    # Then downwards from the losses: what no loss is computed from loses that need again, and so does what a
    # propagate_down: false cuts off. Neither walk alone knows both ends.
    forward = _from_params_on(shapes.layers)
    return _forced(shapes, forward) if shapes.force_backward else _towards_losses(shapes.layers, forward)


def refuse_dead_ends(shapes: NetShapes) -> None:
    """Raise BadNetError, naming the layer, where the backward pass reaches one that ends Caffe."""
    for layer, way in zip(shapes.layers, backward(shapes), strict=True):
        if layer.type in WITHOUT_GRADIENT and way.runs:
            raise refuse(
                layer.layer,
                "it has no gradient, and layers before it are to learn from what comes after it: take it "
                "out, or freeze what lies before it (surgery.freeze)",
            )
        blind = BLIND_BOTTOMS.get(layer.type)
        if blind is not None and way.bottoms[blind]:
            raise refuse(
                layer.layer,
                f'its bottom "{layer.layer.bottom[blind]}" gets no gradient from it: let no layer before '
                "that learn, and no propagate_down be true for it",
            )


def weighs_in_loss(layer: LayerParameter, top: int) -> bool:
    """Return whether a top is part of the loss (layer.hpp, SetLossWeights; loss_layer.cpp)."""
    if layer.loss_weight:
        return top < len(layer.loss_weight) and layer.loss_weight[top] != 0
    return top == 0 and rule_of(layer).loss and not layer.loss_weight


def _learned(layer: LayerShapes) -> tuple[bool, ...]:
    """By the prototxt alone: what BatchNorm sets on its own params comes too late for Net::Init."""
    written = [spec.lr_mult != 0 for spec in param_specs(layer.layer)]
    return (*written, *[True] * (len(layer.params) - len(written)))


def _from_params_on(layers: Sequence[LayerShapes]) -> list[LayerBackward]:
    needed: set[str] = set()
    found = []
    for layer in layers:
        bottoms = [blob in needed for blob in layer.layer.bottom]
        params = _learned(layer)
        runs = any(bottoms) or any(params)
        if runs:
            needed.update(layer.layer.top)
        down = tuple(layer.layer.propagate_down) or tuple(bottoms)
        found.append(LayerBackward(runs, down, params))
    return found


def _towards_losses(
    layers: Sequence[LayerShapes], forward: Sequence[LayerBackward]
) -> tuple[LayerBackward, ...]:
    under_loss: set[str] = set()
    skipped: set[str] = set()  # blobs whose readers propagate nothing into them
    found = []
    for shapes, before in zip(reversed(layers), reversed(forward), strict=True):
        layer = shapes.layer
        contributes = any(
            weighs_in_loss(layer, index) or top in under_loss for index, top in enumerate(layer.top)
        )
        cut_off = before.runs and all(top in skipped for top in layer.top)
        down = before.bottoms if contributes and not cut_off else (False,) * len(before.bottoms)
        if contributes:
            under_loss.update(layer.bottom)
        skipped.update(blob for blob, goes in zip(layer.bottom, down, strict=True) if not goes)
        runs = before.runs and contributes and not cut_off
        params = tuple(runs and learned for learned in before.params)
        found.append(LayerBackward(runs, down, params))
    return tuple(reversed(found))


def _forced(shapes: NetShapes, forward: Sequence[LayerBackward]) -> tuple[LayerBackward, ...]:
    """force_backward: every layer, all params, and all bottoms but the labels of losses."""
    return tuple(
        LayerBackward(
            True,
            tuple(index == 0 or not rule_of(layer.layer).loss for index in range(len(layer.bottoms))),
            (True,) * len(layer.params),
        )
        for layer, _ in zip(shapes.layers, forward, strict=True)
    )
