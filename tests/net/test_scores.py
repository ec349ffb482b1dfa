"""Heads make one score for each class."""

import pytest

from ftjob.errors import BadNetError
from ftjob.net.heads import find_heads
from ftjob.net.prototxt import parse_net
from ftjob.net.scores import refuse_maps
from ftjob.net.shapes import infer_shapes

NET = """
layer {{ name: "data" type: "Input" top: "data" top: "label"
        input_param {{ shape {{ dim: 2 dim: 3 dim: {side} dim: {side} }} shape {{ dim: 2 }} }} }}
layer {{ name: "fc" type: "Convolution" bottom: "data" top: "fc"
        convolution_param {{ num_output: 5 kernel_size: 4 }} }}
layer {{ name: "flat" type: "Flatten" bottom: "fc" top: "flat" }}
layer {{ name: "loss" type: "{loss}" bottom: "{end}" bottom: "label" top: "loss" }}
"""


def check(side: int, end: str, loss: str) -> None:
    net = parse_net(NET.format(side=side, end=end, loss=loss), "net")
    shapes = infer_shapes(net)
    refuse_maps(find_heads(net), shapes, shapes)


@pytest.mark.parametrize(("end", "loss"), [("flat", "SoftmaxWithLoss"), ("fc", "HingeLoss")])
def test_a_map_of_scores_is_refused(end: str, loss: str):
    """Flattened it looks like more classes than there are, and a loss takes it."""
    check(4, end, loss)
    shape = "45" if end == "flat" else "5x3x3"
    with pytest.raises(
        BadNetError, match=rf'head "fc" makes scores "{end}" of {shape} for an image, not one'
    ):
        check(6, end, loss)
