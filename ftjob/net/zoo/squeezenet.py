"""SqueezeNet 1.1: fire modules, and a convolution as its classifier."""

from ftjob.net.proto.caffe_pb2 import NetParameter
from ftjob.net.zoo.builder import MAX, NetBuilder, gaussian, xavier
from ftjob.net.zoo.entry import ZooNet

NET = ZooNet(
    name="squeezenet",
    channels=3,
    crop=227,
    mean=(104, 117, 123),
    scale=1,
    classes=1000,
    description="version 1.1: AlexNet's accuracy in 5 MB of weights; its classifier is a convolution",
    weights="squeezenet_v1.1.caffemodel",
)
FIRES = {2: 16, 3: 16, 4: 32, 5: 32, 6: 48, 7: 48, 8: 64, 9: 64}
"""num_output of each module's squeeze1x1; its two expands have four times that each."""


def build() -> NetParameter:
    """Return SqueezeNet's train_val."""
    net = NetBuilder("SqueezeNet_v1.1", params=())
    blob = net.conv("conv1", net.data((32, 25), NET.crop, NET.mean), 64, 3, stride=2, weight_filler=xavier())
    blob = net.pool("pool1", net.relu("relu_conv1", blob), MAX, 3, stride=2)
    for number, squeeze in FIRES.items():
        blob = _fire(net, f"fire{number}", blob, squeeze)
        if number in (3, 5):
            blob = net.pool(f"pool{number}", blob, MAX, 3, stride=2)
    blob = net.dropout("drop9", blob, 0.5)
    blob = net.conv("conv10", blob, NET.classes, 1, weight_filler=gaussian(0.01))
    score = net.global_average("pool10", net.relu("relu_conv10", blob))
    net.softmax_loss("loss", score, top="loss")
    net.accuracy("accuracy", score)
    net.accuracy("accuracy_top5", score, top_k=5)
    return net.net


def _fire(net: NetBuilder, scope: str, bottom: str, squeeze: int) -> str:
    def conv(name: str, bottom: str, num_output: int, kernel_size: int) -> str:
        blob = net.conv(
            f"{scope}/{name}",
            bottom,
            num_output,
            kernel_size,
            pad=kernel_size // 2,
            weight_filler=xavier(),
        )
        return net.relu(f"{scope}/relu_{name}", blob)

    squeezed = conv("squeeze1x1", bottom, squeeze, 1)
    expanded = [
        conv("expand1x1", squeezed, 4 * squeeze, 1),
        conv("expand3x3", squeezed, 4 * squeeze, 3),
    ]
    return net.concat(f"{scope}/concat", expanded)
