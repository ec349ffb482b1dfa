"""What params begin with: which filler makes which, and which of them Caffe can make at all."""

from pathlib import Path

import pytest

from ftjob.errors import BadNetError
from ftjob.net.proto.caffe_pb2 import FillerParameter
from ftjob.net.prototxt import parse_net
from ftjob.net.topology.fillers import filler_of
from ftjob.net.topology.shapes import infer_shapes
from tests.net.conftest import Caffe

SHAPES = ((), (3,), (3, 2), (3, 2, 2), (3, 2, 2, 2), (3, 2, 2, 3), (3, 2, 2, 2, 2))
FILLERS = (
    'type: "constant"',
    'type: "constant" sparse: 1',
    'type: "uniform" min: 0 max: 1',
    'type: "uniform" min: 0 max: 1 sparse: 0',
    'type: "gaussian" std: 1',
    'type: "gaussian" std: 1 sparse: 0',
    'type: "gaussian" std: 1 sparse: 3',
    'type: "gaussian" std: 1 sparse: 4',
    'type: "gaussian" std: 1 sparse: -2',
    'type: "xavier"',
    'type: "xavier" variance_norm: FAN_OUT',
    'type: "msra" variance_norm: AVERAGE',
    'type: "msra" sparse: 2',
    'type: "positive_unitball"',
    'type: "bilinear"',
    'type: "bilinear" sparse: 1',
)


def scaled(filler: str, shape: tuple[int, ...]) -> str:
    """A net whose one param has a shape and a filler: a Scale's is as its bottom."""
    dims = " ".join(f"dim: {side}" for side in shape or (1,))
    return f"""
layer {{ name: "x" type: "Input" top: "x" input_param {{ shape {{ {dims} }} }} }}
layer {{ name: "s" type: "Scale" bottom: "x" top: "s"
  scale_param {{ axis: 0 num_axes: {-1 if shape else 0} filler {{ {filler} }} }} }}
"""


@pytest.mark.parametrize("filler", FILLERS)
def test_a_filler_is_refused_where_caffe_ends_over_it(caffe: Caffe, tmp_path: Path, filler: str) -> None:
    """For params of all numbers of axes, square windows and others."""
    taken, planned = {}, {}
    for shape in SHAPES:
        text = scaled(filler, shape)
        prototxt = tmp_path / "net.prototxt"
        prototxt.write_text(text)
        try:
            caffe.ask("load", prototxt=prototxt, phase="TRAIN")
            taken[shape] = True
        except AssertionError:
            taken[shape] = False
        try:
            infer_shapes(parse_net(text, "net"))
            planned[shape] = True
        except BadNetError:
            planned[shape] = False

    assert planned == taken


@pytest.mark.parametrize(
    ("layer", "types"),
    [
        (
            'type: "InnerProduct" inner_product_param { num_output: 2 weight_filler { type: "msra" } }',
            "msra constant=0",
        ),
        (
            'type: "Convolution" convolution_param { num_output: 2 kernel_size: 1 bias_term: false }',
            "constant=0",
        ),
        (
            'type: "Scale" scale_param { bias_term: true bias_filler { type: "uniform" } }',
            "constant=1 uniform",
        ),
        (
            'type: "Scale" bottom: "y" scale_param { bias_term: true bias_filler { type: "uniform" } }',
            "uniform",
        ),
        ('type: "PReLU" prelu_param { filler { type: "gaussian" std: 1 } }', "gaussian"),
        ('type: "PReLU"', "constant=0.25"),
        ('type: "BatchNorm"', "zeros zeros zeros"),
    ],
)
def test_each_param_has_its_own_filler(layer: str, types: str) -> None:
    """Weights and biases theirs, a Scale of two bottoms its bias's, statistics none."""
    net = parse_net(
        f"""
layer {{ name: "x" type: "Input" top: "x" top: "y"
  input_param {{ shape {{ dim: 4 dim: 3 dim: 2 dim: 2 }} shape {{ dim: 3 }} }} }}
layer {{ name: "z" bottom: "x" top: "z" {layer} }}
""",
        "net",
    )
    z = next(each for each in infer_shapes(net).layers if each.name == "z")
    shapes = tuple(param.shape for param in z.params)

    made = [filler_of(z.layer, place, shapes) for place in range(len(shapes))]
    assert " ".join(map(words, made)) == types


def words(filler: FillerParameter | None) -> str:
    """A filler in a word, with the value of a constant."""
    if filler is None:
        return "zeros"
    return f"{filler.type}={filler.value:g}" if filler.type == "constant" else filler.type
