"""What prototxts of Caffe's forks have that Caffe 1.0 has not, and what becomes of it."""

from collections.abc import Callable
from dataclasses import dataclass

from ftjob.net.layertypes import DATA, KNOWN
from ftjob.net.places import Place
from ftjob.net.proto.caffe_pb2 import LayerParameter, PoolingParameter, V1LayerParameter

Layer = LayerParameter | V1LayerParameter


@dataclass(frozen=True)
class ForkType:
    """A layer type of forks."""

    forks: str
    """Whose it is, as a sentence has it."""
    rewritten: str = ""
    """What it becomes in Caffe 1.0, where it has an exact form there (see rewrite.py)."""


@dataclass(frozen=True)
class ForkField:
    """A field of forks, in a layer type that Caffe 1.0 has too."""

    why: str
    """What it says, and why it can go; or why it cannot."""
    harmless: Callable[[str], bool]
    """Whether Caffe 1.0 computes the same without it, given the text of its value."""
    apply: Callable[[Layer], None] | None = None
    """What to set instead where that is not enough."""


DATA_OF_FTJOB = "ftjob's own data layers"

_FAMILIES = (
    (
        ForkType("MobileNet's forks", "a Convolution with one group per channel"),
        "ConvolutionDepthwise ConvolutionDepthWise DepthwiseConvolution",
    ),
    (ForkType("MobileNet's forks", "Clip from 0 to 6"), "ReLU6 Relu6"),
    (ForkType("SENet's fork", "Flatten, Scale and Eltwise"), "Axpy"),
    (ForkType("the forks for self-normalizing nets", "ELU and Power"), "SELU SeLU"),
    (
        ForkType("forks with data layers of their own", DATA_OF_FTJOB),
        "AnnotatedData BoxData DenseImageData ImageDataMultiLabel ImageLabelData ImageSegData ListImageData "
        "SegData VideoData",
    ),
    (
        ForkType("the SSD fork"),
        "DetectionEvaluate DetectionOutput MultiBoxLoss Normalize Permute PriorBox SmoothL1Loss",
    ),
    (ForkType("the Fast R-CNN and R-FCN forks"), "BoxAnnotatorOHEM PSROIPooling ROIPooling"),
    (ForkType("the DeepLab and PSPNet forks"), "DenseCRF Interp SegAccuracy SyncBN"),
    (ForkType("the SegNet, PSPNet and TSN forks"), "BN"),
    (ForkType("the SegNet and YOLO forks"), "Unpooling Upsample"),
    (ForkType("the ShuffleNet forks"), "ChannelShuffle ShuffleChannel"),
    (ForkType("the forks for face recognition"), "CenterLoss LabelSpecificAdd MarginInnerProduct"),
    (ForkType("NVIDIA's fork"), "DetectNetTransformation L1Loss ParameterScale"),
    (ForkType("forks for detection"), "FocalLoss SoftmaxWithFocalLoss SoftmaxWithLossOHEM"),
    (ForkType("forks for sequences"), "CTCLoss CtcLoss Reverse Transpose WarpCTC"),
    (ForkType("the FlowNet fork"), "Correlation FlowWarp Resample"),
    (ForkType("the MobileNetV3 forks"), "HSigmoid HSwish HardSigmoid HardSwish Mish"),
    (ForkType("several forks"), "Maxout Noise RReLU SpatialDropout SpatialTransformer"),
)

TYPES = {name: kind for kind, names in _FAMILIES for name in names.split()}
"""Layer types of widely used forks."""

FORK_DATA = frozenset(name for name, kind in TYPES.items() if kind.rewritten == DATA_OF_FTJOB)


def _floor(layer: Layer) -> None:
    layer.pooling_param.round_mode = PoolingParameter.FLOOR


def _always(value: str) -> bool:
    return True


def _is_true(value: str) -> bool:
    return value.lower() in ("true", "t", "1")


def _is_false(value: str) -> bool:
    return not _is_true(value)


_PRECISION = ForkField("says in which precision NVIDIA's fork computes", _always)
_LIBRARY = ForkField("says which library computes, not what", _always)
_FLOORED = ForkField("rounds down, which Caffe 1.0 calls round_mode: FLOOR", _always, _floor)
_FUSED = ForkField(
    "makes NVIDIA's fork scale within BatchNorm; write a Scale layer after it and convert the weights",
    _is_false,
)
_ENGINES = ("CAFFE", "CUDNN", "DEFAULT", "MKL2017", "MKLDNN")

FIELDS = {
    "pooling_param.ceil_mode": ForkField("rounds as Caffe 1.0 does", _is_true),
    "dropout_param.scale_train": ForkField("scales in training, as Caffe 1.0 does", _is_true),
    "batch_norm_param.scale_bias": _FUSED,
    **dict.fromkeys(
        (
            *("split_param", "compile_net_state", "default_conv_algos_override"),
            *("convolution_param.conv_algos_override", "convolution_param.cudnn_convolution_algo_seeker"),
        ),
        _LIBRARY,
    ),
    **dict.fromkeys(
        (
            *("forward_type", "backward_type", "forward_math", "backward_math"),
            *(
                "default_forward_type",
                "default_backward_type",
                "default_forward_math",
                "default_backward_math",
            ),
            *("global_grad_scale", "global_grad_scale_adaptive"),
        ),
        _PRECISION,
    ),
}
"""Fields of widely used forks, by their path within a layer, or within the net where they stand outside."""


def judge_field(place: Place, layer_type: str) -> ForkField | None:
    """Say what becomes of a field that Caffe 1.0 does not have; None where it is no fork's that we know.

    In layers that ftjob replaces anyhow (data, Accuracy), and in layers of a fork's own type, any field goes.
    """
    inside = place.path[1:] if place.path[0] in ("layer", "layers") else place.path
    if inside == ("type",):
        return None
    if layer_type in DATA | FORK_DATA | {"Accuracy"} or (layer_type in TYPES and layer_type not in KNOWN):
        return ForkField("", _always)
    name = ".".join(inside)
    if name == "pooling_param.ceil_mode" and _is_false(place.value):
        return _FLOORED
    if place.path[-1] == "engine" and place.value in _ENGINES:
        return _LIBRARY
    return FIELDS.get(name)
