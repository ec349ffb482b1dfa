"""Refuse nets that mix images: an image's scores would depend on the others in its batch."""

from ftjob.errors import BadNetError
from ftjob.net.layers.rule import axis_of, refuse, text
from ftjob.net.proto.caffe_pb2 import LayerParameter, NetParameter
from ftjob.net.surgery.data_layers import IMAGES
from ftjob.net.topology.shapes import NetShapes, Shape, infer_shapes

SEVERAL = 3
"""Images that a deploy net is imagined with, beside one alone."""
_MIXING = frozenset({"BatchReindex", "Filter", "LSTM", "LSTMUnit", "RNN"})
"""Types whose first axis is no row of independent images: they select among its items or go through them in
order (recurrent_layer.cpp)."""
_REMEDY = "an image's scores would depend on the others in its batch: let every layer keep axis 0 as it is"


def refuse_mixing(deploy: NetParameter, score: str) -> None:
    """Raise BadNetError, naming the layer, where the deploy net does not compute each image's scores, one row
    for each image, from that image alone; and for what Caffe would refuse of it.

    Axis 0 counts images. A layer that computes over it shows in the shapes that the net has for one image and
    for several: params that grow with the images, or tops that do not. What does not show is a softmax over
    axis 0, and the types that take axis 0 for a sequence. Each BatchNorm of a deploy net uses the statistics
    that were collected.
    """
    alone, together = (_shapes(deploy, images) for images in (1, SEVERAL))
    of_images: set[str] = set()
    for single, several in zip(alone.layers, together.layers, strict=True):
        layer = single.layer
        if layer.type in _MIXING or _softmax_over_images(layer, single.bottoms):
            raise refuse(layer, _REMEDY)
        if layer.type == "Input" or not of_images.isdisjoint(layer.bottom):
            of_images.update(layer.top)
            grows = [param.shape for param in single.params] != [param.shape for param in several.params]
            if grows or not all(map(_is_row_per_image, single.tops, several.tops)):
                raise refuse(layer, _REMEDY)
    rows, *_ = alone.blobs[score]
    if rows != 1:
        raise BadNetError(f'the scores "{score}" of one image are {text(alone.blobs[score])}: {_REMEDY}')


def refuse_reindexing(*nets: NetShapes) -> None:
    """Raise BadNetError for a BatchReindex, whose numbers no plan can know.

    Caffe ends at the first in its second bottom that is no image of the batch (batch_reindex_layer.cpp).
    """
    for net in nets:
        for layer in net.layers:
            if layer.type == "BatchReindex":
                raise refuse(
                    layer.layer,
                    "it picks images of the batch by the numbers in its second bottom, and Caffe ends at the "
                    "first that is the batch size or more: take it out",
                )


def _shapes(deploy: NetParameter, images: int) -> NetShapes:
    source = next(layer for layer in deploy.layer if layer.type == "Input")
    return infer_shapes(deploy, {IMAGES: (images, *source.input_param.shape[0].dim[1:])})


def _is_row_per_image(alone: Shape, together: Shape) -> bool:
    return alone != () and together == (alone[0] * SEVERAL, *alone[1:])


def _softmax_over_images(layer: LayerParameter, bottoms: tuple[Shape, ...]) -> bool:
    return layer.type == "Softmax" and axis_of(layer, bottoms[0], layer.softmax_param.axis) == 0
