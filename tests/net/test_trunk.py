"""Where a frozen trunk ends, and what keeps a net from having one."""

from collections.abc import Iterator

import pytest
from google.protobuf import text_format

from ftjob.net import zoo
from ftjob.net.proto.caffe_pb2 import TEST, TRAIN, NetParameter, Phase
from ftjob.net.surgery.freeze import freeze, frozen_layers
from ftjob.net.topology.phases import phase_view
from ftjob.net.topology.shapes import NetShapes, data_inputs, infer_shapes
from ftjob.net.topology.trunk import Trunk, changing, find_trunk
from jobspec.spec import FreezeUpTo

DATA = """layer { name: "data" type: "Data" top: "data" top: "label"
  transform_param { %s } data_param { source: "x" batch_size: 4 backend: LMDB } }
"""
FROZEN = "param { lr_mult: 0 } param { lr_mult: 0 }"
CONV = (
    'layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" '
    + FROZEN
    + " convolution_param { num_output: 4 kernel_size: 3 } }\n"
)
HEAD = """layer { name: "fc" type: "InnerProduct" bottom: "%s" top: "fc"
  inner_product_param { num_output: 3 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
"""


def found(text: str, phase: Phase = TRAIN, transform: str = "") -> Trunk | str:
    net = NetParameter()
    text_format.Parse(DATA % transform + text, net)
    shapes = infer_shapes(net, {"data": (4, 3, 8, 8)})
    return find_trunk(net, shapes, phase, changing(shapes) if phase == TRAIN else {"fc"})


def zoo_trunks() -> Iterator[tuple[str, str, NetParameter, NetShapes, Phase]]:
    """Every built-in net, frozen up to its first, middle and last but one layer with weights."""
    for name in zoo.NAMES:
        plain = zoo.build(name)
        weighty = [layer.name for layer in plain.layer if layer.type in ("Convolution", "InnerProduct")]
        for layer in dict.fromkeys((weighty[0], weighty[len(weighty) // 2], weighty[-2])):
            for phase in (TRAIN, TEST):
                net = zoo.build(name)
                freeze(net, frozen_layers(net, FreezeUpTo(up_to=layer)))
                view = phase_view(net, phase)
                view.layer[0].phase = TEST  # crops from the centre
                shapes = infer_shapes(view, data_inputs(view.layer, (zoo.get(name).channels, 256, 256)))
                yield name, layer, view, shapes, phase


@pytest.mark.parametrize("name", zoo.NAMES)
def test_trunk_and_head_are_the_net(name: str) -> None:
    """Cut anywhere: both have the shapes of the whole, each layer is in one, and the trunk learns nothing."""
    for _, last, net, whole, phase in (case for case in zoo_trunks() if case[0] == name):
        trunk = find_trunk(net, whole, phase, changing(whole))
        assert isinstance(trunk, Trunk), (last, phase, trunk)
        layers = [layer for part in (trunk.trunk, trunk.head) for layer in part.layer[1:]]
        assert sorted(layer.name for layer in layers) == sorted(layer.name for layer in net.layer[1:])
        if phase == TEST and last in {layer.name for layer in net.layer}:  # no dropout comes before it there
            assert last in {layer.name for layer in trunk.trunk.layer}
        for part in (trunk.trunk, trunk.head):
            shapes = infer_shapes(part)
            for blob in {top for layer in part.layer for top in layer.top}:
                assert shapes.blobs[blob] == whole.blobs[blob]
        learned = {param.lr_mult for layer in infer_shapes(trunk.trunk).layers for param in layer.params}
        assert learned <= {0}
        assert set(trunk.features) <= {top for layer in trunk.trunk.layer for top in layer.top}


def test_googlenet_has_three_boundaries() -> None:
    """Frozen to its last module it ends where the three heads begin, behind all poolings."""
    net = zoo.build("googlenet")
    freeze(net, frozen_layers(net, FreezeUpTo(up_to="inception_5b/output")))
    view = phase_view(net, TRAIN)
    view.layer[0].phase = TEST
    shapes = infer_shapes(view, data_inputs(view.layer, (3, 256, 256)))
    trunk = find_trunk(view, shapes, TRAIN, changing(shapes))

    assert isinstance(trunk, Trunk)
    assert set(trunk.features) == {"loss1/ave_pool", "loss2/ave_pool", "pool5/7x7_s1"}
    assert trunk.floats == 4 * 4 * 512 + 4 * 4 * 528 + 1024


@pytest.mark.parametrize(
    ("text", "transform", "why"),
    [
        (CONV + HEAD % "conv", "crop_size: 7", "its crops are random"),
        (HEAD % "data", "", "no layer with weights comes before the first that learns"),
        (CONV + CONV + HEAD % "conv", "", "two of its layers have one name"),
        (
            CONV + HEAD % "conv" + 'layer { name: "more" type: "DummyData" top: "more" '
            "dummy_data_param { shape { dim: 1 } } }",
            "",
            "its images do not come from one Data layer",
        ),
        (CONV, "", "nothing comes after its frozen layers"),
    ],
)
def test_why_there_is_none(text: str, transform: str, why: str) -> None:
    """The end of a sentence gives the reason."""
    if "one name" in why:
        text = text.replace('bottom: "data" top: "conv"', 'bottom: "data" top: "other"', 1)
    assert found(text, transform=transform) == why


@pytest.mark.parametrize(
    "layer",
    [
        'type: "Dropout"',
        'type: "BatchNorm" param { lr_mult: 0 } param { lr_mult: 0 } param { lr_mult: 0 }',
        'type: "Pooling" pooling_param { pool: STOCHASTIC kernel_size: 2 }',
        'type: "Softmax" softmax_param { axis: 0 }',
        'type: "InnerProduct" inner_product_param { num_output: 4 axis: 0 } ' + FROZEN,
        'type: "Reduction" reduction_param { axis: 2 }',
    ],
)
def test_chance_and_the_other_images_end_a_trunk(layer: str) -> None:
    """What draws, or computes an image from the batch, is part of the head."""
    middle = f'layer {{ name: "middle" bottom: "conv" top: "middle" {layer} }}\n'
    head = HEAD % "middle" if "axis: 0 }" not in layer or "Softmax" in layer else ""
    head = head or HEAD.replace('bottom: "%s"', 'bottom: "conv"').replace("%", "")
    trunk = found(CONV + middle + head)

    assert isinstance(trunk, Trunk)
    assert [each.name for each in trunk.trunk.layer[1:]] == ["conv"]
    assert trunk.features == ("conv",)


def test_a_layer_of_the_test_phase_draws_nothing() -> None:
    """Dropout and BatchNorm of the TEST net are part of its trunk."""
    middle = 'layer { name: "drop" type: "Dropout" bottom: "conv" top: "conv" }\n'
    rates = "param { lr_mult: 0 } " * 3
    norm = f'layer {{ name: "norm" type: "BatchNorm" bottom: "conv" top: "norm" {rates}}}\n'
    trunk = found(CONV + middle + norm + HEAD % "norm", phase=TEST, transform="crop_size: 7")

    assert isinstance(trunk, Trunk)
    assert trunk.features == ("norm",)


def test_what_training_changes_is_no_trunk_in_tests() -> None:
    """Rates of the TEST net alone do not count: its params are those of the TRAIN net."""
    net = NetParameter()
    text_format.Parse(DATA % "" + CONV + HEAD % "conv", net)
    shapes = infer_shapes(net, {"data": (4, 3, 8, 8)})

    assert isinstance(find_trunk(net, shapes, TEST, {"fc"}), Trunk)
    assert find_trunk(net, shapes, TEST, {"conv", "fc"}) == (
        "no layer with weights comes before the first that learns"
    )
