"""Old nets in today's form."""

from pathlib import Path
from typing import Any

import pytest

from ftjob.errors import BadNetError
from ftjob.net.prototxt import parse_net, parse_solver


def test_upgrade_is_caffes(caffe: Any, net_path: Path) -> None:
    """A prototxt of any age parses to what Caffe's upgrade_net_proto_text makes of it."""
    assert parse_net(net_path.read_text(), net_path.name) == caffe.upgrade(net_path)


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
