"""Prototxts in and out."""

import re
from pathlib import Path

import pytest

from ftjob.errors import BadNetError
from ftjob.net.proto.caffe_pb2 import NetParameter
from ftjob.net.prototxt import parse_net, parse_net_with_notes, parse_solver, to_text


def test_text_is_stable(net_path: Path) -> None:
    """prototxt → message → prototxt → message changes nothing after the first step."""
    net = parse_net(net_path.read_text(), net_path.name)

    assert parse_net(to_text(net), "again") == net


def test_unknown_fields_survive() -> None:
    """A field that our .proto does not have comes out of a binary round trip as it went in."""
    foreign = b"\x0a\x01x" + b"\xfa\xff\x7f\x03abc"

    assert NetParameter.FromString(foreign).SerializeToString() == foreign


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('name: "x"\nlayer {\n  nmae: "y"\n}', "f:3:3: LayerParameter has no field nmae; did you mean name?"),
        ("layer { pooling_param { pool: MAXX } }", "f:1:31: PoolingParameter.PoolMethod has no value MAXX"),
        ("layer { type: 3 }", "f:1:15: Expected string"),
        ("layer {", 'f:1:7: Expected "}"'),
        ("layer { phase: TRIAN }", "f:1:16: Phase has no value TRIAN; did you mean TRAIN?"),
        ('layer { name: "a" name: "b" }', "f:1:25: .*multiple"),
        ("", "f: the net has no layers"),
        (
            'layer { name: "c"\n type: "Convolutoin" }',
            'f:2:2: layer "c" has the unknown type "Convolutoin"; did you mean Conv',
        ),
        (
            'layer { name: "c" type: "Convolution" convolution_param { weight_filler { type: "xaver" } } }',
            'f:1:75: layer "c" has a filler of the unknown type "xaver"; did you mean xavier',
        ),
        (
            'layer { name: "c" type: "PReLU" prelu_param { filler { type: "gaussian" std: 0 } } }',
            'f:1:73: layer "c" has a gaussian filler of std 0; make it more than 0',
        ),
        (
            'layer { name: "c" type: "PReLU" prelu_param { filler { type: "uniform" min: 2 max: 1 } } }',
            'f:1:72: layer "c" has a uniform filler from 2 to 1; min must not be above max',
        ),
        (
            'layer { name: "c" include { phase: "TRAIN" } }',
            "f:1:36: Phase takes words without quotes: write TRAIN",
        ),
        (
            'layer { name: "d" type: "Data" include { phase: train } }',
            "f:1:49: Phase has no value train; did you mean TRAIN?",
        ),
        (
            'layer { name: "d" type: "Data" tpo: "data" }',
            "f:1:32: LayerParameter has no field tpo; did you mean top?",
        ),
        (
            'layer { name: "c" param { lr_mul: 1 } }',
            "f:1:27: ParamSpec has no field lr_mul; did you mean lr_mult?",
        ),
        ("layers { name: 'c' }", 'f:1:10: layer "c" has no type'),
        ('layer { name: "c" }', 'f:1:9: layer "c" has no type'),
    ],
)
def test_what_does_not_parse_is_reported_with_its_place(text: str, message: str) -> None:
    """An error begins with file:line:column and says what is meant, where a name is nearly right."""
    with pytest.raises(BadNetError, match=f"^{message}"):
        parse_net(text, "f")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('layer { name: "c"\nlayer { name: "d" } }', '2:1: a } is missing before this layer: layer "c"'),
        (
            'layer { name: "c" convolution_param {\n}\nlayer { name: "d" } }',
            '3:1: a } is missing before this layer: layer "c" is not closed',
        ),
        (
            'layers { name: "c" convolution_param { pad: 1\nlayers { name: "d" } } }',
            '2:1: a } is missing before this layers: convolution_param of layer "c" is not closed',
        ),
        ('layer { name: "c" }\n}', "2:1: this } closes nothing"),
        ('// LeNet\nlayer { name: "c" }', "1:1: a comment begins with #"),
        ('// the net\nlayer { name: "c" }', "1:1: a comment begins with #"),
        (
            'layer { name: "c type: "ReLU" }',
            "1:25: ReLU stands where a field is expected: a quote is missing before it",
        ),
    ],
)
def test_signs_that_are_missing_or_too_many_are_named(text: str, message: str) -> None:
    """Nothing is blamed on fields or forms where a brace, a quote or a # is wrong."""
    with pytest.raises(BadNetError, match=f"^f:{re.escape(message)}"):
        parse_net(text, "f")


def test_comments_may_be_in_any_encoding() -> None:
    """Bytes that are no UTF-8, and the mark Windows puts first, are no matter outside of names."""
    gbk = b'\xef\xbb\xbflayer { # \xd6\xd0\n name: "\xe4\xb8\xad" type: "ReLU" } # \xff'

    net = parse_net(gbk.decode(errors="surrogateescape"), "f")

    assert net.layer[0].name == "中"
    with pytest.raises(BadNetError, match=r"^f:2: is no text in UTF-8"):
        parse_net(b'\nlayer { name: "\xd6\xd0" }'.decode(errors="surrogateescape"), "f")


def test_a_mistake_in_a_solver_is_reported_with_its_place_too() -> None:
    """The same holds for a solver."""
    with pytest.raises(
        BadNetError, match=r"^s:1:1: SolverParameter has no field base_rl; did you mean base_lr"
    ):
        parse_solver("base_rl: 1", "s")


def test_weights_in_a_prototxt_are_left_out() -> None:
    """A caffemodel that was printed: Caffe ends at blobs that do not fit, and they belong into a file."""
    layer = """layer { name: "NAME" type: "InnerProduct" bottom: "data" top: "NAME"
                       blobs { shape { dim: 1 } data: 3 } }"""

    parsed = parse_net_with_notes(layer.replace("NAME", "a") + layer.replace("NAME", "b"), "net.prototxt")

    assert not any(layer.blobs for layer in parsed.net.layer)
    [note] = map(str, parsed.notes)
    assert note.startswith("line 2: layer a and 1 more: blobs are weights, which belong into a .caffemodel")


def test_a_field_that_caffe_asks_for_is_named() -> None:
    """Required in caffe.proto: the text of a message without it is none that Caffe reads."""
    with pytest.raises(BadNetError, match=r'net: layer "c" has no clip_param\.max, which Caffe asks for'):
        parse_net('layer { name: "c" type: "Clip" bottom: "a" top: "b" clip_param { min: 1 } }', "net")
