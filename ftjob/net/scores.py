"""What a head makes for an image: one score for each class, or it is no classifier."""

from collections.abc import Iterable
from math import prod

from ftjob.errors import BadNetError
from ftjob.net.heads import Head
from ftjob.net.layers.rule import text
from ftjob.net.shapes import NetShapes


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
                    f"one for each of {head.num_output} classes: take a data.crop at which one place is left "
                    "of each map, or pool over height and width (global_pooling) before the loss"
                )
