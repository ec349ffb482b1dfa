"""Where a backward pass ends Caffe, the plan refuses it; where Caffe goes on, so does the plan."""

import pytest

from ftjob.errors import BadNetError
from ftjob.net.proto.caffe_pb2 import TRAIN
from ftjob.net.prototxt import parse_net
from ftjob.net.topology.backward import refuse_dead_ends
from ftjob.net.topology.phases import phase_view
from ftjob.net.topology.shapes import infer_shapes
from tests.net.conftest import Caffe

DATA = """
layer { name: "data" type: "DummyData" top: "data" top: "label"
  dummy_data_param { shape { dim: 2 dim: 3 dim: 6 dim: 6 } shape { dim: 2 } } }
"""
CONV = """
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" %s
  convolution_param { num_output: 4 kernel_size: 1 weight_filler { type: "xavier" } } }
"""
HEAD = """
layer { name: "fc" type: "InnerProduct" bottom: "mid" top: "fc"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" %s }
"""
FROZEN = "param { lr_mult: 0 } param { lr_mult: 0 }"


def between(kind: str, settings: str = "", bottom: str = "conv") -> str:
    return f'layer {{ name: "mid" type: "{kind}" bottom: "{bottom}" top: "mid" {settings} }}'


NETS = {
    "relu": CONV % "" + between("ReLU") + HEAD % "",
    "argmax": CONV % "" + between("ArgMax") + HEAD % "",
    "threshold": CONV % "" + between("Threshold") + HEAD % "",
    "threshold above frozen": CONV % FROZEN + between("Threshold") + HEAD % "",
    "threshold cut off": CONV % ""
    + between("Threshold")
    + HEAD.replace('"fc" type', '"fc" propagate_down: false type') % "",
    "threshold beside": CONV % ""
    + between("ReLU")
    + HEAD % ""
    + between("Threshold").replace('"mid"', '"aside"'),
    "embed of labels": between("Embed", "embed_param { num_output: 3 input_dim: 9 }", "label") + HEAD % "",
    "embed of what is learned": CONV % ""
    + between("ArgMax").replace('"mid"', '"best"')
    + between("Embed", "embed_param { num_output: 3 input_dim: 99 }", "best")
    + HEAD % "",
    "labels that are asked for": CONV % ""
    + between("ReLU")
    + HEAD % "propagate_down: true propagate_down: true",
    "labels that are not": CONV % "" + between("ReLU") + HEAD % "propagate_down: true propagate_down: false",
    "no way down": CONV % "" + between("Threshold") + HEAD % "propagate_down: false propagate_down: false",
    "no weight": CONV % "" + between("Threshold") + HEAD % "loss_weight: 0",
    "forced": "force_backward: true\n" + CONV % FROZEN + between("Threshold") + HEAD % "",
}  # fmt: skip


@pytest.mark.parametrize("name", NETS)
def test_a_backward_pass_is_refused_where_caffe_ends_in_it(caffe: Caffe, name: str) -> None:
    """Layers without a gradient, labels and indices; but not where nothing before them learns."""
    text = DATA + NETS[name]
    shapes = infer_shapes(phase_view(parse_net(text, "net"), TRAIN))
    try:
        refuse_dead_ends(shapes)
        planned = True
    except BadNetError:
        planned = False

    assert planned == caffe.trains(text)
