"""Prototxts that mix the forms of nets, or are no nets: what to write stands in the sentence."""

import re

import pytest

from ftjob.errors import BadNetError
from ftjob.net.prototxt import parse_net, parse_solver

DATA = 'layers { name: "data" type: DATA top: "data" }\n'


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            'layers { name: "c" type: CONVOLUTION param { lr_mult: 0 decay_mult: 2 } param { lr_mult: 3 } }',
            "2:44: `param { … }` is the current form, and `layers` the old one: write blobs_lr: 0 "
            "blobs_lr: 3 weight_decay: 2 weight_decay: 1 in its place, or write every `layers` as `layer`",
        ),
        (
            'layer { name: "c" type: "Convolution" blobs_lr: 1 blobs_lr: 2 weight_decay: 1 weight_decay: 0 }',
            "2:39: blobs_lr belongs to the old form, `layers`: in `layer` write "
            "param { lr_mult: 1 decay_mult: 1 } param { lr_mult: 2 decay_mult: 0 } instead",
        ),
        (
            'layer { name: "c" type: "InnerProduct" weight_decay: 3 }',
            "2:40: weight_decay belongs to the old form, `layers`: in `layer` write "
            "param { lr_mult: 1 decay_mult: 3 } instead",
        ),
        (
            'layer { name: "c" type: "InnerProduct" param: "shared" }',
            '2:47: in `layer`, the current form, a shared param is written param { name: "shared" }',
        ),
        (
            'layer { name: "l" type: SOFTMAX_LOSS }',
            '2:25: in `layer`, the current form, a type is text in quotes: write type: "SoftmaxWithLoss"',
        ),
        (
            'layer { name: "c" type: Convolution }',
            '2:25: in `layer`, the current form, a type is text in quotes: write type: "Convolution"',
        ),
        (
            'layers { name: "l" type: "SoftmaxWithLoss" }',
            "2:26: in the old form, `layers`, this type is the word SOFTMAX_LOSS, without quotes: write",
        ),
        (
            'layers { name: "b" type: "BatchNorm" }',
            "2:26: the old form, `layers`, has no type BatchNorm: write every `layers` as `layer`",
        ),
        (
            'layers { name: "b" type: SCALE }',
            "2:26: V1LayerParameter.LayerType has no value SCALE",
        ),
        (
            'layers { name: "b" type: NONE batch_norm_param { eps: 1 } }',
            "2:31: batch_norm_param is the current form, and `layers` the old one, which has no such field",
        ),
        (
            'layer { name: "b" type: "ReLU" blob_share_mode: STRICT }',
            "2:32: blob_share_mode belongs to the old form, `layers`, and `layer` has no such field",
        ),
        (
            'layer { name: "l" type: "SOFTMAX_LOSS" }',
            '2:19: layer "l" has the unknown type "SOFTMAX_LOSS", as the old forms have it; '
            "write SoftmaxWithLoss",
        ),
        (
            'layer { name: "l" type: "innerproduct" }',
            '2:19: layer "l" has the unknown type "innerproduct", as the old forms have it; '
            "write InnerProduct",
        ),
    ],
)
def test_mixed_forms_are_reported_with_what_to_write(text: str, wanted: str) -> None:
    """A field or type of the form that the layer is not of is named with its place and its right spelling."""
    with pytest.raises(BadNetError, match=f"^f:{re.escape(wanted)}"):
        parse_net(f"# a net\n{text}", "f")


def test_what_is_to_be_written_parses() -> None:
    """The rates that the sentence gives for the old form are those of today's."""
    text = 'layers { name: "c" type: CONVOLUTION param { lr_mult: 0 decay_mult: 2 } param { lr_mult: 3 } }'
    with pytest.raises(BadNetError) as caught:
        parse_net(DATA + text, "f")
    [written] = re.findall(r"write (blobs_lr.*) in its place", str(caught.value))

    layer = parse_net(DATA + re.sub(r"param \{.*\}(?= \})", written, text), "f").layer[1]

    assert [(param.lr_mult, param.decay_mult) for param in layer.param] == [(0, 2), (3, 1)]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            'net: "models/train_val.prototxt"\nbase_lr: 0.01',
            'give the net that it names, "models/train_val.prototxt", as base.net',
        ),
        (
            'train_net: "a.prototxt" test_net: "b.prototxt"',
            'the net that it names, "a.prototxt", as base.net',
        ),
        ("base_lr: 0.01 rampup_lr: 1", "give the prototxt with the layers as base.net"),
        (
            'net_param { layer { name: "r" type: "ReLU" } } max_iter: 3',
            "the net is in its net_param; write that into a file of its own and give it as base.net",
        ),
    ],
)
def test_a_solver_given_as_net_is_called_one(text: str, wanted: str) -> None:
    """With the net to give instead, where it names one."""
    with pytest.raises(BadNetError, match=f"^f: is a solver, not a net: .*{re.escape(wanted)}"):
        parse_net(text, "f")


def test_a_net_given_as_solver_is_called_one() -> None:
    """The other way round, too."""
    with pytest.raises(BadNetError, match=r"^f: is a net, not a solver: give the prototxt that has base_lr$"):
        parse_solver('name: "x" layer { name: "r" type: "ReLU" }', "f")


def test_a_misspelt_net_is_no_solver() -> None:
    """A mistake beside layers is reported as such."""
    with pytest.raises(BadNetError, match=r"^f:1:1: NetParameter has no field nmae; did you mean name"):
        parse_net('nmae: "x" layer { name: "r" type: "ReLU" }', "f")
