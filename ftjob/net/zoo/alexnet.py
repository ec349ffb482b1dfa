"""AlexNet and CaffeNet: the same five convolutions; CaffeNet pools before it normalises."""

from ftjob.net.proto.caffe_pb2 import NetParameter
from ftjob.net.zoo.builder import MAX, NetBuilder, constant, gaussian
from ftjob.net.zoo.entry import ZooNet

NET = ZooNet(
    name="alexnet",
    channels=3,
    crop=227,
    mean=(104, 117, 123),
    scale=1,
    classes=1000,
    description="the net of Krizhevsky et al. (2012): normalises, then pools",
    weights="bvlc_alexnet.caffemodel",
)


def build() -> NetParameter:
    """Return AlexNet's train_val."""
    return five_convolutions("AlexNet", pool_first=False, bias=0.1)


def five_convolutions(name: str, *, pool_first: bool, bias: float) -> NetParameter:
    """Return the net of both files; `bias` fills the layers that shall start with live ReLUs."""
    net = NetBuilder(name)
    blob = net.data((256, 50), NET.crop, NET.mean)
    blob = _conv(net, 1, blob, 96, 11, stride=4, bias=0)
    blob = _pool_and_norm(net, 1, blob, pool_first)
    blob = _conv(net, 2, blob, 256, 5, pad=2, group=2, bias=bias)
    blob = _pool_and_norm(net, 2, blob, pool_first)
    blob = _conv(net, 3, blob, 384, 3, pad=1, bias=0)
    blob = _conv(net, 4, blob, 384, 3, pad=1, group=2, bias=bias)
    blob = _conv(net, 5, blob, 256, 3, pad=1, group=2, bias=bias)
    blob = net.pool("pool5", blob, MAX, 3, stride=2)
    for number in (6, 7):
        blob = net.fc(f"fc{number}", blob, 4096, weight_filler=gaussian(0.005), bias_filler=constant(bias))
        blob = net.dropout(f"drop{number}", net.relu(f"relu{number}", blob), 0.5)
    score = net.fc("fc8", blob, NET.classes, weight_filler=gaussian(0.01), bias_filler=constant(0))
    net.accuracy("accuracy", score)
    net.softmax_loss("loss", score, top="loss")
    return net.net


def _conv(
    net: NetBuilder,
    number: int,
    bottom: str,
    num_output: int,
    kernel_size: int,
    *,
    bias: float,
    stride: int = 1,
    pad: int = 0,
    group: int = 1,
) -> str:
    blob = net.conv(
        f"conv{number}",
        bottom,
        num_output,
        kernel_size,
        stride=stride,
        pad=pad,
        group=group,
        weight_filler=gaussian(0.01),
        bias_filler=constant(bias),
    )
    return net.relu(f"relu{number}", blob)


def _pool_and_norm(net: NetBuilder, number: int, blob: str, pool_first: bool) -> str:
    if pool_first:
        blob = net.pool(f"pool{number}", blob, MAX, 3, stride=2)
    blob = net.lrn(f"norm{number}", blob, local_size=5, alpha=0.0001, beta=0.75)
    return blob if pool_first else net.pool(f"pool{number}", blob, MAX, 3, stride=2)
