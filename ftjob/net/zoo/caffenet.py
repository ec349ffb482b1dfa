"""CaffeNet: BVLC's reference model, AlexNet with pooling before normalisation."""

from dataclasses import replace

from ftjob.net.proto.caffe_pb2 import NetParameter
from ftjob.net.zoo import alexnet
from ftjob.net.zoo.entry import ZooNet

NET: ZooNet = replace(
    alexnet.NET,
    name="caffenet",
    description="BVLC's reference net: AlexNet that pools before it normalises",
    weights="bvlc_reference_caffenet.caffemodel",
)


def build() -> NetParameter:
    """Return CaffeNet's train_val."""
    return alexnet.five_convolutions("CaffeNet", pool_first=True, bias=1)
