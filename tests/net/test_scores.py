"""Heads make one score for each class."""

import pytest

from ftjob.errors import BadNetError
from ftjob.net.prototxt import parse_net
from ftjob.net.surgery.heads import find_heads
from ftjob.net.surgery.scores import refuse_few_scores, refuse_maps
from ftjob.net.topology.shapes import infer_shapes

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


def test_a_loss_that_reads_a_map_names_what_to_do():
    """It counts labels before anything else is looked at."""
    check(4, "fc", "SoftmaxWithLoss")
    with pytest.raises(BadNetError, match=r'"fc" \(2x5x3x3\) makes 18 predictions.*: take a data\.crop at'):
        check(6, "fc", "SoftmaxWithLoss")


REDUCED = """
layer { name: "data" type: "Input" top: "data" top: "label"
        input_param { shape { dim: 2 dim: 3 } shape { dim: 2 } } }
layer { name: "others" type: "Input" top: "other" input_param { shape { dim: 2 } } }
layer { name: "sum" type: "Reduction" bottom: "data" top: "sum" reduction_param { axis: 1 } }
layer { name: "end" %s bottom: "label" top: "end" }
layer { name: "again" type: "HingeLoss" bottom: "sum" bottom: "other" top: "again" }
layer { name: "read" type: "Silence" bottom: "data" bottom: "label" }
"""


@pytest.mark.parametrize("kind", ["SoftmaxWithLoss", "HingeLoss", "MultinomialLogisticLoss", "Accuracy"])
def test_fewer_scores_than_classes_are_refused(kind: str):
    """Whatever makes them: a label of the data would be none of the layer's."""
    net = infer_shapes(parse_net(REDUCED % f'type: "{kind}" bottom: "data"', "net"))

    refuse_few_scores(3, {"label"}, net)
    with pytest.raises(BadNetError, match=rf'"end" \({kind}\): its bottom "data" has 3 scores .* 4 classes'):
        refuse_few_scores(4, {"label"}, net)
    with pytest.raises(BadNetError, match=r'"again" \(HingeLoss\): its bottom "sum" has 1 score '):
        refuse_few_scores(3, {"other"}, net)


def test_a_class_that_a_loss_ignores_needs_no_score():
    """Only the last one can be done without, since labels count from 0."""
    end = 'type: "SoftmaxWithLoss" bottom: "data" loss_param { ignore_label: %d }'

    refuse_few_scores(4, {"label"}, infer_shapes(parse_net(REDUCED % (end % 3), "net")))
    with pytest.raises(BadNetError, match="4 classes"):
        refuse_few_scores(4, {"label"}, infer_shapes(parse_net(REDUCED % (end % 0), "net")))
