"""A small net with GoogLeNet's shape: inception modules and three classifiers, for 28 x 28 grey images."""

from ftjob.net.proto.caffe_pb2 import NetParameter
from ftjob.net.zoo.builder import AVE, MAX, NetBuilder, constant, xavier

CROP = 28
CLASSES = 10
AUXILIARY_WEIGHT = 0.3


def build() -> NetParameter:
    """Return the train_val net, as its first user would have published it."""
    net = NetBuilder("DigitsNet")
    data = net.data((32, 50), CROP, scale=1 / 256, mirror=False)
    for layer in net.net.layer:
        layer.transform_param.force_gray = True
    blob = _conv(net, "conv1/3x3", data, 16, 3)
    blob = _conv(net, "conv2/3x3", net.pool("pool1", blob, MAX, 3, stride=2), 32, 3)
    blob = _inception(net, "inception_a", net.pool("pool2", blob, MAX, 3, stride=2), 12)
    _auxiliary_head(net, "loss1", blob)
    blob = _inception(net, "inception_b", blob, 16)
    _auxiliary_head(net, "loss2", blob)
    blob = _inception(net, "inception_c", net.pool("pool3", blob, MAX, 3, stride=2), 24)
    blob = net.dropout("pool4/drop", net.global_average("pool4", blob), 0.2)
    _classifier(net, "loss3", blob, 1)
    return net.net


def _conv(net: NetBuilder, name: str, bottom: str, num_output: int, kernel_size: int) -> str:
    blob = net.conv(
        name,
        bottom,
        num_output,
        kernel_size,
        pad=kernel_size // 2,
        weight_filler=xavier(),
        bias_filler=constant(0.1),
    )
    return net.relu(f"{name}_relu", blob)


def _inception(net: NetBuilder, scope: str, bottom: str, width: int) -> str:
    branches = [
        _conv(net, f"{scope}/1x1", bottom, width, 1),
        _conv(net, f"{scope}/3x3", _conv(net, f"{scope}/3x3_reduce", bottom, width, 1), 2 * width, 3),
        _conv(net, f"{scope}/5x5", _conv(net, f"{scope}/5x5_reduce", bottom, width // 2, 1), width, 5),
        _conv(net, f"{scope}/pool_proj", net.pool(f"{scope}/pool", bottom, MAX, 3, pad=1), width, 1),
    ]
    return net.concat(f"{scope}/output", branches)


def _auxiliary_head(net: NetBuilder, scope: str, bottom: str) -> None:
    blob = net.pool(f"{scope}/ave_pool", bottom, AVE, 3, stride=2)
    blob = net.fc(f"{scope}/fc", blob, 64, weight_filler=xavier(), bias_filler=constant(0.1))
    _classifier(net, scope, net.relu(f"{scope}/relu_fc", blob), AUXILIARY_WEIGHT)


def _classifier(net: NetBuilder, scope: str, blob: str, weight: float) -> None:
    score = net.fc(f"{scope}/classifier", blob, CLASSES, weight_filler=xavier(), bias_filler=constant(0))
    net.softmax_loss(f"{scope}/loss", score, top=f"{scope}/loss", weight=weight)
    net.accuracy(f"{scope}/top-1", score)
