"""VGG-19: VGG-16 with a fourth convolution in each of the last three blocks."""

from dataclasses import replace

from ftjob.net.proto.caffe_pb2 import NetParameter
from ftjob.net.zoo import vgg16
from ftjob.net.zoo.entry import ZooNet

NET: ZooNet = replace(
    vgg16.NET,
    name="vgg19",
    description="sixteen 3x3 convolutions and three inner products (Simonyan and Zisserman, 2014)",
    weights="VGG_ILSVRC_19_layers.caffemodel",
)


def build() -> NetParameter:
    """Return VGG-19's train_val."""
    return vgg16.five_blocks("VGG_ILSVRC_19_layers", (2, 2, 4, 4, 4))
