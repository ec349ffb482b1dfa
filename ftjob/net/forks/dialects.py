"""Layer types and fields of Caffe's forks that Caffe 1.0 lacks, and how each is handled."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from ftjob.net.forks.places import Place
from ftjob.net.proto.caffe_pb2 import LayerParameter, PoolingParameter, V1LayerParameter
from ftjob.net.topology.layertypes import DATA, KNOWN

Layer = LayerParameter | V1LayerParameter


@dataclass(frozen=True)
class ForkType:
    """A layer type of forks."""

    forks: str
    """The forks that have it, as messages name them."""
    rewritten: str = ""
    """What it becomes in Caffe 1.0, where it has an exact form there (see rewrite.py)."""
    instead: str = ""
    """What to write where it has no exact form, if something serves the same end."""

    @property
    def refusal(self) -> str:
        """Why Caffe 1.0 cannot run it, and what to do."""
        return f"is of {self.forks}: Caffe 1.0 cannot run it" + (f"; {self.instead}" if self.instead else "")


@dataclass(frozen=True)
class ForkField:
    """What becomes of a field of forks, in a layer type that Caffe 1.0 has too."""

    outcome: str
    """What it does in the fork and what becomes of it, such as `rounds as Caffe 1.0 does; left out`; empty
    where nobody needs to know, since the whole layer is replaced."""
    foreign: bool = False
    """Whether Caffe 1.0 cannot compute the same."""
    apply: Callable[[Layer, str], None] | None = None
    """What to set instead, given the text of its value."""


DATA_OF_FTJOB = "ftjob's own data layers"
FUSED_BATCH_NORM = "BatchNormScale"
"""A name of ours for NVIDIA's BatchNorm that scales, until rewrite.py makes two layers of it."""

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
    (ForkType("the DeepLab and PSPNet forks"), "DenseCRF Interp SegAccuracy"),
    (
        ForkType(
            "the SegNet, PSPNet and TSN forks", instead="write BatchNorm and Scale, and convert its weights"
        ),
        "BN SyncBN",
    ),
    (ForkType("the SegNet and YOLO forks"), "Unpooling Upsample"),
    (ForkType("the ShuffleNet forks"), "ChannelShuffle ShuffleChannel"),
    (
        ForkType(
            "the forks for face recognition", instead="write InnerProduct with its first bottom and top"
        ),
        "MarginInnerProduct",
    ),
    (
        ForkType(
            "the forks for face recognition", instead="take it out, and let its readers read its first bottom"
        ),
        "LabelSpecificAdd",
    ),
    (
        ForkType("the forks for face recognition", instead="take it out, if a softmax loss stands beside it"),
        "CenterLoss TripletLoss",
    ),
    (ForkType("NVIDIA's fork"), "DetectNetTransformation L1Loss ParameterScale"),
    (
        ForkType("forks for detection", instead="write SoftmaxWithLoss, which takes the same bottoms"),
        "FocalLoss SoftmaxWithFocalLoss SoftmaxWithLossOHEM",
    ),
    (ForkType("forks for sequences"), "CTCLoss CtcLoss Reverse Transpose WarpCTC"),
    (ForkType("the FlowNet fork"), "Correlation FlowWarp Resample"),
    (ForkType("the MobileNetV3 forks"), "HSigmoid HSwish HardSigmoid HardSwish Mish"),
    (ForkType("several forks", instead="write Dropout"), "SpatialDropout"),
    (ForkType("several forks"), "Maxout Noise RReLU SpatialTransformer"),
)

TYPES = {name: kind for kind, names in _FAMILIES for name in names.split()}
"""Layer types of widely used forks."""

FORK_DATA = frozenset(name for name, kind in TYPES.items() if kind.rewritten == DATA_OF_FTJOB)


def _floor(layer: Layer, value: str) -> None:
    layer.pooling_param.round_mode = PoolingParameter.FLOOR


def _dilate(layer: Layer, value: str) -> None:
    layer.convolution_param.dilation[:] = [int(value)]


def _scale(layer: Layer, value: str) -> None:
    if isinstance(layer, LayerParameter) and layer.type == "BatchNorm":
        layer.type = FUSED_BATCH_NORM


def _always(value: str) -> bool:
    return True


def _is_true(value: str) -> bool:
    return value.lower() in ("true", "t", "1")


def _is_false(value: str) -> bool:
    return not _is_true(value)


def _is_size(value: str) -> bool:
    return bool(re.fullmatch("[1-9][0-9]{0,8}", value))


def _is(number: float) -> Callable[[str], bool]:
    def compare(value: str) -> bool:
        try:
            return float(value) == number
        except ValueError:
            return False

    return compare


_Case = tuple[Callable[[str], bool], ForkField]
_Cases = tuple[_Case, ...]
"""By the text of the value: the first whose condition holds counts."""


def _left_out(why: str, when: Callable[[str], bool] = _always) -> _Case:
    return when, ForkField(f"{why}; left out")


def _refused(why: str) -> _Case:
    return _always, ForkField(why, foreign=True)


_LIBRARY: _Cases = (_left_out("says which library or algorithm computes, not what"),)
_SCALED: _Cases = (
    (_always, ForkField("has BatchNorm scale, too; becomes a Scale layer after it", apply=_scale)),
)
_WITH_RELU: _Cases = (
    _left_out("keeps Intel's fork from a ReLU within the layer", _is_false),
    _refused("makes Intel's fork compute a ReLU within the layer; write a ReLU layer after it instead"),
)
_STATISTICS: _Cases = (
    _left_out("takes BatchNorm's statistics from the whole batch, as Caffe 1.0 does", _is(0)),
    _left_out("says of how many images Intel's fork takes BatchNorm's statistics: Caffe 1.0 takes the batch"),
)
_ENGINES = ("CAFFE", "CUDNN", "DEFAULT", "MKL2017", "MKLDNN")

_FIELDS: tuple[tuple[_Cases, str], ...] = (
    ((_left_out("says where NVIDIA's fork keeps its memory"),), "eltwise_mem_sharing"),
    (
        (_left_out("says in which precision a fork computes"),),
        "forward_type backward_type forward_math backward_math default_forward_type default_backward_type "
        "default_forward_math default_backward_math quantization_param",
    ),
    (
        (_left_out("scales gradients against the rounding of FLOAT16"),),
        "global_grad_scale global_grad_scale_adaptive",
    ),
    (
        _LIBRARY,
        "engine split_param compile_net_state default_conv_algos_override default_cudnn_math_override "
        "cudnn_math_override convolution_param.conv_algos_override convolution_param.conv_algorithm "
        "convolution_param.cudnn_convolution_algo_seeker relu_param.fuse",
    ),
    (
        (_left_out("says how a fork shares the work among GPUs or machines"),),
        "reduce_buckets multinode mn_activation_param mn_grad_compress_param",
    ),
    ((_left_out("has NVIDIA's fork print more"),), "debug"),
    ((_left_out("says where a fork's random numbers begin"),), "dropout_param.random_seed"),
    (
        (
            _left_out("rounds as Caffe 1.0 does", _is_true),
            (
                _always,
                ForkField("rounds down, which Caffe 1.0 calls round_mode: FLOOR; left out", apply=_floor),
            ),
        ),
        "pooling_param.ceil_mode",
    ),
    (
        (
            (_is_size, ForkField("is what Caffe 1.0 calls dilation; becomes that", apply=_dilate)),
            _refused("is no size"),
        ),
        "convolution_param.hole",
    ),
    (
        (
            _left_out("counts the padding, as Caffe 1.0 does", _is_true),
            _refused("leaves the padding out of averages, which Caffe 1.0 cannot; take it out if pad is 0"),
        ),
        "pooling_param.avg_include_pad",
    ),
    (
        (
            _left_out("pools over height and width, as Caffe 1.0 does", _is(1)),
            _refused("pools over other axes than height and width, which Caffe 1.0 cannot"),
        ),
        "pooling_param.axis",
    ),
    (
        (
            _left_out("scales in training, as Caffe 1.0 does", _is_true),
            _refused("scales in tests, which Caffe 1.0 does in training; take it out"),
        ),
        "dropout_param.scale_train",
    ),
    (
        (_left_out("keeps a fork's BatchNorm from scaling, as Caffe 1.0's never does", _is_false), *_SCALED),
        "batch_norm_param.scale_bias batch_norm_param.use_weight_bias",
    ),
    (
        _SCALED,
        "batch_norm_param.scale_filler batch_norm_param.bias_filler batch_norm_param.filler",
    ),
    (_STATISTICS, "bn_stats_batch_size batch_norm_param.stats_batch_size"),
    (_WITH_RELU, "convolution_param.relu batch_norm_param.relu"),
    ((_left_out("is of the ReLU within the layer"),), "convolution_param.negative_slope"),
    (
        (
            _left_out("is what Caffe 1.0 takes", _is(1)),
            _refused("multiplies the ELU; write a Power layer with this scale after it instead"),
        ),
        "elu_param.lambda",
    ),
    (
        (
            _left_out("keeps the weights as they are, as Caffe 1.0 does", _is_false),
            _refused(
                "divides the weights of each output by their norm, which Caffe 1.0 cannot; take it out of a "
                "classifier, which starts afresh anyhow"
            ),
        ),
        "inner_product_param.normalize",
    ),
    (
        (
            _left_out("smooths no labels", _is(0)),
            _refused("smooths the labels, which Caffe 1.0 cannot; take it out"),
        ),
        "loss_param.label_smoothing",
    ),
    ((_left_out("is of a normalization that Caffe 1.0 does not have"),), "loss_param.pre_fixed_normalizer"),
)

FIELDS = {name: cases for cases, names in _FIELDS for name in names.split()}
"""Fields of widely used forks, by their path within a layer, or within the net for those outside layers.

NVIDIA's are those of its caffe.proto from 0.15 to 0.17, Intel's those of its 1.1."""


def fork_field(place: Place, layer_type: str) -> ForkField | None:
    """Say what becomes of a field that Caffe 1.0 does not have; None where it is no fork's that we know.

    In the params of layers that ftjob replaces anyhow (data, Accuracy), and of layers of a fork's own type,
    any field goes.
    """
    replaced = layer_type in DATA | FORK_DATA | {"Accuracy"}
    in_param = place.in_layer and place.inside[:1] and place.inside[0].endswith("_param")
    if in_param and (replaced or (layer_type in TYPES and layer_type not in KNOWN)):
        return ForkField("")
    if place.path[-1] == "engine" and place.value in _ENGINES:
        return _LIBRARY[0][1]
    cases = FIELDS.get(".".join(place.inside), ())
    return next((field for holds, field in cases if holds(place.value)), None)
