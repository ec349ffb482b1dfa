"""Write a net as its layers in order: every method appends one layer and returns the name of its top.

The parameters have Caffe's names (caffe.proto); a value that is Caffe's default is left out, so that the
prototxt reads as a person would have written it.
"""

from collections.abc import Sequence
from typing import Any

from ftjob.net.proto.caffe_pb2 import (
    TEST,
    TRAIN,
    ConvolutionParameter,
    DataParameter,
    DropoutParameter,
    FillerParameter,
    InnerProductParameter,
    LayerParameter,
    LRNParameter,
    NetParameter,
    NetStateRule,
    ParamSpec,
    PoolingParameter,
    ScaleParameter,
    TransformationParameter,
)

TRAIN_SOURCE = "train_lmdb"
VAL_SOURCE = "val_lmdb"
MAX = PoolingParameter.MAX
AVE = PoolingParameter.AVE

WEIGHT_AND_BIAS = (ParamSpec(lr_mult=1, decay_mult=1), ParamSpec(lr_mult=2, decay_mult=0))
"""Caffe's usual recipe: the bias learns twice as fast and does not decay."""


NOT_LEARNED = ParamSpec(lr_mult=0, decay_mult=0)


def gaussian(std: float) -> FillerParameter:
    """Fill with zero-mean normal noise."""
    return FillerParameter(type="gaussian", std=std)


def constant(value: float) -> FillerParameter:
    """Fill with one value."""
    return FillerParameter(type="constant", value=value)


def xavier() -> FillerParameter:
    """Fill uniformly by fan-in (Glorot and Bengio)."""
    return FillerParameter(type="xavier")


def msra() -> FillerParameter:
    """Fill normally by fan-in, for layers before a ReLU (He et al.)."""
    return FillerParameter(type="msra")


class NetBuilder:
    """A NetParameter that grows by one layer per call."""

    def __init__(self, name: str, params: Sequence[ParamSpec] = WEIGHT_AND_BIAS) -> None:
        """Start an empty net; its convolutions and inner products get `params` (weights, bias)."""
        self.net = NetParameter(name=name)
        self._params = tuple(params)

    def _layer(self, type_: str, name: str, bottom: Sequence[str], top: str, **fields: Any) -> str:
        self.net.layer.append(LayerParameter(name=name, type=type_, bottom=bottom, top=[top], **fields))
        return top

    def data(
        self,
        batch_sizes: tuple[int, int],
        crop: int,
        mean: Sequence[float] = (),
        scale: float = 1,
        mirror: bool = True,
    ) -> str:
        """Append the Data layers of TRAIN and TEST (tops data and label); return `data`."""
        for phase, batch_size in zip((TRAIN, TEST), batch_sizes, strict=True):
            transform = TransformationParameter(crop_size=crop, mean_value=mean)
            if scale != 1:
                transform.scale = scale
            if mirror and phase == TRAIN:
                transform.mirror = True
            source = TRAIN_SOURCE if phase == TRAIN else VAL_SOURCE
            data = DataParameter(source=source, batch_size=batch_size, backend=DataParameter.LMDB)
            layer = LayerParameter(name="data", type="Data", top=["data", "label"])
            layer.include.append(NetStateRule(phase=phase))
            layer.transform_param.CopyFrom(transform)
            layer.data_param.CopyFrom(data)
            self.net.layer.append(layer)
        return "data"

    def conv(
        self,
        name: str,
        bottom: str,
        num_output: int,
        kernel_size: int,
        *,
        stride: int = 1,
        pad: int = 0,
        group: int = 1,
        weight_filler: FillerParameter,
        bias_filler: FillerParameter | None = None,
        bias_term: bool = True,
    ) -> str:
        """Append a Convolution with a square kernel."""
        conv = ConvolutionParameter(
            num_output=num_output,
            pad=[pad] if pad else [],
            kernel_size=[kernel_size],
            stride=[stride] if stride != 1 else [],
            weight_filler=weight_filler,
            bias_filler=bias_filler,
        )
        if group != 1:
            conv.group = group
        if not bias_term:
            conv.bias_term = False
        params = self._params[: 2 if bias_term else 1]
        return self._layer("Convolution", name, [bottom], name, convolution_param=conv, param=params)

    def fc(
        self,
        name: str,
        bottom: str,
        num_output: int,
        *,
        weight_filler: FillerParameter,
        bias_filler: FillerParameter | None = None,
    ) -> str:
        """Append an InnerProduct with a bias."""
        inner = InnerProductParameter(
            num_output=num_output, weight_filler=weight_filler, bias_filler=bias_filler
        )
        return self._layer(
            "InnerProduct", name, [bottom], name, inner_product_param=inner, param=self._params
        )

    def relu(self, name: str, blob: str) -> str:
        """Append a ReLU in place."""
        return self._layer("ReLU", name, [blob], blob)

    def dropout(self, name: str, blob: str, ratio: float) -> str:
        """Append a Dropout in place."""
        return self._layer("Dropout", name, [blob], blob, dropout_param=DropoutParameter(dropout_ratio=ratio))

    def batch_norm(self, name: str, blob: str) -> str:
        """Append a BatchNorm in place: with the batch's statistics in TRAIN, the running ones in TEST.

        Its params are marked as not learned, which they are not anyway: Net::Init would else run every layer
        above a frozen BatchNorm backward.
        """
        return self._layer("BatchNorm", name, [blob], blob, param=[NOT_LEARNED] * 3)

    def scale(self, name: str, blob: str) -> str:
        """Append a Scale with a bias, in place: what BatchNorm leaves to be learned."""
        return self._layer("Scale", name, [blob], blob, scale_param=ScaleParameter(bias_term=True))

    def pool(
        self,
        name: str,
        bottom: str,
        method: PoolingParameter.PoolMethod,
        kernel_size: int,
        *,
        stride: int = 1,
        pad: int = 0,
    ) -> str:
        """Append a Pooling with a square window."""
        pooling = PoolingParameter(pool=method, kernel_size=kernel_size)
        if stride != 1:
            pooling.stride = stride
        if pad:
            pooling.pad = pad
        return self._layer("Pooling", name, [bottom], name, pooling_param=pooling)

    def global_average(self, name: str, bottom: str) -> str:
        """Append a Pooling that averages each channel's whole map."""
        return self._layer(
            "Pooling", name, [bottom], name, pooling_param=PoolingParameter(pool=AVE, global_pooling=True)
        )

    def lrn(self, name: str, bottom: str, *, local_size: int, alpha: float, beta: float) -> str:
        """Append a local response normalisation across channels."""
        lrn = LRNParameter(local_size=local_size, alpha=alpha, beta=beta)
        return self._layer("LRN", name, [bottom], name, lrn_param=lrn)

    def concat(self, name: str, bottoms: Sequence[str]) -> str:
        """Append a Concat along the channels."""
        return self._layer("Concat", name, bottoms, name)

    def add(self, name: str, bottoms: Sequence[str]) -> str:
        """Append an Eltwise sum."""
        return self._layer("Eltwise", name, bottoms, name)

    def softmax_loss(self, name: str, score: str, *, top: str, weight: float | None = None) -> str:
        """Append a SoftmaxWithLoss against `label`, weighted 1 where no weight is given."""
        weights = [] if weight is None else [weight]
        return self._layer("SoftmaxWithLoss", name, [score, "label"], top, loss_weight=weights)

    def accuracy(self, name: str, score: str, *, top_k: int = 1) -> str:
        """Append an Accuracy against `label`, in TEST only."""
        self._layer("Accuracy", name, [score, "label"], name, include=[NetStateRule(phase=TEST)])
        if top_k != 1:
            self.net.layer[-1].accuracy_param.top_k = top_k
        return name
