"""BatchNorm's statistics: collected in TRAIN, used in TEST and deploy, whatever the base net says."""

from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftjob.net.caffemodel.weights import read_weights
from ftjob.net.proto.caffe_pb2 import TEST, TRAIN, BlobProto, BlobShape, LayerParameter, NetParameter
from ftjob.net.prototxt import parse_net
from ftjob.net.surgery.operation import DataLayers, operate
from ftjob.net.surgery.statistics import collected_statistics, settle_statistics
from ftjob.net.topology.phases import phase_view
from jobspec.spec import FreezeLayers, Surgery

NET = """
layer {{ name: "data" type: "Input" top: "data" top: "label" }}
layer {{ name: "conv" type: "Convolution" bottom: "data" top: "conv"
        convolution_param {{ num_output: 4 kernel_size: 3 weight_filler {{ type: "xavier" }} }} }}
{norms}
layer {{ name: "fc" type: "InnerProduct" bottom: "conv" top: "fc"
        inner_product_param {{ num_output: 9 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }}
"""
NORM = 'layer {{ name: "{name}" type: "BatchNorm" bottom: "conv" top: "conv" {rest} }}'
FIELD = "batch_norm_param {{ use_global_stats: {0} }}"


def norm(value: str, phase: str = "", name: str = "bn") -> str:
    """A BatchNorm with use_global_stats of that value ("": left out), in that phase ("": both)."""
    include = f"include {{ phase: {phase} }}" if phase else ""
    return NORM.format(name=name, rest=f"{include} {FIELD.format(value) if value else ''}")


def net_with(*norms: str) -> NetParameter:
    return parse_net(NET.format(norms="\n".join(norms)), "net")


def modes(net: NetParameter, phase: int) -> list[bool]:
    """Whether each BatchNorm of a phase uses statistics instead of the batch's (batch_norm_layer.cpp)."""
    params = [layer.batch_norm_param for layer in phase_view(net, phase).layer if layer.type == "BatchNorm"]
    return [
        param.use_global_stats if param.HasField("use_global_stats") else phase == TEST for param in params
    ]


VALUES = ("", "true", "false")
FORMS = [(norm(both),) for both in VALUES] + [
    (norm(train, "TRAIN"), norm(test, "TEST")) for train, test in product(VALUES, VALUES)
]


@pytest.mark.parametrize("norms", FORMS)
@pytest.mark.parametrize("collected", [(), ("bn",)])
def test_what_is_collected_is_used_and_nothing_else(norms: tuple[str, ...], collected: tuple[str, ...]):
    """TEST uses statistics; TRAIN collects them, unless the net says true and they come with the weights."""
    net = net_with(*norms)
    given_in_train = modes(net, TRAIN)[0] and bool(collected)

    settle_statistics(net, collected)

    assert modes(net, TEST) == [True]
    assert modes(net, TRAIN) == [given_in_train]


@pytest.mark.parametrize("norms", FORMS)
def test_the_deploy_net_sets_use_global_stats(norms: tuple[str, ...], data: DataLayers):
    """Other readers of prototxts have other defaults."""
    done = operate(net_with(*norms), Surgery(), 7, data, "new")

    [param] = [layer.batch_norm_param for layer in done.deploy.layer if layer.type == "BatchNorm"]
    assert param.use_global_stats


def test_what_changes_is_reported_once_for_all_layers():
    """With the reason; what changes nothing is not worth a sentence."""
    many = [norm("false", name=f"bn{number}") for number in range(4)]
    [sentence] = settle_statistics(net_with(*many), ())
    assert sentence.startswith("BatchNorm bn0, bn1 and 2 more: use_global_stats: false is left out, so that")

    assert settle_statistics(net_with(norm("false", "TRAIN"), norm("true", "TEST")), ()) == ()
    [freed] = settle_statistics(net_with(norm("true")), ())
    why = "since no statistics are there: TRAIN collects them"
    assert freed == f"BatchNorm bn: use_global_stats: true is left out, {why}"
    [kept] = settle_statistics(net_with(norm("true")), ("bn",))
    assert kept == "BatchNorm bn: use_global_stats: true keeps the statistics of the weights, in TRAIN too"


def test_a_relearned_batch_norm_collects_anew(data: DataLayers):
    """Its new name has no statistics in the weights, so `true` would normalise by zeros."""
    done = operate(net_with(norm("true")), Surgery(relearn=["bn"]), 7, data, "new", collected=("bn",))

    assert modes(done.train_val, TRAIN) == [False]


def test_a_frozen_batch_norm_uses_its_statistics_in_both_phases(data: DataLayers):
    """Whatever the base net says."""
    for value in VALUES:
        surgery = Surgery(freeze=FreezeLayers(layers=["conv", "bn"]))
        done = operate(net_with(norm(value)), surgery, 7, data, "new", collected=("bn",))
        assert modes(done.train_val, TRAIN) == modes(done.train_val, TEST) == [True]


@given(st.floats(width=32, allow_nan=False, allow_infinity=False), st.booleans())
def test_statistics_are_there_where_something_was_summed(tmp_path_factory, factor: float, double: bool):
    """The third blob says how much; 0 is none, however the number is stored."""
    layer = LayerParameter(name="bn", type="BatchNorm")
    for count, value in ((4, 1.0), (4, 1.0), (1, factor)):
        values = {"double_data" if double else "data": [value] * count}
        layer.blobs.append(BlobProto(shape=BlobShape(dim=[count]), **values))
    path: Path = tmp_path_factory.getbasetemp() / "bn.caffemodel"
    path.write_bytes(NetParameter(layer=[layer]).SerializeToString())

    assert collected_statistics(read_weights(path)) == ({"bn"} if factor else frozenset())
