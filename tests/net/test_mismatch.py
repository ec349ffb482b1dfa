"""Weights whose shapes are not the net's: the cause that the shapes show is named, and its remedy works."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from ftjob.errors import BadNetError
from ftjob.net.caffemodel.mismatch import Images
from ftjob.net.caffemodel.transfer import check_transfer, plan_transfer
from ftjob.net.caffemodel.weights import BlobWeights, LayerWeights
from ftjob.net.proto.caffe_pb2 import TRAIN, NetParameter
from ftjob.net.prototxt import parse_net
from ftjob.net.surgery.data_layers import DataLayers
from ftjob.net.surgery.operation import Operation, operate
from ftjob.net.topology.phases import phase_view
from ftjob.net.topology.shapes import Shape, infer_shapes
from ftjob.net.transforms import Transform, own_transform
from jobspec.spec import FreezeUpTo, Surgery

NET = """
    layer { name: "d" type: "Data" top: "data" top: "label" transform_param { crop_size: 32 } }
    layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
            convolution_param { num_output: 8 kernel_h: 5 kernel_w: 3 } }
    layer { name: "bn1" type: "BatchNorm" bottom: "conv1" top: "conv1" }
    layer { name: "scale1" type: "Scale" bottom: "conv1" top: "conv1" scale_param { bias_term: true } }
    layer { name: "conv2" type: "Convolution" bottom: "conv1" top: "conv2"
            convolution_param { num_output: 8 kernel_size: 3 stride: 4 } }
    layer { name: "fc1" type: "InnerProduct" bottom: "conv2" top: "fc1"
            inner_product_param { num_output: 16 } }
    layer { name: "fc2" type: "InnerProduct" bottom: "fc1" top: "fc2"
            inner_product_param { num_output: 10 } }
    layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc2" bottom: "label" }
"""


def _operate(net: NetParameter, channels: int, side: int, crop: int | None, **surgery: Any) -> Operation:
    data = DataLayers("t", "v", channels, side, side, batch_size=4, test_batch_size=2, crop=crop)
    return operate(net, Surgery(**surgery), 3, data, "new")


def _shapes(
    text: str, channels: int = 3, side: int = 40, crop: int | None = 32
) -> dict[str, tuple[Shape, ...]]:
    """The params of a net as its weights have them."""
    done = _operate(parse_net(text, "net"), channels, side, crop)
    params = infer_shapes(phase_view(done.train_val, TRAIN), done.inputs).params
    return {name.removesuffix("_new"): shapes for name, shapes in params.items()}


def _layers(shapes: Mapping[str, tuple[Shape, ...]], legacy: bool = False) -> list[LayerWeights]:
    return [
        LayerWeights(name, "", tuple(BlobWeights(shape, legacy, 0, 0, False) for shape in blobs))
        for name, blobs in shapes.items()
    ]


def _check(
    text: str,
    weights: list[LayerWeights],
    channels: int = 3,
    side: int = 40,
    crop: int | None = 32,
    **surgery: Any,
) -> None:
    net = parse_net(text, "net")
    done = _operate(net, channels, side, crop, **surgery)
    rows = plan_transfer(done.train_val, weights, done.renamed, done.frozen, done.inputs)
    images = Images(channels, side, side, crop, own_transform(net))
    check_transfer(rows, done.train_val, done.inputs, images, done.frozen)


def _refusal(*args: Any, **kwargs: Any) -> str:
    with pytest.raises(BadNetError) as caught:
        _check(*args, **kwargs)
    return str(caught.value)


WEIGHTS = _layers(_shapes(NET))


def test_grey_images_and_weights_for_colour() -> None:
    """And the other way round; the message is about the images, not the layer."""
    assert _refusal(NET, WEIGHTS, channels=1) == (
        "layer conv1 is 8x1x5x3 in the net, but 8x3x5x3 in the weights: the images have 1 channel (grey), "
        "and the weights are for 3 channels (colour); build data.train and data.val in colour, or give "
        "weights for 1 channel (grey)"
    )
    assert "build data.train and data.val with `ftjob data build --grey`" in _refusal(
        NET, _layers(_shapes(NET, channels=1))
    )
    assert "are for 6 channels; build data.train and data.val with 6 channels, or give" in _refusal(
        NET, _layers(_shapes(NET, channels=6))
    )


def test_records_with_swapped_axes() -> None:
    """Forty channels of images three wide are rows."""
    done = _operate(parse_net(NET, "net"), 40, 32, None)
    rows = plan_transfer(done.train_val, WEIGHTS, done.renamed, done.frozen, done.inputs)

    with pytest.raises(
        BadNetError, match="are stored height by width by channels; write them channels first"
    ):
        check_transfer(rows, done.train_val, done.inputs, Images(40, 40, 3, None))


@pytest.mark.parametrize("crop", [None, 24, 36])
def test_an_inner_product_after_another_crop(crop: int | None) -> None:
    """The base net's own crop, where it fits; with it the weights do, too."""
    sentence = _refusal(NET, WEIGHTS, crop=crop)

    size = crop or 40
    assert (
        f": the weights are for images of 32x32, as base.net itself says, and {size}x{size} reach" in sentence
    )
    assert sentence.endswith("; write data.crop: 32")
    assert sentence.startswith("layer fc1 is 16x")
    _check(NET, WEIGHTS, crop=32)


@pytest.mark.parametrize("side", [20, 24, 51, 64, 120, 227])
def test_an_unstated_crop_is_found(side: int) -> None:
    """By the shapes alone, above and below the images' size; with what is to be written the weights fit."""
    text = NET.replace("transform_param { crop_size: 32 }", "")
    weights = _layers(_shapes(text, side=side, crop=None))

    sentence = _refusal(text, weights, crop=None)

    [found] = re.findall(r"the weights are for images of (\d+)x\1, and 40x40 reach the net", sentence)
    stored = max(40, int(found))
    assert ("build larger images (`ftjob data build --size" in sentence) == (int(found) > 40)
    _check(text, weights, side=stored, crop=int(found))


def test_images_that_are_the_right_size_are_not_to_be_cropped() -> None:
    """What is to be written is to write nothing."""
    assert _refusal(NET, WEIGHTS, side=32, crop=24).endswith("reach the net; leave data.crop out")


def _with(**changes: tuple[Shape, ...] | None) -> list[LayerWeights]:
    """The weights with some layers of other shapes, or without them."""
    shapes = {**_shapes(NET), **changes}
    return _layers({name: blobs for name, blobs in shapes.items() if blobs is not None})


@pytest.mark.parametrize(
    ("weights", "sentence", "old", "new"),
    [
        (
            _with(fc1=((_shapes(NET)["fc1"][0][::-1]), (16,))),
            "the weights have it transposed; write transpose: true in its inner_product_param",
            "num_output: 16",
            "num_output: 16 transpose: true",
        ),
        (
            _with(conv2=((8, 4, 3, 3), (8,))),
            "the weights have it in groups: 2; write group: 2 in its convolution_param",
            "stride: 4",
            "stride: 4 group: 2",
        ),
        (
            _with(conv2=((8, 8, 3, 3),)),
            "has 2 params, but 1 in the weights: the weights have no bias; write bias_term: false in its",
            "stride: 4",
            "stride: 4 bias_term: false",
        ),
        (
            _with(scale1=((8,),)),
            "the weights have no bias; write bias_term: false in its scale_param",
            "bias_term: true",
            "bias_term: false",
        ),
        (
            _with(conv1=((8, 3, 3, 5), (8,))),
            "the weights have height and width exchanged; exchange kernel_h and kernel_w in base.net",
            "kernel_h: 5 kernel_w: 3",
            "kernel_h: 3 kernel_w: 5",
        ),
        (
            _with(fc1=((16, 8, 7, 7), (16,))),
            "the weights have it as a convolution over its whole bottom; write it as type: "
            '"Convolution" with num_output: 16, kernel_h: 7 and kernel_w: 7 in base.net',
            '"InnerProduct" bottom: "conv2" top: "fc1"\n            inner_product_param { num_output: 16 }',
            '"Convolution" bottom: "conv2" top: "fc1" '
            "convolution_param { num_output: 16 kernel_h: 7 kernel_w: 7 }",
        ),
        (
            _with(conv2=((8, 8, 5, 5), (8,))),
            "the weights are of a layer with kernel 5x5 instead of 3x3; correct base.net, name it in",
            "kernel_size: 3",
            "kernel_size: 5 pad: 1",
        ),
    ],
)
def test_what_a_change_of_the_prototxt_can_mend(
    weights: list[LayerWeights], sentence: str, old: str, new: str
) -> None:
    """Each remedy is in the prototxt; written there, the weights fit."""
    text = NET
    if '"Convolution"' in new:
        text = NET.replace("kernel_h: 5 kernel_w: 3", "kernel_h: 5 kernel_w: 5")
        shapes = {**_shapes(text), "fc1": ((16, 8, 7, 7), (16,))}
        weights = _layers(shapes)

    assert sentence in _refusal(text, weights)
    _check(text.replace(old, new, 1), weights)


@pytest.mark.parametrize(
    ("weights", "sentence"),
    [
        (
            _with(conv2=((3, 3, 8, 8), (8,))),
            "the same axes in another order, as converters leave them; convert",
        ),
        (
            _with(bn1=((8,), (8,))),
            "has 3 params, but 2 in the weights: Caffe 1.0's BatchNorm has mean, variance",
        ),
        (_with(bn1=((8,),) * 4), "convert them: to relearn it would throw the statistics away"),
        (_with(scale1=((1, 8, 1, 1), (1, 8, 1, 1))), "as many numbers with other axes; save them again with"),
        (_with(conv2=((8, 8, 3, 3, 1), (8,))), "as many numbers with other axes"),
        (_with(conv2=((16, 8, 3, 3), (16,))), "the weights are of a layer with num_output 16 instead of 8"),
        (_with(fc1=((16, 7), (16,))), ": name it in surgery.relearn, or give the weights of this very net"),
        (
            _with(conv2=((8, 0, 3, 3), (8,))),
            ": name it in surgery.relearn, or give the weights of this very net",
        ),
    ],
)
def test_what_only_other_weights_can_mend(weights: list[LayerWeights], sentence: str) -> None:
    """Axes, forks, sizes; relearning is the last thing that is suggested."""
    assert sentence in _refusal(NET, weights)


def test_old_blobs_are_compared_by_the_axes_of_today() -> None:
    """Four dimensions with ones in front are no cause."""
    old = {"fc1": ((1, 1, 16, 99), (1, 1, 1, 16))}
    weights = [layer for layer in WEIGHTS if layer.name != "fc1"] + _layers(old, legacy=True)

    assert _refusal(NET, weights).startswith("layer fc1 is 16x392 in the net, but 16x99 in the weights")


def test_a_layer_that_is_frozen_is_to_be_let_go() -> None:
    """Before it can be relearned."""
    sentence = _refusal(NET, _with(fc1=((16, 7), (16,))), freeze=FreezeUpTo(up_to="fc1"))

    assert sentence.endswith(
        "take it out of surgery.freeze and name it in surgery.relearn, or give the weights of this very net"
    )


def test_one_cause_is_reported_once() -> None:
    """With the first layer, and how many more there are."""
    head = NET[NET.index('layer { name: "fc1"') :]
    twice = NET + re.sub(r'"(fc.|loss)"', r'"\1_aux"', head)

    sentence = _refusal(twice, _layers(_shapes(twice)), crop=None)

    assert sentence.count("write data.crop: 32") == 1
    assert "in the weights (and 1 more so): the weights are for images of 32x32" in sentence


def test_weights_of_another_family_are_reported_once() -> None:
    """Where most layers are missing, not one sentence each; where few are, each is named."""
    others = _layers({f"res{name}": shapes for name, shapes in _shapes(NET).items()})
    some = [layer for layer in WEIGHTS if layer.name in ("conv1", "fc2")]

    assert _refusal(NET, others) == (
        "no layer of the net is in the weights, which have resconv1, resbn1, resscale1 and 3 more: they are "
        "of another net; check base.weights"
    )
    assert _refusal(NET, [*some, *others]) == (
        "4 of the 5 layers of the net are not in the weights, which have resconv1, resbn1, resscale1 and 3 "
        "more: they are of another net; check base.weights"
    )
    assert _refusal(NET, _with(conv2=None)).startswith(
        "layer conv2 is not in the weights and would be randomly initialised"
    )


def test_folded_batch_norms_are_reported_once() -> None:
    """A net with BatchNorm and weights without one are of two nets."""
    folded = _with(bn1=None, scale1=None, conv1=((8, 3, 5, 3), (8,)))

    assert _refusal(NET, folded).startswith(
        "no BatchNorm of the net is in the weights (bn1, scale1): they come from a"
    )


def test_batch_norms_of_other_names_are_not_folded() -> None:
    """The weights have them, and under which names is in the sentence."""
    norms = {"bn1": "BatchNorm", "scale1": "Scale"}
    weights = [
        replace(layer, name=f"conv1_{layer.name}", type=norms[layer.name]) if layer.name in norms else layer
        for layer in WEIGHTS
    ]

    assert _refusal(NET, weights) == (
        "no BatchNorm of the net is in the weights by its name (bn1, scale1), and they have conv1_bn1, "
        "conv1_scale1: give the layers of base.net the names that they have there"
    )


@pytest.mark.parametrize(("here", "there"), [("false", "true"), ("true", "false")])
def test_slopes_for_all_channels_or_for_each(here: str, there: str) -> None:
    """What to change in the prototxt is named, and makes the weights fit."""
    prelu = (
        'layer {{ name: "p" type: "PReLU" bottom: "conv1" top: "p" prelu_param {{ channel_shared: {} }} }}'
    )
    shared = {value: NET + prelu.format(value) for value in (here, there)}
    weights = _layers(_shapes(shared[there]))

    assert _refusal(shared[here], weights).endswith(
        "write channel_shared: true in its prelu_param"
        if there == "true"
        else "take channel_shared: true out of its prelu_param"
    )
    _check(shared[there], weights)


def test_shapes_that_nothing_explains_are_another_net() -> None:
    """Where most layers have such."""
    odd = _with(conv1=((7, 3), (7,)), conv2=((4, 7, 3, 3), (4,)), fc1=((7, 7), (7,)))

    assert _refusal(NET, odd).endswith("(and 2 more so): they are of another net; check base.weights")
    assert "another net" not in _refusal(NET, _with(fc1=((16, 7), (16,))))


def test_without_images_the_rest_is_reported(data: DataLayers) -> None:
    """What is known of the images only adds causes."""
    done = _operate(parse_net(NET, "net"), 1, 40, 32)
    rows = plan_transfer(done.train_val, WEIGHTS, done.renamed, done.frozen, done.inputs)

    with pytest.raises(BadNetError, match="layer conv1 is 8x1x5x3 in the net, but 8x3x5x3 in the weights"):
        check_transfer(rows)


def test_the_nets_own_transform_is_not_needed() -> None:
    """A net without data layers has no crop of its own."""
    assert Images(3, 40, 30, None).size == "40x30"
    assert Images(3, 40, 30, 8, Transform("d", 9, (), "", 1, False)).size == "8x8"
