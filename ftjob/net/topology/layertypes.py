"""What Caffe 1.0's layer types are: which bring data, which are losses, how many params each has."""

from collections.abc import Callable
from types import MappingProxyType

from ftjob.net.proto.caffe_pb2 import LayerParameter

DATA = frozenset({"Data", "DummyData", "HDF5Data", "ImageData", "Input", "MemoryData", "WindowData"})
"""Types that bring images or labels into a net; surgery replaces them."""

CLASSIFICATION_LOSSES = frozenset({"SoftmaxWithLoss", "MultinomialLogisticLoss", "HingeLoss"})
"""Losses of scores (bottom 0) against one class number per image (bottom 1)."""

OTHER_LOSSES = frozenset({"ContrastiveLoss", "EuclideanLoss", "InfogainLoss", "SigmoidCrossEntropyLoss"})

CLASSIFIERS = frozenset({"InnerProduct", "Convolution"})
"""Types that can have one output per class."""

COMPUTING = (
    CLASSIFICATION_LOSSES
    | CLASSIFIERS
    | frozenset(
        {
            "AbsVal",
            "Accuracy",
            "ArgMax",
            "BNLL",
            "BatchNorm",
            "BatchReindex",
            "Bias",
            "Clip",
            "Concat",
            "Crop",
            "Deconvolution",
            "Dropout",
            "ELU",
            "Eltwise",
            "Embed",
            "Exp",
            "Filter",
            "Flatten",
            "Im2col",
            "LRN",
            "LSTM",
            "LSTMUnit",
            "Log",
            "MVN",
            "PReLU",
            "Parameter",
            "Pooling",
            "Power",
            "RNN",
            "ReLU",
            "Reduction",
            "Reshape",
            "SPP",
            "Scale",
            "Sigmoid",
            "Silence",
            "Slice",
            "Softmax",
            "Split",
            "Swish",
            "TanH",
            "Threshold",
            "Tile",
        }
    )
)
"""Types that make their tops of their bottoms and params alone: a net of these opens no file, writes none
and runs no code of others."""

KNOWN = DATA | COMPUTING | OTHER_LOSSES | frozenset({"HDF5Output", "Python"})
"""Every type the factory of Caffe 1.0 makes."""

_PARAM_COUNTS: MappingProxyType[str, Callable[[LayerParameter], int]] = MappingProxyType(
    {
        "Convolution": lambda layer: 1 + layer.convolution_param.bias_term,
        "Deconvolution": lambda layer: 1 + layer.convolution_param.bias_term,
        "InnerProduct": lambda layer: 1 + layer.inner_product_param.bias_term,
        "Embed": lambda layer: 1 + layer.embed_param.bias_term,
        "Scale": lambda layer: (len(layer.bottom) == 1) + layer.scale_param.bias_term,
        "Bias": lambda layer: int(len(layer.bottom) == 1),
        "BatchNorm": lambda layer: 3,
        "PReLU": lambda layer: 1,
        "Parameter": lambda layer: 1,
        "LSTM": lambda layer: 3 + (len(layer.bottom) == _WITH_STATIC_INPUT),
        "RNN": lambda layer: 5 + (len(layer.bottom) == _WITH_STATIC_INPUT),
    }
)
_WITH_STATIC_INPUT = 3


def param_count(layer: LayerParameter) -> int:
    """Return how many blobs of weights a layer has (0 for most types)."""
    count = _PARAM_COUNTS.get(layer.type)
    return count(layer) if count else 0
