"""LeNet as Caffe trains it on MNIST: two convolutions without ReLU, then two inner products."""

from ftjob.net.proto.caffe_pb2 import NetParameter, ParamSpec
from ftjob.net.zoo.builder import MAX, NetBuilder, constant, xavier
from ftjob.net.zoo.entry import ZooNet

NET = ZooNet(
    name="lenet",
    channels=1,
    crop=28,
    mean=(),
    scale=1 / 256,
    classes=10,
    description="two convolutions for 28x28 grey digits; trains in a minute on a CPU",
    weights="",
)


def build() -> NetParameter:
    """Return LeNet's train_val."""
    net = NetBuilder("LeNet", [ParamSpec(lr_mult=1), ParamSpec(lr_mult=2)])
    blob = net.data((64, 100), NET.crop, scale=NET.scale, mirror=False)
    for number, num_output in ((1, 20), (2, 50)):
        blob = net.conv(f"conv{number}", blob, num_output, 5, weight_filler=xavier(), bias_filler=constant(0))
        blob = net.pool(f"pool{number}", blob, MAX, 2, stride=2)
    blob = net.relu("relu1", net.fc("ip1", blob, 500, weight_filler=xavier(), bias_filler=constant(0)))
    score = net.fc("ip2", blob, NET.classes, weight_filler=xavier(), bias_filler=constant(0))
    net.accuracy("accuracy", score)
    net.softmax_loss("loss", score, top="loss")
    return net.net
