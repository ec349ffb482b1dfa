"""Every built-in net is to the inference what it is to real Caffe."""

import pytest

from ftjob.net import zoo
from ftjob.net.proto.caffe_pb2 import TEST, TRAIN, NetParameter
from ftjob.net.topology.backward import backward
from ftjob.net.topology.phases import phase_view
from ftjob.net.topology.shapes import infer_shapes
from tests.zoo.conftest import AskCaffe, CaffeNet

PHASES = (TRAIN, TEST)


def dummy_fed(name: str, phase: int) -> NetParameter:
    """A built-in net in one phase, with one image of DummyData in place of its LMDB."""
    net = phase_view(zoo.build(name), phase)
    net.state.phase = phase
    (data,) = (layer for layer in net.layer if layer.type == "Data")
    data.type = "DummyData"
    data.ClearField("data_param")
    data.ClearField("transform_param")
    known = zoo.get(name)
    data.dummy_data_param.shape.add(dim=[1, known.channels, known.crop, known.crop])
    data.dummy_data_param.shape.add(dim=[1])
    return net


@pytest.fixture(scope="module")
def loaded(ask_caffe: AskCaffe) -> dict[tuple[str, int], CaffeNet]:
    """Every built-in net in both phases, as Caffe loaded it."""
    keys = [(name, phase) for name in zoo.NAMES for phase in PHASES]
    return dict(zip(keys, ask_caffe([dummy_fed(*key) for key in keys]), strict=True))


@pytest.mark.parametrize("phase", PHASES, ids=["TRAIN", "TEST"])
@pytest.mark.parametrize("name", zoo.NAMES)
def test_inference_agrees_with_caffe(name: str, phase: int, loaded: dict[tuple[str, int], CaffeNet]) -> None:
    """Layers with their Splits, blob and param shapes, backward layers and memory are exactly Caffe's."""
    caffe, ours = loaded[name, phase], infer_shapes(dummy_fed(name, phase))
    runs = {layer.name for layer, back in zip(ours.layers, backward(ours), strict=True) if back.runs}

    assert tuple(layer.name for layer in ours.layers) == caffe.layers
    assert ours.blobs == caffe.blobs
    assert ours.params == caffe.params
    assert ours.memory_bytes == caffe.memory
    assert runs == caffe.backward
