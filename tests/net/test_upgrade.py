"""Old nets in today's form."""

from pathlib import Path
from typing import Any

import pytest

from ftjob.errors import BadNetError
from ftjob.net.proto.caffe_pb2 import V1LayerParameter
from ftjob.net.prototxt import parse_net, parse_solver


def test_upgrade_is_caffes(caffe: Any, net_path: Path) -> None:
    """A prototxt of any age parses to what Caffe's upgrade_net_proto_text makes of it."""
    assert parse_net(net_path.read_text(), net_path.name) == caffe.upgrade(net_path)


def test_every_old_type_becomes_caffes(caffe: Any, tmp_path: Path) -> None:
    """Each type of V1 layer, and each of V0 with a field of its own, gets the name it has today."""
    v1 = [kind for kind in V1LayerParameter.LayerType.keys() if kind != "NONE"]  # noqa: SIM118 (no dict)
    old = tmp_path / "old.prototxt"
    for layers in (
        [f'layers {{ name: "{kind}" type: {kind} }}' for kind in v1],
        [f'layers {{ layer {{ name: "{kind}" type: "{kind}" }} }}' for kind in V0_TYPES.split()],
        [f'layers {{ layer {{ name: "{kind}" type: "{kind}" {field} }} }}' for kind, field in V0_FIELDS],
    ):
        old.write_text("\n".join(layers))
        assert parse_net(old.read_text(), "old") == caffe.upgrade(old)


V0_TYPES = """
    accuracy bnll concat conv data dropout euclidean_loss flatten hdf5_data hdf5_output im2col images
    infogain_loss innerproduct lrn multinomial_logistic_loss pool relu sigmoid softmax softmax_loss split tanh
    window_data
"""
V0_FIELDS = [
    (
        "conv",
        "num_output: 3 biasterm: false pad: 1 kernelsize: 3 group: 1 stride: 2 weight_filler { value: 1 }",
    ),
    ("innerproduct", "num_output: 3 biasterm: false bias_filler { value: 2 } blobs_lr: 1 weight_decay: 2"),
    ("pool", "pool: STOCHASTIC kernelsize: 3 stride: 2 pad: 1"),
    ("lrn", "local_size: 3 alpha: 0.1 beta: 0.2 k: 2"),
    ("dropout", "dropout_ratio: 0.1"),
    ("data", 'source: "s" batchsize: 3 rand_skip: 4 scale: 0.5 meanfile: "m" cropsize: 5 mirror: true'),
    ("hdf5_data", 'source: "s" batchsize: 3'),
    ("images", 'source: "s" batchsize: 3 rand_skip: 4 shuffle_images: true new_height: 5 new_width: 6'),
    (
        "window_data",
        'source: "s" batchsize: 3 det_fg_threshold: 0.1 det_bg_threshold: 0.2 det_fg_fraction: 0.3',
    ),
    ("window_data", 'det_context_pad: 4 det_crop_mode: "square"'),
    ("infogain_loss", 'source: "s"'),
    ("concat", "concat_dim: 0"),
    ("hdf5_output", 'hdf5_output_param { file_name: "f" }'),
]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('layers { name: "a" type: RELU } layer { name: "b" type: "ReLU" }', "mixes"),
        ('layers { layer { name: "a" type: "conf" } }', "did you mean conv"),
        ('layers { layer { name: "a" type: "relu" num_output: 3 } }', "no use for its field num_output"),
        ('layers { layer { name: "a" type: "relu" } bottom: "x" }', 'blob "x", which none makes'),
        (
            'layers { layer { name: "a" } } layers { name: "b" type: RELU }',
            'layer "b" is not of the oldest form',
        ),
        ('input: "data" input_dim: 1 layer { name: "a" type: "ReLU" }', "1 input_dim"),
        (
            'input: "a" input: "b" input_shape { dim: 1 } layer { name: "c" type: "ReLU" }',
            "2 input and 1 shapes",
        ),
    ],
)
def test_what_cannot_be_upgraded_is_refused(text: str, reason: str) -> None:
    """Where Caffe would end, or go on without a part of the net, one sentence says which layer and why."""
    with pytest.raises(BadNetError, match=reason):
        parse_net(text, "a")


def test_solver_type_of_old() -> None:
    """solver_type: ADAM becomes type: "Adam"; both at once are refused."""
    assert parse_solver("solver_type: ADAM", "s").type == "Adam"
    with pytest.raises(BadNetError, match="both"):
        parse_solver('solver_type: ADAM type: "SGD"', "s")
