"""Shapes of whole nets: published sizes, what comes from outside, and what is refused."""

from pathlib import Path

import lmdb
import pytest
from google.protobuf import text_format

from ftjob.errors import BadNetError
from ftjob.net import zoo
from ftjob.net.proto.caffe_pb2 import TEST, TRAIN, Datum, NetParameter
from ftjob.net.topology.phases import phase_view
from ftjob.net.topology.shapes import NetShapes, data_inputs, infer_shapes
from tests.zoo.conftest import AskCaffe, CaffeNet

PUBLISHED = {
    "caffenet": 60_965_224,
    "alexnet": 60_965_224,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
    "squeezenet": 1_235_496,
    # 25,557,032 and conv1's 64 biases; the means and variances of 26,560 channels, and 53 factors.
    "resnet50": 25_557_032 + 64 + 2 * 26_560 + 53,
}


def zoo_shapes(name: str, phase: int = TRAIN) -> NetShapes:
    """The shapes of a built-in net fed with images of 256x256."""
    net = phase_view(zoo.build(name), phase)
    return infer_shapes(net, data_inputs(net.layer, (zoo.get(name).channels, 256, 256)))


def parsed(text: str) -> NetParameter:
    """A net whose bottom `data` is one RGB image of 8x8, then the layers of the text."""
    data = """layer { name: "data" type: "Input" top: "data"
      input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } } """
    return text_format.Parse(data + text, NetParameter())


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameter_counts_are_the_published_ones(name: str) -> None:
    """A built-in net has as many parameters as its paper or its caffemodel."""
    assert zoo_shapes(name).parameter_count == PUBLISHED[name]


def test_googlenet_without_its_auxiliary_heads_has_7_million_parameters() -> None:
    """GoogLeNet's deploy net, three heads less two, has the published 6,998,552 parameters."""
    heads = ("loss1/", "loss2/")
    layers = zoo_shapes("googlenet").layers
    deployed = [layer for layer in layers if not layer.name.startswith(heads)]

    assert sum(param.count for layer in deployed for param in layer.owned) == 6_998_552


def test_data_layers_get_the_shapes_caffe_reads(tmp_path: Path, ask_caffe: AskCaffe) -> None:
    """An LMDB's records, cropped as transform_param says and batched, are the net's first blob."""
    record = Datum(channels=1, height=30, width=32, data=bytes(30 * 32), label=3)
    with lmdb.open(str(tmp_path / "lmdb")) as base, base.begin(write=True) as writer:
        writer.put(b"0", record.SerializeToString())
    nets = [phase_view(zoo.build("lenet"), phase) for phase in (TRAIN, TEST)]
    for net, phase in zip(nets, (TRAIN, TEST), strict=True):
        net.state.phase = phase
        net.layer[0].data_param.source = str(tmp_path / "lmdb")

    for net, caffe in zip(nets, ask_caffe(nets), strict=True):
        assert isinstance(caffe, CaffeNet), caffe
        ours = infer_shapes(net, data_inputs(net.layer, (1, 30, 32)))

        assert (ours.blobs, ours.memory_bytes) == (caffe.blobs, caffe.memory)


def test_inputs_go_before_the_prototxt() -> None:
    """A deploy net is inferred for the batch that is asked for."""
    shapes = infer_shapes(parsed(""), {"data": (5, 3, 8, 8)})

    assert shapes.blobs == {"data": (5, 3, 8, 8)}


def test_old_input_headers_are_an_input_layer() -> None:
    """`input:` with four `input_dim` each is understood as Caffe understands it."""
    net = NetParameter(input=["a", "b"], input_dim=[1, 2, 3, 4, 5, 6, 7, 8])

    assert infer_shapes(net).blobs == {"a": (1, 2, 3, 4), "b": (5, 6, 7, 8)}


def test_shared_params_count_once() -> None:
    """Two layers with one param between them have its numbers once."""
    layer = """layer { name: "%s" type: "InnerProduct" bottom: "data" top: "%s" param { name: "w" }
      inner_product_param { num_output: 2 bias_term: false } } """
    shapes = infer_shapes(parsed(layer % ("one", "one") + layer % ("two", "two")))

    assert shapes.params == {"one": ((2, 192),), "two": ((2, 192),)}
    assert shapes.parameter_count == 2 * 192


CONV = 'layer { name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param { %s } } '
REFUSED = {
    "a kernel that is too large": (
        CONV % "num_output: 4 kernel_size: 11",
        r'layer "c" \(Convolution\): its kernel 11x11 with pad 0x0 is larger than .*"data" \(1x3x8x8\)',
    ),
    "groups that do not divide": (
        CONV % "num_output: 4 kernel_size: 1 group: 2",
        'layer "c".*group 2 does not divide 3, the channels of its bottom',
    ),
    "bottoms of two shapes": (
        CONV % "num_output: 4 kernel_size: 1"
        + 'layer { name: "sum" type: "Eltwise" bottom: "data" bottom: "c" top: "sum" }',
        r'layer "sum" \(Eltwise\): its bottoms "data" \(1x3x8x8\) and "c" \(1x4x8x8\)',
    ),
    "a concat of two sizes": (
        CONV % "num_output: 4 kernel_size: 3"
        + 'layer { name: "j" type: "Concat" bottom: "data" bottom: "c" top: "j" }',
        r'layer "j" .*"data" \(1x3x8x8\) and "c" \(1x4x6x6\) may differ in axis 1 only',
    ),
    "a type with a typo": (
        'layer { name: "r" type: "Relu" bottom: "data" top: "r" }',
        r'layer "r" \(Relu\): Caffe 1.0 has no layer of this type; did you mean ReLU\?',
    ),
    "a Python layer": ('layer { name: "p" type: "Python" top: "p" }', "Python layer"),
    "a bottom nobody makes": (
        'layer { name: "r" type: "ReLU" bottom: "dta" top: "r" }',
        'its bottom "dta" is the top of no layer before it',
    ),
    "a top made twice": (
        CONV % "num_output: 4 kernel_size: 1" + CONV % "num_output: 4 kernel_size: 1",
        'its top "c" is already the top of a layer before it',
    ),
    "too many params": (
        CONV % "num_output: 4 kernel_size: 1 bias_term: false } param { } param { ",
        "it has 2 param but only 1 to set: keep the first 1$",
    ),
    "params of a layer without any": (
        'layer { name: "r" type: "ReLU" bottom: "data" top: "r" param { } }',
        "it has 1 param but only 0 to set: take every param out$",
    ),
    "a crop that is too large": (
        'layer { name: "d" type: "Data" top: "d" data_param { batch_size: 1 } '
        "transform_param { crop_size: 9 } }",
        "crop_size 9 is larger than its images, 3x8x8",
    ),
}


@pytest.mark.parametrize("wrong", REFUSED)
def test_bad_geometry_names_the_layer_and_both_shapes(wrong: str) -> None:
    """What cannot be is refused in a sentence with the layer, its type and the shapes that do not fit."""
    text, sentence = REFUSED[wrong]
    net = parsed(text)

    with pytest.raises(BadNetError, match=sentence):
        infer_shapes(net, data_inputs(net.layer, (3, 8, 8)))


def test_images_of_unknown_size_are_asked_for() -> None:
    """A Data layer without its records' shape says that the data is missing."""
    with pytest.raises(BadNetError, match='does not say the shape of "data": it comes from the data'):
        infer_shapes(phase_view(zoo.build("vgg16"), TRAIN))
