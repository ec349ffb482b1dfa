"""The rule of each layer type is Caffe's own."""

from random import Random

import pytest

from ftjob.errors import BadNetError
from ftjob.net.layers import RULES
from ftjob.net.proto.caffe_pb2 import NetParameter
from ftjob.net.topology.backward import backward
from ftjob.net.topology.shapes import NetShapes, infer_shapes
from tests.zoo.conftest import AskCaffe, CaffeNet
from tests.zoo.random_layers import MAKES, random_net

EACH = 12
FROM_FILES = {"Clip", "Data", "HDF5Data", "HDF5Output", "ImageData", "WindowData"}
"""Not among the random ones: Clip has required fields, the others open files when they are set up."""

Asked = dict[str, list[tuple[NetParameter, CaffeNet | str]]]


@pytest.fixture(scope="module")
def asked(ask_caffe: AskCaffe) -> Asked:
    """Random nets by layer type, with what Caffe made of each."""
    rng = Random(20)
    nets = {type_: [random_net(rng, type_) for _ in range(EACH)] for type_ in MAKES}
    answers = iter(ask_caffe([net for some in nets.values() for net in some]))
    return {type_: [(net, next(answers)) for net in some] for type_, some in nets.items()}


def inferred(net: NetParameter) -> NetShapes | BadNetError:
    try:
        return infer_shapes(net)
    except BadNetError as error:
        return error


@pytest.mark.parametrize("type_", sorted(MAKES))
def test_random_layers_are_accepted_as_by_caffe(type_: str, asked: Asked) -> None:
    """What Caffe accepts has Caffe's shapes, backward pass and memory; what it refuses is refused."""
    for net, caffe in asked[type_]:
        ours = inferred(net)
        assert isinstance(caffe, str) == isinstance(ours, BadNetError), f"{net}\n{caffe}\n{ours}"
        if isinstance(ours, BadNetError):
            continue
        runs = {layer.name for layer, back in zip(ours.layers, backward(ours), strict=True) if back.runs}

        assert (ours.blobs, ours.params) == (caffe.blobs, caffe.params), net
        assert (ours.memory_bytes, runs) == (caffe.memory, caffe.backward), net


def test_every_type_is_tried_right_and_wrong(asked: Asked) -> None:
    """The random nets reach every rule, and each is accepted by Caffe at least once."""
    assert set(MAKES) | FROM_FILES == set(RULES)
    for type_, nets in asked.items():
        assert any(isinstance(caffe, CaffeNet) for _, caffe in nets), type_
