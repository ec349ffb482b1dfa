"""VGG-16 and VGG-19: 3x3 convolutions in five blocks, then three inner products."""

from collections.abc import Sequence

from ftjob.net.proto.caffe_pb2 import NetParameter
from ftjob.net.zoo.builder import MAX, NetBuilder, constant, gaussian, xavier
from ftjob.net.zoo.entry import ZooNet

NET = ZooNet(
    name="vgg16",
    channels=3,
    crop=224,
    mean=(103.939, 116.779, 123.68),
    scale=1,
    classes=1000,
    description="thirteen 3x3 convolutions and three inner products (Simonyan and Zisserman, 2014)",
    weights="VGG_ILSVRC_16_layers.caffemodel",
)


def build() -> NetParameter:
    """Return VGG-16's train_val."""
    return five_blocks("VGG_ILSVRC_16_layers", (2, 2, 3, 3, 3))


def five_blocks(name: str, convolutions: Sequence[int]) -> NetParameter:
    """Return the net with that many convolutions in each of its five blocks.

    Filled by fan-in, which the paper found to train all layers from scratch.
    """
    net = NetBuilder(name)
    blob = net.data((64, 50), NET.crop, NET.mean)
    for block, (count, num_output) in enumerate(
        zip(convolutions, (64, 128, 256, 512, 512), strict=True), start=1
    ):
        for index in range(1, count + 1):
            blob = net.conv(
                f"conv{block}_{index}",
                blob,
                num_output,
                3,
                pad=1,
                weight_filler=xavier(),
                bias_filler=constant(0),
            )
            blob = net.relu(f"relu{block}_{index}", blob)
        blob = net.pool(f"pool{block}", blob, MAX, 2, stride=2)
    for number in (6, 7):
        blob = net.fc(f"fc{number}", blob, 4096, weight_filler=xavier(), bias_filler=constant(0.1))
        blob = net.dropout(f"drop{number}", net.relu(f"relu{number}", blob), 0.5)
    score = net.fc("fc8", blob, NET.classes, weight_filler=gaussian(0.01), bias_filler=constant(0))
    net.accuracy("accuracy", score)
    net.softmax_loss("loss", score, top="loss")
    return net.net
