"""Settings at the edge of what a layer takes: refused where Caffe ends, in making the net or in training."""

import contextlib
from itertools import product

import pytest
from google.protobuf import text_format

from ftjob.errors import BadNetError
from ftjob.net.layers import RULES
from ftjob.net.proto.caffe_pb2 import TRAIN, LayerParameter
from ftjob.net.prototxt import parse_net
from ftjob.net.topology.backward import refuse_dead_ends
from ftjob.net.topology.phases import phase_view
from ftjob.net.topology.shapes import infer_shapes
from tests.net.conftest import Caffe

NET = """
layer {{ name: "data" type: "DummyData" top: "data"
  dummy_data_param {{ shape {{ dim: 2 dim: 3 dim: 6 dim: 6 }} }} }}
layer {{ name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param {{ num_output: 4 kernel_size: 1 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "tried" type: "{type}" bottom: "conv" top: "tried" {settings} }}
layer {{ name: "sum" type: "Reduction" bottom: "tried" top: "sum" loss_weight: 1 }}
"""
# The largest numbers are unsigned, and Caffe keeps them in signed ones.
SETTINGS = {
    "BatchNorm batch_norm_param": "| eps: 0 | eps: -1 | moving_average_fraction: 2 | use_global_stats: true",
    "Bias bias_param": "axis: 4 | num_axes: -2 | num_axes: 0 | axis: 0 num_axes: 4",
    "Clip clip_param": "min: 1 max: 0 | min: nan max: 1",
    "Convolution convolution_param": """
        num_output: 2 kernel_size: 0 | num_output: 2 kernel_size: 9 | num_output: 2 kernel_size: 9 pad: 2
        | num_output: 2 kernel_size: 1 stride: 0 | num_output: 2 kernel_size: 1 stride: 4294967295
        | num_output: 2 kernel_size: 1 group: 0 | num_output: 2 kernel_size: 1 group: 3
        | num_output: 2 kernel_size: 1 dilation: 0 | num_output: 2 kernel_size: 3 dilation: 0
        | num_output: 2 kernel_size: [1, 1, 1] | num_output: 2 kernel_size: 1 pad: [1, 0]
        | num_output: 2 kernel_size: 1 kernel_h: 1 kernel_w: 1 | num_output: 2 kernel_size: 1 stride_h: 1
        | num_output: 2 kernel_size: 1 axis: 0 | num_output: 2 kernel_size: 1 axis: 2
        | num_output: 2 kernel_size: 1 axis: 3 | num_output: 2 kernel_size: 1 axis: 4
        | num_output: 2 kernel_size: 1 axis: -1 | num_output: 2 kernel_size: 1 force_nd_im2col: true
        | num_output: 2 kernel_size: 4294967295 | num_output: 2 kernel_size: 1 engine: CAFFE
        | num_output: 2""",
    "Dropout dropout_param": """
        dropout_ratio: nan
        | dropout_ratio: 0 | dropout_ratio: 1 | dropout_ratio: 1.5 | dropout_ratio: -0.1""",
    "ELU elu_param": "alpha: nan",
    "Exp exp_param": "| base: 1 | base: inf | base: 0 | base: -1 | base: -2 | base: nan",
    "Flatten flatten_param": "axis: 2 end_axis: 1 | axis: 4 | end_axis: 9 | axis: 0 end_axis: 0",
    "Im2col convolution_param": """
        kernel_size: 3 | kernel_size: 9 | kernel_size: 3 dilation: 2 | axis: 2 kernel_size: 2
        | axis: 3 kernel_size: 2 | axis: 3""",
    "InnerProduct inner_product_param": """
        | num_output: 0 | num_output: 2 axis: 4 | num_output: 2 axis: -1 | num_output: 4294967295""",
    "LRN lrn_param": """
        local_size: 2 | local_size: 0 | local_size: 4294967295 | k: 0 | alpha: nan | beta: -1
        | norm_region: WITHIN_CHANNEL local_size: 1 | norm_region: WITHIN_CHANNEL local_size: 2
        | norm_region: WITHIN_CHANNEL local_size: 33 | norm_region: WITHIN_CHANNEL local_size: 4294967295""",
    "Log log_param": """
        | base: 1 | base: 2 shift: 3 | base: inf | base: 0 | base: -1 | base: -2 | base: nan
        | scale: 0 shift: 1""",
    "MVN mvn_param": "eps: 0 | across_channels: true | normalize_variance: false",
    "Pooling pooling_param": """
        kernel_size: 2 pad: 1 pool: STOCHASTIC | kernel_size: 2 stride: 0 | kernel_size: 0
        | kernel_size: 3 pad: 3 | kernel_size: 2 kernel_h: 2 kernel_w: 2 | kernel_size: 2 stride_h: 1
        | kernel_size: 2 pad_h: 1 | kernel_size: 9 | kernel_size: 7 pad: 1 | kernel_size: 6 stride: 100
        | kernel_size: 2 round_mode: FLOOR pad: 1 | kernel_size: 4294967295
        | kernel_size: 2 stride: 4294967295 | global_pooling: true | global_pooling: true kernel_size: 6
        | global_pooling: true stride: 1 | global_pooling: true stride: 2 | global_pooling: true pad: 0
        | global_pooling: true pad: 1 | global_pooling: true kernel_h: 0 kernel_w: 0""",
    "PReLU prelu_param": """
        channel_shared: true | filler { type: "msra" } | channel_shared: true filler { type: "xavier" }""",
    "Power power_param": "power: nan | power: 0 | scale: 0",
    "Reduction reduction_param": "axis: 5 | axis: 4 | axis: 0 | axis: -1 | coeff: nan",
    "ReLU relu_param": "negative_slope: nan | engine: CAFFE | engine: DEFAULT",
    "Reshape reshape_param": """
        | shape {} | shape { dim: [0, -1] } axis: 1 | shape { dim: [0, -1] } num_axes: 1
        | shape { dim: [-1, -1] } | shape { dim: [0, 0, 0, 0, 0] } | shape { dim: [2, -2] }
        | shape { dim: [7, -1] } | shape { dim: 0 } axis: 5 | axis: -1 shape { dim: 1 }
        | axis: -6 shape { dim: 1 } | shape { dim: -1 } num_axes: 0 | shape { dim: 1 } num_axes: 0 axis: 2""",
    "Scale scale_param": """
        axis: 4 | axis: -5 | num_axes: -2 | num_axes: 5 | num_axes: 0 bias_term: true | axis: 0
        | axis: 3 num_axes: -1""",
    "Slice slice_param": "| slice_point: 1 | axis: 9 | slice_point: 0",
    "Softmax softmax_param": "axis: 4 | axis: -4 | axis: -5 | engine: CAFFE",
    "SPP spp_param": """
        pyramid_height: 0 | pyramid_height: 1 | pyramid_height: 2 pool: AVE | pyramid_height: 3
        | pyramid_height: 4 | pyramid_height: 33""",
    "Swish swish_param": "beta: nan",
    "Tile tile_param": "tiles: 0 | tiles: -1 | axis: 5 tiles: 2 | tiles: 1",
}
"""What to try of a type, in the message of its settings."""
SHAPES = ((), (2,), (2, 3), (2, 3, 4), (2, 3, 4, 4), (2, 3, 4, 4, 4), (1, 1, 1, 1))


def is_planned(text: str) -> bool:
    try:
        refuse_dead_ends(infer_shapes(phase_view(parse_net(text, "net"), TRAIN)))
    except BadNetError:
        return False
    return True


@pytest.mark.parametrize("type_", [type_ for type_, rule in RULES.items() if rule.bottoms != (0, 0)])
def test_bottoms_of_any_number_of_axes_are_taken_or_refused(type_: str) -> None:
    """With settings of any kind; nothing but BadNetError is raised."""
    rule = RULES[type_]
    fewest, most = rule.bottoms
    texts = [
        f"{message} {{ {fields} }}"
        for kind, message in map(str.split, SETTINGS)
        if kind == type_
        for fields in SETTINGS[f"{kind} {message}"].split("|")
    ]
    for count, text in product({fewest, most or 3}, ["", *texts]):
        layer = LayerParameter(name="tried", type=type_, bottom=["x"] * count, top=["y"] * rule.tops[0])
        text_format.Merge(text, layer)
        for bottoms in product(SHAPES, repeat=min(count, 3)):
            with contextlib.suppress(BadNetError):
                rule.infer(layer, (*bottoms, *bottoms[:1] * (count - len(bottoms))))


@pytest.mark.parametrize("kind", SETTINGS)
def test_settings_are_refused_where_caffe_ends_over_them(caffe: Caffe, kind: str) -> None:
    """Both ways: nothing that trains is refused either."""
    type_, message = kind.split()
    texts = {
        fields: NET.format(type=type_, settings=f"{message} {{ {fields} }}")
        for fields in SETTINGS[kind].split("|")
    }

    assert {fields: is_planned(text) for fields, text in texts.items()} == {
        fields: caffe.trains(text) for fields, text in texts.items()
    }
