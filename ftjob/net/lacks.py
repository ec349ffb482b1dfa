"""The layers of Caffe 1.0 that an engine cannot compute."""

from ftjob.net.layers.windows import window_of
from ftjob.net.proto.caffe_pb2 import PoolingParameter
from ftjob.net.topology.shapes import LayerShapes

TORCH_LACKS = frozenset(
    {
        "BatchReindex",
        "ContrastiveLoss",
        "Filter",
        "HDF5Data",
        "HDF5Output",
        "Im2col",
        "ImageData",
        "InfogainLoss",
        "LSTM",
        "LSTMUnit",
        "MVN",
        "MemoryData",
        "Python",
        "RNN",
        "SPP",
        "SigmoidCrossEntropyLoss",
        "WindowData",
    }
)
"""Types of Caffe 1.0 that the torch engine does not have."""
CAFFE_GPUS = "solver.gpus: Caffe trains on one GPU here: set engine: torch for {gpus}, or leave it out"
MOST_AXES = 3
"""Spatial axes that PyTorch's convolutions go along."""


def lacking_torch(layer: LayerShapes) -> str:
    """Return what the torch engine lacks for a layer; empty where it lacks nothing."""
    if layer.type in TORCH_LACKS:
        return "this type"
    if layer.type == "Pooling":
        if layer.layer.pooling_param.pool == PoolingParameter.STOCHASTIC:
            return "STOCHASTIC pooling"
        return "pooling's second top, the mask" if len(layer.tops) > 1 else ""
    if layer.type in ("Convolution", "Deconvolution"):
        window = window_of(layer.layer, layer.bottoms[0])
        if window.channel_axis != 1 or not 1 <= len(window.kernel) <= MOST_AXES:
            return f"convolutions over other axes than images, channels and one to {MOST_AXES} more"
    return ""


def lacking_caffe(layer: LayerShapes) -> str:
    """Return what Caffe lacks for a layer on CPUs (pooling_layer.cpp); empty where it lacks nothing."""
    pool = {"Pooling": layer.layer.pooling_param.pool, "SPP": layer.layer.spp_param.pool}.get(layer.type)
    return "STOCHASTIC pooling on processors" if pool == PoolingParameter.STOCHASTIC else ""
