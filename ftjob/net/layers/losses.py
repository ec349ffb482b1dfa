"""Losses and Accuracy: what is compared must fit together; what comes out is a scalar."""

from collections.abc import Sequence
from math import prod

from ftjob.net.layers.rule import Rule, Setup, Shape, axis_of, bottom_text, check_axes, refuse, text
from ftjob.net.proto.caffe_pb2 import LayerParameter

SCALAR: Shape = ()
ONE_PLACE = (
    "take a data.crop at which one place is left of each map, or pool over height and width (global_pooling) "
    "before the loss"
)
"""What to do about scores for each place of an image."""


def _same_items(layer: LayerParameter, bottoms: Sequence[Shape]) -> None:
    """Check what every loss checks (loss_layer.cpp, Reshape)."""
    check_axes(layer, bottoms[0], 1)
    if bottoms[1][:1] != bottoms[0][:1]:
        first, second = bottom_text(layer, bottoms, 0), bottom_text(layer, bottoms, 1)
        raise refuse(layer, f"its bottoms {first} and {second} must have the same number of images")


def _labelled(layer: LayerParameter, bottoms: Sequence[Shape], axis: int) -> int:
    """Check that there is one label per prediction along an axis; return that axis."""
    axis = axis_of(layer, bottoms[0], axis)
    predictions = prod(bottoms[0][:axis]) * prod(bottoms[0][axis + 1 :])
    if predictions != prod(bottoms[1]):
        is_map = axis == 1 and prod(bottoms[1]) == bottoms[0][0]
        raise refuse(
            layer,
            f"{bottom_text(layer, bottoms, 0)} makes {predictions} predictions, but "
            f"{bottom_text(layer, bottoms, 1)} holds {prod(bottoms[1])} labels"
            + (f": {ONE_PLACE}" if is_map else ""),
        )
    return axis


def _scalar_and_scores(layer: LayerParameter, bottoms: Sequence[Shape]) -> Setup:
    return Setup((SCALAR, bottoms[0])[: len(layer.top)])


def _softmax_loss(layer: LayerParameter, bottoms: Sequence[Shape]) -> Setup:
    _same_items(layer, bottoms)
    _labelled(layer, bottoms, layer.softmax_param.axis)
    if len(layer.top) > 1:
        # Layer::SetLossWeights wants a loss_weight for each top, and the Softmax inside, which has one top,
        # is given the same (softmax_loss_layer.cpp, LayerSetUp).
        raise refuse(layer, "no Caffe 1.0 can make its second top: add a Softmax layer that makes it")
    return Setup((SCALAR,))


def _infogain_loss(layer: LayerParameter, bottoms: Sequence[Shape]) -> Setup:
    _same_items(layer, bottoms)
    axis = _labelled(layer, bottoms, layer.infogain_loss_param.axis)
    classes = bottoms[0][axis]
    if len(bottoms) < 3 and not layer.infogain_loss_param.source:
        raise refuse(layer, "give the infogain matrix as a third bottom or as infogain_loss_param.source")
    if len(bottoms) == 3 and prod(bottoms[2]) != classes**2:
        raise refuse(layer, f"its infogain matrix is {text(bottoms[2])} and must be {classes}x{classes}")
    return _scalar_and_scores(layer, bottoms)


def _one_column(layer: LayerParameter, shape: Shape) -> None:
    check_axes(layer, shape, 0, 4)
    if prod(shape[1:]) != 1:
        raise refuse(layer, f"its labels must be one number per image and are {text(shape)}")


def _multinomial_loss(layer: LayerParameter, bottoms: Sequence[Shape]) -> Setup:
    _same_items(layer, bottoms)
    _one_column(layer, bottoms[1])
    return Setup((SCALAR,))


def _hinge_loss(layer: LayerParameter, bottoms: Sequence[Shape]) -> Setup:
    _same_items(layer, bottoms)
    return Setup((SCALAR,))


def _same_values(layer: LayerParameter, bottoms: Sequence[Shape]) -> Setup:
    _same_items(layer, bottoms)
    if prod(bottoms[0]) != prod(bottoms[1]):
        first, second = bottom_text(layer, bottoms, 0), bottom_text(layer, bottoms, 1)
        raise refuse(layer, f"its bottoms {first} and {second} must hold as many values each")
    return Setup((SCALAR,))


def _contrastive_loss(layer: LayerParameter, bottoms: Sequence[Shape]) -> Setup:
    _same_items(layer, bottoms)
    for shape in bottoms[:2]:
        check_axes(layer, shape, 0, 4)
    if bottoms[0][1:2] != bottoms[1][1:2] or prod(bottoms[0][2:]) * prod(bottoms[1][2:]) != 1:
        first, second = bottom_text(layer, bottoms, 0), bottom_text(layer, bottoms, 1)
        raise refuse(layer, f"its bottoms {first} and {second} must be vectors of the same length")
    _one_column(layer, bottoms[2])
    return Setup((SCALAR,))


def _accuracy(layer: LayerParameter, bottoms: Sequence[Shape]) -> Setup:
    param = layer.accuracy_param
    axis = _labelled(layer, bottoms, param.axis)
    if param.top_k > prod(bottoms[0]) // prod(bottoms[1]):
        raise refuse(layer, f"top_k {param.top_k} is more than the {bottoms[0][axis]} classes")
    return Setup((SCALAR, (bottoms[0][axis],))[: len(layer.top)])


RULES = {
    "Accuracy": Rule(_accuracy, bottoms=(2, 2), tops=(1, 2)),
    "ContrastiveLoss": Rule(_contrastive_loss, bottoms=(3, 3), auto_tops=True, loss=True),
    "EuclideanLoss": Rule(_same_values, bottoms=(2, 2), auto_tops=True, loss=True),
    "HingeLoss": Rule(_hinge_loss, bottoms=(2, 2), auto_tops=True, loss=True),
    "InfogainLoss": Rule(_infogain_loss, bottoms=(2, 3), tops=(1, 2), auto_tops=True, loss=True),
    "MultinomialLogisticLoss": Rule(_multinomial_loss, bottoms=(2, 2), auto_tops=True, loss=True),
    "SigmoidCrossEntropyLoss": Rule(_same_values, bottoms=(2, 2), auto_tops=True, loss=True),
    "SoftmaxWithLoss": Rule(_softmax_loss, bottoms=(2, 2), tops=(1, 2), auto_tops=True, loss=True),
}
