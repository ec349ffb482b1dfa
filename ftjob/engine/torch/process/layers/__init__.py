"""Caffe's layer types as functions on tensors: one module for each kind, as in ftjob.net.layers."""

from ftjob.engine.torch.process.layers import arrange, elementwise, learned, losses, lrn, pooling, windows
from ftjob.engine.torch.process.layers.making import Forward, Make, Place
from ftjob.net.layers.rule import refuse
from ftjob.net.shapes import LayerShapes

MAKERS: dict[str, Make] = {
    **arrange.MAKERS,
    **elementwise.MAKERS,
    **learned.MAKERS,
    **losses.MAKERS,
    **lrn.MAKERS,
    **pooling.MAKERS,
    **windows.MAKERS,
}


def make(one: LayerShapes, place: Place) -> Forward:
    """Return what computes a layer. Raises BadNetError for a type that this engine does not have."""
    if one.type not in MAKERS:
        raise refuse(
            one.layer, "the torch engine does not have this type: train with engine: caffe, which does"
        )
    return MAKERS[one.type](one, place)
