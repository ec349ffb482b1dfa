"""Nets after surgery are to the inference what they are to real Caffe, frozen trunk and deploy included."""

from collections.abc import Iterator

import pytest

from ftjob.net import zoo
from ftjob.net.proto.caffe_pb2 import TEST, TRAIN, NetParameter
from ftjob.net.surgery.data_layers import DataLayers
from ftjob.net.surgery.operation import operate
from ftjob.net.topology.backward import backward
from ftjob.net.topology.phases import phase_view
from ftjob.net.topology.shapes import infer_shapes
from jobspec.spec import FreezeUpTo, Surgery
from tests.zoo.conftest import AskCaffe, CaffeNet

FROZEN_UP_TO = {
    "lenet": "conv2",
    "googlenet": "inception_4e",
    "resnet50": "res4f",
    "squeezenet": "fire8",
}


def operated(name: str) -> Iterator[NetParameter]:
    """A built-in net for seven classes with a frozen trunk: TRAIN and TEST on DummyData, and deploy."""
    known = zoo.get(name)
    data = DataLayers("train", "val", known.channels, 256, 256, 2, 3, crop=known.crop)
    surgery = Surgery(freeze=FreezeUpTo(up_to=FROZEN_UP_TO[name]))
    operation = operate(zoo.build(name), surgery, 7, data, "faces")
    for phase in (TRAIN, TEST):
        net = phase_view(operation.train_val, phase)
        net.state.phase = phase
        _feed(net, [known.channels, known.crop, known.crop])
        yield net
    yield operation.deploy


def _feed(net: NetParameter, image: list[int]) -> None:
    layer = net.layer[0]
    batch_size = layer.data_param.batch_size
    layer.type = "DummyData"
    layer.ClearField("data_param")
    layer.ClearField("transform_param")
    for dim in ([batch_size, *image], [batch_size]):
        layer.dummy_data_param.shape.add(dim=dim)


@pytest.mark.parametrize("name", FROZEN_UP_TO)
def test_inference_agrees_with_caffe_after_surgery(name: str, ask_caffe: AskCaffe) -> None:
    """Shapes, memory and the layers that run backward are Caffe's; none that is frozen runs backward."""
    nets = list(operated(name))
    for net, caffe in zip(nets, ask_caffe(nets), strict=True):
        assert isinstance(caffe, CaffeNet), caffe
        ours = infer_shapes(net)
        runs = {layer.name for layer, back in zip(ours.layers, backward(ours), strict=True) if back.runs}

        assert (ours.blobs, ours.params, ours.memory_bytes) == (caffe.blobs, caffe.params, caffe.memory)
        assert runs == caffe.backward
        assert not [layer for layer in runs if layer.startswith(FROZEN_UP_TO[name])]
