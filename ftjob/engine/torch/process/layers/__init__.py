"""Caffe's layer types as functions on tensors: one module for each kind, as in ftjob.net.layers."""

from ftjob.engine.torch.process.layers import arrange, elementwise, learned, losses, lrn, pooling, windows
from ftjob.engine.torch.process.layers.casting import in_precision
from ftjob.engine.torch.process.layers.making import Forward, LayerContext, Make
from ftjob.net.lacks import lacking_torch
from ftjob.net.layers.rule import refuse
from ftjob.net.precision import Arithmetic
from ftjob.net.topology.shapes import LayerShapes

MAKERS: dict[str, Make] = {
    **arrange.MAKERS,
    **elementwise.MAKERS,
    **learned.MAKERS,
    **losses.MAKERS,
    **lrn.MAKERS,
    **pooling.MAKERS,
    **windows.MAKERS,
}


def make(layer: LayerShapes, context: LayerContext, arithmetic: Arithmetic) -> Forward:
    """Return what computes a layer, in the net's precision where its arithmetic allows that.

    Raises BadNetError for one that this engine does not have.
    """
    if lack := lacking_torch(layer):
        raise refuse(
            layer.layer, f"the torch engine does not have {lack}: train with engine: caffe, which does"
        )
    return in_precision(MAKERS[layer.type](layer, context), arithmetic, context.net.numerics)
