"""The layers that bring ftjob's data instead of a net's own."""

import dataclasses
from pathlib import Path

import pytest

from ftjob.errors import BadNetError
from ftjob.net.proto.caffe_pb2 import NetParameter
from ftjob.net.prototxt import parse_net, to_text
from ftjob.net.surgery.data_layers import DataLayers
from ftjob.net.surgery.operation import operate
from jobspec.spec import Surgery

NETS = Path(__file__).parent / "nets"
DATA = DataLayers(
    train="a/train",
    val="a/val",
    channels=3,
    height=10,
    width=12,
    batch_size=32,
    test_batch_size=5,
    crop=8,
    mirror=True,
    mean=(1.0, 2.0, 3.0),
    scale=0.5,
)
TRAIN_AND_TEST = """
name: "data" type: "Data" top: "data" top: "label" include { phase: TRAIN }
transform_param { scale: 0.5 mirror: true crop_size: 8 mean_value: 1.0 mean_value: 2.0 mean_value: 3.0 }
data_param { source: "a/train" batch_size: 32 backend: LMDB }

name: "data" type: "Data" top: "data" top: "label" include { phase: TEST }
transform_param { scale: 0.5 crop_size: 8 mean_value: 1.0 mean_value: 2.0 mean_value: 3.0 }
data_param { source: "a/val" batch_size: 5 backend: LMDB }
"""


def _train_val(name: str, data: DataLayers, num_output: int = 7) -> NetParameter:
    net = parse_net((NETS / f"{name}.prototxt").read_text(), name)
    return operate(net, Surgery(), num_output, data, "new").train_val


def test_data_layers_read_the_two_lmdbs(net: NetParameter) -> None:
    """Whatever data layers a net had, it has these two: mirrored in TRAIN alone, transformed alike."""
    train_val = operate(net, Surgery(), 7, DATA, "new").train_val

    wanted = parse_net("".join(f"layer {{ {text} }}" for text in TRAIN_AND_TEST.split("\n\n")), "wanted")
    assert [layer for layer in train_val.layer if layer.type == "Data"] == list(wanted.layer)


def test_a_mean_image_goes_before_values() -> None:
    """With mean_file there are no mean_values; what is left to Caffe's defaults is not written."""
    plain = dataclasses.replace(
        DATA, crop=None, mirror=False, mean=None, mean_file="m.binaryproto", scale=1.0
    )

    transform = _train_val("lenet", plain).layer[0].transform_param

    assert to_text(transform) == 'mean_file: "m.binaryproto"\n'
    assert plain.input_shape == (1, 3, 10, 12)


def test_what_only_measures_or_writes_is_left_out() -> None:
    """Accuracy, HDF5Output, a Softmax or ArgMax that nothing else reads, and Silence on nothing are gone."""
    types = [layer.type for layer in _train_val("followed", DATA).layer]

    assert set(types) == {
        *("Data", "Convolution", "BatchNorm", "ReLU", "InnerProduct", "Scale", "SoftmaxWithLoss", "Accuracy")
    }
    assert types.count("Accuracy") == 2


def test_top_5_needs_more_than_five_classes() -> None:
    """Caffe ends over a top_k larger than the number of classes; with five, top 5 is always right."""
    assert [layer.name for layer in _train_val("three_heads", DATA, 5).layer][-1] == "accuracy"
    assert [layer.name for layer in _train_val("three_heads", DATA, 6).layer][-1] == "accuracy_top5"


def test_names_that_are_taken_make_room() -> None:
    """A blob of the net that is called `label` for another reason gets another name."""
    net = parse_net(
        """
        layer { name: "in" type: "Input" top: "image" top: "class" input_param { shape { dim: 1 } } }
        layer { name: "label" type: "InnerProduct" bottom: "image" top: "label"
                inner_product_param { num_output: 9 } }
        layer { name: "loss" type: "SoftmaxWithLoss" bottom: "label" bottom: "class" top: "loss" }
        """,
        "taken",
    )

    done = operate(net, Surgery(), 7, DATA, "new")

    loss = next(layer for layer in done.train_val.layer if layer.type == "SoftmaxWithLoss")
    assert list(loss.bottom) == ["label_of_net", "label"]
    assert done.main.score == "label_of_net"


def test_blobs_called_as_ours_make_room_too() -> None:
    """So do blobs of a deploy net that have the names of what surgery adds; its layers keep theirs."""
    net = parse_net(
        """
        layer { name: "in" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 } } }
        layer { name: "a" type: "ReLU" bottom: "data" top: "accuracy" }
        layer { name: "loss" type: "ReLU" bottom: "accuracy" top: "loss" }
        layer { name: "fc" type: "InnerProduct" bottom: "loss" top: "prob"
                inner_product_param { num_output: 9 } }
        layer { name: "p" type: "Softmax" bottom: "prob" top: "out" }
        """,
        "ours",
    )

    done = operate(net, Surgery(), 7, DATA, "new")

    assert [layer.top[0] for layer in done.deploy.layer] == [
        *("data", "accuracy_of_net", "loss_of_net", "prob_of_net", "prob")
    ]
    assert [layer.top[0] for layer in done.train_val.layer][-3:] == ["loss", "accuracy", "accuracy_top5"]
    assert [layer.name for layer in done.train_val.layer][-3:] == ["loss_2", "accuracy", "accuracy_top5"]


HEADED = """
layer {{ name: "data" type: "Input" {} }}
layer {{ name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param {{ num_output: 9 }} }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }}
layer {{ name: "acc" type: "Accuracy" bottom: "fc" bottom: "label" top: "acc" include {{ phase: TEST }} }}
"""


def test_labels_that_nothing_makes_are_those_of_the_data() -> None:
    """Where the net's source has images alone. Beside others the name is likelier misspelt."""
    whole, without, misspelt = (
        parse_net(HEADED.format(tops), "net")
        for tops in ('top: "data" top: "label"', 'top: "data"', 'top: "data" top: "labels"')
    )

    done = operate(without, Surgery(), 7, DATA, "new")

    assert done.train_val == operate(whole, Surgery(), 7, DATA, "new").train_val
    assert done.notes == ('nothing makes "label", which loss, acc reads: it gets the labels of the data',)
    with pytest.raises(BadNetError, match='layer "loss" reads the blob "label", which no layer before it'):
        operate(misspelt, Surgery(), 7, DATA, "new")
