"""GoogLeNet as BVLC published it: nine inception modules and three classifiers."""

from ftjob.net.proto.caffe_pb2 import NetParameter
from ftjob.net.zoo.builder import AVE, MAX, NetBuilder, constant, xavier
from ftjob.net.zoo.entry import ZooNet

NET = ZooNet(
    name="googlenet",
    channels=3,
    crop=224,
    mean=(104, 117, 123),
    scale=1,
    classes=1000,
    description="nine inception modules; three classifiers while training, the third one in deploy",
    weights="bvlc_googlenet.caffemodel",
)
AUXILIARY_WEIGHT = 0.3
Module = tuple[int, int, int, int, int, int]
"""num_output of 1x1, 3x3_reduce, 3x3, 5x5_reduce, 5x5 and pool_proj."""

MODULES: dict[str, Module] = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
AUXILIARY_AFTER = {"4a": "loss1", "4d": "loss2"}
POOL_AFTER = {"3b": "pool3/3x3_s2", "4e": "pool4/3x3_s2"}


def build() -> NetParameter:
    """Return GoogLeNet's train_val."""
    net = NetBuilder("GoogleNet")
    blob = _stem(net, net.data((32, 50), NET.crop, NET.mean))
    for module, outputs in MODULES.items():
        blob = _inception(net, f"inception_{module}", blob, outputs)
        if module in AUXILIARY_AFTER:
            _auxiliary_head(net, AUXILIARY_AFTER[module], blob)
        if module in POOL_AFTER:
            blob = net.pool(POOL_AFTER[module], blob, MAX, 3, stride=2)
    blob = net.pool("pool5/7x7_s1", blob, AVE, 7)
    blob = net.dropout("pool5/drop_7x7_s1", blob, 0.4)
    _classifier(net, "loss3", blob, "loss3/loss3", "loss3/loss3", 1)
    return net.net


def _conv(net: NetBuilder, scope: str, name: str, bottom: str, num_output: int) -> str:
    """Append `scope/name` and its ReLU; the kernel stands in the name, as in 3x3_reduce (which is 1x1)."""
    kernel_size = int(name[0]) if name[1:] in ("x1", "x3", "x5") else 1
    blob = net.conv(
        f"{scope}/{name}",
        bottom,
        num_output,
        kernel_size,
        pad=kernel_size // 2,
        weight_filler=xavier(),
        bias_filler=constant(0.2),
    )
    return net.relu(f"{scope}/relu_{name}", blob)


def _stem(net: NetBuilder, data: str) -> str:
    blob = net.conv(
        "conv1/7x7_s2", data, 64, 7, stride=2, pad=3, weight_filler=xavier(), bias_filler=constant(0.2)
    )
    blob = net.pool("pool1/3x3_s2", net.relu("conv1/relu_7x7", blob), MAX, 3, stride=2)
    blob = net.lrn("pool1/norm1", blob, local_size=5, alpha=0.0001, beta=0.75)
    blob = _conv(net, "conv2", "3x3", _conv(net, "conv2", "3x3_reduce", blob, 64), 192)
    blob = net.lrn("conv2/norm2", blob, local_size=5, alpha=0.0001, beta=0.75)
    return net.pool("pool2/3x3_s2", blob, MAX, 3, stride=2)


def _inception(net: NetBuilder, scope: str, bottom: str, outputs: Module) -> str:
    reduce1, reduce3, three, reduce5, five, projection = outputs
    branches = [
        _conv(net, scope, "1x1", bottom, reduce1),
        _conv(net, scope, "3x3", _conv(net, scope, "3x3_reduce", bottom, reduce3), three),
        _conv(net, scope, "5x5", _conv(net, scope, "5x5_reduce", bottom, reduce5), five),
        _conv(net, scope, "pool_proj", net.pool(f"{scope}/pool", bottom, MAX, 3, pad=1), projection),
    ]
    return net.concat(f"{scope}/output", branches)


def _auxiliary_head(net: NetBuilder, scope: str, bottom: str) -> None:
    blob = _conv(net, scope, "conv", net.pool(f"{scope}/ave_pool", bottom, AVE, 5, stride=3), 128)
    blob = net.fc(f"{scope}/fc", blob, 1024, weight_filler=xavier(), bias_filler=constant(0.2))
    blob = net.dropout(f"{scope}/drop_fc", net.relu(f"{scope}/relu_fc", blob), 0.7)
    # Both auxiliary losses have a top that ends in loss1: BVLC's names, kept so that logs compare.
    _classifier(net, scope, blob, f"{scope}/loss", f"{scope}/loss1", AUXILIARY_WEIGHT)


def _classifier(net: NetBuilder, scope: str, blob: str, loss: str, top: str, weight: float) -> None:
    score = net.fc(f"{scope}/classifier", blob, NET.classes, weight_filler=xavier(), bias_filler=constant(0))
    net.softmax_loss(loss, score, top=top, weight=weight)
    net.accuracy(f"{scope}/top-1", score)
    net.accuracy(f"{scope}/top-5", score, top_k=5)
