"""What a head makes for an image: one score for each class, or it is no classifier."""

from collections.abc import Collection, Iterable, Iterator
from math import prod

from ftjob.errors import BadNetError
from ftjob.net.layers.losses import ONE_PLACE
from ftjob.net.layers.rule import axis_of, text
from ftjob.net.proto.caffe_pb2 import TRAIN, NetParameter
from ftjob.net.surgery.heads import Head
from ftjob.net.topology.graph import graph
from ftjob.net.topology.layertypes import CLASSIFICATION_LOSSES
from ftjob.net.topology.phases import phase_view
from ftjob.net.topology.shapes import LayerShapes, NetShapes
from ftjob.suggest import listed


def refuse_maps(heads: Iterable[Head], train: NetShapes, test: NetShapes) -> None:
    """Raise BadNetError for a head with more or fewer scores for an image than outputs.

    A convolution over images larger than the net was made for has a map of scores for each class; flattened
    it looks like more classes, and a loss takes it.
    """
    for head in heads:
        for shapes in (train, test):
            shape = shapes.blobs.get(head.score)
            if shape is not None and prod(shape[1:]) != head.num_output:
                raise BadNetError(
                    f'head "{head.layer}" makes scores "{head.score}" of {text(shape[1:])} for an image, not '
                    f"one for each of {head.num_output} classes: {ONE_PLACE}"
                )


def refuse_few_scores(classes: int, labels: Collection[str], *nets: NetShapes) -> None:
    """Raise BadNetError for a loss or Accuracy that reads labels and fewer scores than there are classes.

    A classifier is given an output for each class; layers between it and such a layer may still merge the
    scores, as Reduction does. Caffe's losses then read beside the scores without a word.
    """
    for net in nets:
        splits = [each.layer for each in net.layers if each.layer.type == "Split"]
        unsplit = {top: split.bottom[0] for split in splits for top in split.top}
        for layer in net.layers:
            if layer.layer.type not in _READING_LABELS:
                continue
            blob, label = (unsplit.get(bottom, bottom) for bottom in layer.layer.bottom[:2])
            if label not in labels:
                continue
            scores = _scores(layer)
            loss = layer.layer.loss_param
            ignored = loss.HasField("ignore_label") and loss.ignore_label == classes - 1
            if scores < classes - ignored:
                raise BadNetError(
                    f'layer "{layer.layer.name}" ({layer.layer.type}): its bottom "{blob}" has '
                    f"{scores} score{'s' * (scores != 1)} for an image, and the data has {classes} classes; "
                    "no classifier that surgery sets makes them: feed the layer from one, or take it out"
                )


def starved_heads(net: NetParameter, heads: Collection[Head], classes: int) -> Iterator[str]:
    """Yield a warning for each head that others of a base net are computed from, and that loses outputs.

    `heads` are those that get an output for each class.
    """
    view = graph(phase_view(net, TRAIN))
    places = {layer.name: place for place, layer in enumerate(view.layers)}
    for lower in heads:
        above = view.downstream([places[lower.layer]]) if lower.layer in places else ()
        readers = [head.layer for head in heads if head is not lower and places.get(head.layer) in above]
        if readers and lower.num_output > classes:
            verb = "is" if len(readers) == 1 else "are"
            yield (
                f"base.net: {listed(readers)} {verb} computed from the scores of {lower.layer}, which is a "
                f"head as well and gets {classes} outputs instead of {lower.num_output}: if {readers[0]} "
                f"needs all {lower.num_output}, take out what makes {lower.layer} a head ({lower.why})"
            )


_READING_LABELS = CLASSIFICATION_LOSSES | {"Accuracy"}


def _scores(layer: LayerShapes) -> int:
    """How many classes a layer distinguishes; HingeLoss and MultinomialLogisticLoss have no axis."""
    shape = layer.bottoms[0]
    if layer.layer.type == "SoftmaxWithLoss":
        return shape[axis_of(layer.layer, shape, layer.layer.softmax_param.axis)]
    if layer.layer.type == "Accuracy":
        return shape[axis_of(layer.layer, shape, layer.layer.accuracy_param.axis)]
    return prod(shape[1:])
