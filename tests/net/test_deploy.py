"""The deploy net, whole."""

from pathlib import Path

from ftjob.net.prototxt import parse_net, to_text
from ftjob.net.surgery.data_layers import DataLayers
from ftjob.net.surgery.operation import operate
from jobspec.spec import Surgery

NETS = Path(__file__).parent / "nets"
DATA = DataLayers(
    train="t",
    val="v",
    channels=1,
    height=12,
    width=12,
    batch_size=4,
    test_batch_size=2,
    crop=None,
    mean=(1.0,),
)
LENET = """
name: "small-lenet"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 1 dim: 12 dim: 12 } } }
layer {
  name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 4 kernel_size: 3 }
}
layer {
  name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1"
  pooling_param { pool: MAX kernel_size: 2 stride: 2 }
}
layer { name: "ip1" type: "InnerProduct" bottom: "pool1" top: "ip1" inner_product_param { num_output: 6 } }
layer { name: "relu1" type: "ReLU" bottom: "ip1" top: "ip1" }
layer {
  name: "ip2_new" type: "InnerProduct" bottom: "ip1" top: "ip2_new"
  inner_product_param { num_output: 7 }
}
layer { name: "prob" type: "Softmax" bottom: "ip2_new" top: "prob" }
"""


def test_a_deploy_net_is_what_classifies_and_nothing_else() -> None:
    """From LeNet it is an Input, the layers up to the scores without Dropout, fillers and rates, and prob."""
    net = parse_net((NETS / "lenet.prototxt").read_text(), "lenet")

    deploy = operate(net, Surgery(), 7, DATA, "new").deploy

    assert to_text(deploy) == to_text(parse_net(LENET, "wanted"))


def test_shared_params_stay_shared() -> None:
    """The names of params stay where layers share weights by them, and nothing else of theirs."""
    net = parse_net((NETS / "v1.prototxt").read_text(), "v1")
    for layer in net.layer:
        for spec in layer.param:
            spec.lr_mult = spec.decay_mult = 3

    deploy = operate(net, Surgery(), 7, DATA, "new").deploy

    shared = {layer.name: [spec.name for spec in layer.param] for layer in deploy.layer if layer.param}
    assert shared == {"conv2": ["shared_w", "shared_b"], "conv3": ["shared_w", "shared_b"]}
    assert "mult" not in to_text(deploy)


def test_a_softmax_keeps_its_axis() -> None:
    """Where the loss takes its softmax over another axis, so does prob."""
    net = parse_net((NETS / "lenet.prototxt").read_text(), "lenet")
    net.layer[-1].softmax_param.axis = -1

    assert operate(net, Surgery(), 7, DATA, "new").deploy.layer[-1].softmax_param.axis == -1
