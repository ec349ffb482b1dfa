"""ResNet-50 as its authors published it for Caffe: BatchNorm and Scale in place after every convolution."""

from ftjob.net.proto.caffe_pb2 import NetParameter
from ftjob.net.zoo.builder import AVE, MAX, NetBuilder, constant, msra, xavier
from ftjob.net.zoo.entry import ZooNet

NET = ZooNet(
    name="resnet50",
    channels=3,
    crop=224,
    mean=(104, 117, 123),
    scale=1,
    classes=1000,
    description="sixteen bottleneck blocks with batch normalisation (He et al., 2015)",
    weights="ResNet-50-model.caffemodel",
)
STAGES = {2: ("abc", 64), 3: ("abcd", 128), 4: ("abcdef", 256), 5: ("abc", 512)}
"""Blocks and the width of their 3x3 convolution, by the number in the layers' names."""


def build() -> NetParameter:
    """Return ResNet-50's train_val."""
    net = NetBuilder("ResNet-50", params=())
    blob = net.data((32, 25), NET.crop, NET.mean)
    # Of all the convolutions the published conv1 alone has a bias; without it the weights do not fit.
    blob = net.conv("conv1", blob, 64, 7, stride=2, pad=3, weight_filler=msra(), bias_filler=constant(0))
    blob = net.relu("conv1_relu", _normalise(net, "_conv1", blob))
    blob = net.pool("pool1", blob, MAX, 3, stride=2)
    for stage, (blocks, width) in STAGES.items():
        for block in blocks:
            stride = 2 if block == "a" and stage > 2 else 1
            blob = _bottleneck(net, f"{stage}{block}", blob, width, stride, projected=block == "a")
    blob = net.pool("pool5", blob, AVE, 7)
    score = net.fc("fc1000", blob, NET.classes, weight_filler=xavier(), bias_filler=constant(0))
    net.softmax_loss("loss", score, top="loss")
    net.accuracy("accuracy", score)
    net.accuracy("accuracy_top5", score, top_k=5)
    return net.net


def _normalise(net: NetBuilder, suffix: str, blob: str) -> str:
    return net.scale(f"scale{suffix}", net.batch_norm(f"bn{suffix}", blob))


def _conv(
    net: NetBuilder, branch: str, bottom: str, num_output: int, kernel_size: int, stride: int = 1
) -> str:
    blob = net.conv(
        f"res{branch}",
        bottom,
        num_output,
        kernel_size,
        stride=stride,
        pad=kernel_size // 2,
        weight_filler=msra(),
        bias_term=False,
    )
    return _normalise(net, branch, blob)


def _bottleneck(net: NetBuilder, block: str, bottom: str, width: int, stride: int, projected: bool) -> str:
    shortcut = bottom
    if projected:
        shortcut = _conv(net, f"{block}_branch1", bottom, 4 * width, 1, stride)
    blob = _conv(net, f"{block}_branch2a", bottom, width, 1, stride)
    blob = _conv(net, f"{block}_branch2b", net.relu(f"res{block}_branch2a_relu", blob), width, 3)
    blob = _conv(net, f"{block}_branch2c", net.relu(f"res{block}_branch2b_relu", blob), 4 * width, 1)
    return net.relu(f"res{block}_relu", net.add(f"res{block}", [shortcut, blob]))
