"""Losses that ftjob's data has no labels for: what each compares, and what a classifier has instead."""

from ftjob.errors import BadNetError
from ftjob.net.proto.caffe_pb2 import LayerParameter, NetParameter
from ftjob.net.topology.layertypes import CLASSIFICATION_LOSSES, OTHER_LOSSES

_SOFTMAX_LOSS = 'write type: "SoftmaxWithLoss" instead'
_IF_CLASSES = f"{_SOFTMAX_LOSS}, if every image has one class"

_ONE_CLASS = "; ftjob trains on one class number per image"

_COMPARES = {
    "InfogainLoss": (
        "compares scores with one class number per image as SoftmaxWithLoss does, but weighs the classes by "
        "a matrix in a file of its own, which ftjob does not bring to where the net is trained"
    ),
    "EuclideanLoss": f"compares numbers with numbers, as regression does{_ONE_CLASS}",
    "SigmoidCrossEntropyLoss": (
        f"compares every output with a yes or no of its own, for images with several labels{_ONE_CLASS}"
    ),
    "ContrastiveLoss": f"compares the features of two images at a time{_ONE_CLASS}",
}
_INSTEAD = {
    "InfogainLoss": f"{_SOFTMAX_LOSS}, without infogain_loss_param and a third bottom",
    "EuclideanLoss": _IF_CLASSES,
    "SigmoidCrossEntropyLoss": _IF_CLASSES,
    "ContrastiveLoss": (
        "keep one of the two branches and write an InnerProduct with one output per class and a "
        "SoftmaxWithLoss after it"
    ),
}


def refuse_other_losses(net: NetParameter) -> None:
    """Raise BadNetError for a loss that ftjob cannot feed, saying what to write so that a loss is left."""
    for layer in net.layer:
        if layer.type in OTHER_LOSSES:
            raise BadNetError(
                f'layer "{layer.name}" is of type {layer.type}, which {_COMPARES[layer.type]}: '
                f"{_remedy(net, layer)}"
            )


def _remedy(net: NetParameter, loss: LayerParameter) -> str:
    beside = next((layer for layer in net.layer if layer.type in CLASSIFICATION_LOSSES), None)
    if beside:
        return f'take it out, {beside.type} "{beside.name}" stays'
    instead = _INSTEAD[loss.type]
    softmax = next(
        (layer for layer in net.layer if layer.type == "Softmax" and set(layer.top) & set(loss.bottom)), None
    )
    if softmax and softmax.bottom and loss.type != "ContrastiveLoss":
        instead += f', and let it read "{softmax.bottom[0]}", of which it takes the softmax itself'
    return instead
