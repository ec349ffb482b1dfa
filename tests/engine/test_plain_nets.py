"""The plain PyTorch that `make bench B=gpu` holds the torch engine against computes the very same nets."""

from typing import Any

import numpy as np
import pytest

from ftjob.net import zoo
from ftjob.net.flops import count_flops
from ftjob.net.proto.caffe_pb2 import TRAIN, BlobShape, NetParameter
from ftjob.net.topology.phases import phase_view
from ftjob.net.topology.shapes import infer_shapes

pytestmark = [pytest.mark.torch, pytest.mark.slow]

CLASSES, BATCH = 10, 2
SIDES = {"googlenet": 224, "vgg16": 32, "resnet50": 224}
"""Smaller images where a net takes them."""
MORE: dict[str, dict[str, int]] = {"vgg16": {"side": 32, "width": 128}}
"""Arguments with which the plain net is as small."""


def trained(name: str) -> NetParameter:
    """A net's TRAIN view whose images are given; without dropout, which draws in another way."""
    net, side = phase_view(zoo.build(name), TRAIN), SIDES[name]
    for layer in net.layer:
        if layer.type == "Data":
            layer.type = "Input"
            layer.input_param.shape.extend([BlobShape(dim=[BATCH, 3, side, side]), BlobShape(dim=[BATCH])])
        if layer.type == "Dropout":
            layer.dropout_param.dropout_ratio = 0
        if layer.name in ("fc6", "fc7"):
            layer.inner_product_param.num_output = 128
        if layer.type == "InnerProduct" and layer.inner_product_param.num_output == 1000:
            layer.inner_product_param.num_output = CLASSES
    return net


@pytest.mark.parametrize("name", SIDES)
def test_plain_pytorch_computes_the_same(name: str) -> None:
    """From the same weights: scores of all classifiers, loss and gradients; as many params and operations."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from benchmarks.gpu.plainnets import PLAIN, loss_of
    from ftjob.engine.torch.process.layers.making import NetContext
    from ftjob.engine.torch.process.net import TorchNet
    from ftjob.engine.torch.process.weights import make_weights

    shapes = infer_shapes(trained(name))
    weights = make_weights(shapes, 1, torch.device("cpu"))
    engine = TorchNet(shapes, weights, NetContext(TRAIN, torch.device("cpu"), seed=1))
    plain = PLAIN[name](CLASSES, dropout=0.0, **MORE.get(name, {}))
    layers = [layer.name for layer in shapes.layers if layer.type != "BatchNorm"]
    learned = [tensor for name in layers for tensor in weights.get(name, [])]
    with torch.no_grad():
        for own, given in zip(plain.parameters(), learned, strict=True):
            own.copy_(given.reshape(own.shape))
    shape = BATCH, 3, SIDES[name], SIDES[name]
    images = torch.from_numpy(np.random.default_rng(2).normal(0, 50, shape)).float()
    labels = torch.arange(BATCH)
    scores = [layer.layer.bottom[0] for layer in shapes.layers if layer.type == "SoftmaxWithLoss"]

    engine.given = {"data": images, "label": labels.float()}
    expected = engine.forward(scores)
    expected.loss.backward()
    with FlopCounterMode(display=False) as counted:
        found = plain(images)
    loss = loss_of(plain, found, labels)
    loss.backward()

    for blob, score in zip(scores, found, strict=True):
        assert near(score, expected.blobs[blob])
    assert near(loss, expected.loss)
    least = 1e-4 * max(float(given.grad.abs().max()) for given in learned)  # below it, BatchNorm cancels all
    for own, given in zip(plain.parameters(), learned, strict=True):
        assert near(own.grad, given.grad.reshape(own.shape), least, within=1e-2)
    assert counted.get_total_flops() == count_flops(shapes).forward * BATCH


def near(found: Any, expected: Any, least: float = 0.0, within: float = 1e-3) -> bool:
    """Whether two tensors are the same but for rounding, which is small beside `least` too."""
    found, expected = found.detach(), expected.detach()
    return float((found - expected).abs().max()) <= within * max(least, float(expected.abs().max()))
