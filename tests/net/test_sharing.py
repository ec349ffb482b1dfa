"""What TEST is given of TRAIN's params: a layer that nothing trains, and one of other shapes, are refused."""

from typing import Any

import pytest

from ftjob.errors import BadNetError
from ftjob.net.proto.caffe_pb2 import TEST, TRAIN
from ftjob.net.prototxt import parse_net
from ftjob.net.topology.phases import phase_view
from ftjob.net.topology.shapes import infer_shapes
from ftjob.net.topology.sharing import refuse_unshared

NORM = 'layer {{ name: "{name}" type: "BatchNorm" bottom: "data" top: "n" include {{ phase: {phase} }} }}'
FC = """layer {{ name: "fc" type: "{type}" bottom: "n" top: "fc" include {{ phase: {phase} }}
                {param} }}"""


def shared(*layers: str) -> None:
    """Check a net of these layers over images of three channels."""
    source = """layer { name: "data" type: "Input" top: "data"
                        input_param { shape { dim: 2 dim: 3 dim: 4 dim: 4 } } }"""
    net = parse_net(source + "".join(layers), "net")
    refuse_unshared(*(infer_shapes(phase_view(net, phase)) for phase in (TRAIN, TEST)))


def norm(name: str, phase: str) -> str:
    return NORM.format(name=name, phase=phase)


def fc(phase: str, outputs: int) -> str:
    param = f"inner_product_param {{ num_output: {outputs} }}"
    return FC.format(type="InnerProduct", phase=phase, param=param)


def test_variants_of_one_name_share():
    """A BatchNorm for each phase, under one name: what TRAIN collects is what TEST uses."""
    shared(norm("bn", "TRAIN"), norm("bn", "TEST"), fc("TRAIN", 4), fc("TEST", 4))


def test_what_nothing_trains_is_refused():
    """The TEST variant has a name of its own: its statistics would be those of its fillers."""
    with pytest.raises(BadNetError, match='"bn_test" has params and is in the TEST net only'):
        shared(norm("bn_train", "TRAIN"), norm("bn_test", "TEST"))


def test_other_shapes_under_one_name_are_refused():
    """Caffe ends at them, after it has made both nets."""
    with pytest.raises(BadNetError, match='"fc" has params 4x48, 4 in the TRAIN net and 5x48, 5 in the TEST'):
        shared(norm("bn", "TRAIN"), norm("bn", "TEST"), fc("TRAIN", 4), fc("TEST", 5))


def test_params_that_test_lacks_are_refused():
    """Of one name and another type: Caffe counts its blobs."""
    relu = FC.format(type="ReLU", phase="TEST", param="")
    head = fc("TEST", 4).replace('"fc"', '"head"') + fc("TRAIN", 4).replace('"fc"', '"head"')
    with pytest.raises(BadNetError, match='"fc" has params 4x48, 4 in the TRAIN net and none in the'):
        shared(norm("bn", "TRAIN"), norm("bn", "TEST"), fc("TRAIN", 4), relu, head)


def test_caffe_ends_where_shapes_differ(caffe: Any, tmp_path):
    """The rule is Caffe's own."""
    prototxt = tmp_path / "net.prototxt"
    data = """layer { name: "data" type: "DummyData" top: "n" top: "label"
                      dummy_data_param { shape { dim: 2 dim: 3 } shape { dim: 2 } } }"""
    loss = 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }'
    prototxt.write_text(data + fc("TRAIN", 4) + fc("TEST", 5) + loss)
    solver = tmp_path / "solver.prototxt"
    solver.write_text(
        f'net: "{prototxt}" base_lr: 0.1 lr_policy: "fixed" max_iter: 2 test_iter: 1 test_interval: 1'
    )

    with pytest.raises(AssertionError, match="Cannot share param 0 weights from layer 'fc'; shape mismatch"):
        caffe.ask("updates", solver=str(solver), iterations=1)
