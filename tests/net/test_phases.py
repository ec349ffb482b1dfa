"""Which layers a state has."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftjob.errors import BadNetError
from ftjob.net.proto.caffe_pb2 import TEST, TRAIN, NetState
from ftjob.net.prototxt import parse_net, parse_net_with_notes
from ftjob.net.topology.graph import graph
from ftjob.net.topology.phases import filter_net, phase_view, reduce_rules

RULES = {
    "always": "",
    "train": "include { phase: TRAIN }",
    "not_train": "exclude { phase: TRAIN }",
    "low": "include { max_level: 1 }",
    "high": "include { min_level: 2 }",
    "a_and_b": 'include { stage: "a" stage: "b" }',
    "a_or_b": 'include { stage: "a" } include { stage: "b" }',
    "not_b": 'include { not_stage: "b" }',
    "unless_a": 'exclude { stage: "a" }',
}
NET = parse_net("".join(f'layer {{ name: "{n}" type: "Silence" {r} }}\n' for n, r in RULES.items()), "rules")


@pytest.mark.parametrize(
    ("state", "names"),
    [
        (NetState(phase=TRAIN), "always train low not_b unless_a"),
        (NetState(phase=TEST, level=2), "always not_train high not_b unless_a"),
        (NetState(phase=TEST, stage=["a"]), "always not_train low a_or_b not_b"),
        (NetState(phase=TRAIN, stage=["b", "a"]), "always train low a_and_b a_or_b"),
    ],
)
def test_a_layer_needs_one_include_or_no_exclude(state: NetState, names: str) -> None:
    """A layer belongs to a state that meets one of its include rules, or none of its exclude rules."""
    assert [layer.name for layer in filter_net(NET, state).layer] == names.split()


def test_include_and_exclude_do_not_mix() -> None:
    """A layer with both kinds of rules is refused, as Caffe does."""
    both = parse_net(
        'layer { name: "x" type: "ReLU" include { phase: TEST } exclude { stage: "a" } }', "both"
    )

    with pytest.raises(BadNetError, match='"x" has include and exclude'):
        filter_net(both, NetState())


def test_the_nets_own_state_counts() -> None:
    """Stages and level in the net's own state are those of both phases."""
    net = parse_net(
        'state { level: 2 stage: "a" } layer { name: "x" type: "ReLU" include { stage: "a" } }', "s"
    )

    assert [layer.name for layer in phase_view(net, TRAIN).layer] == ["x"]


def test_reduced_rules_select_the_same_by_phase_alone() -> None:
    """Without stages and levels in its rules, a net has the same layers in each phase."""
    reduced = reduce_rules(NET)

    for phase in (TRAIN, TEST):
        assert phase_view(reduced, phase).layer == phase_view(NET, phase).layer
    rules = [rule for layer in reduced.layer for rule in (*layer.include, *layer.exclude)]
    assert {field.name for rule in rules for field, _ in rule.ListFields()} == {"phase"}


TRUNK = """
    layer { name: "conv" type: "Convolution" bottom: "x" top: "conv" }
    layer { name: "loss" type: "SoftmaxWithLoss" bottom: "conv" bottom: "label" }
"""
LEARN = 'include { stage: "learn" }'
CHECK = 'include { stage: "check" }'
TRAIN_ONLY = "include { phase: TRAIN }"
TEST_ONLY = "include { phase: TEST }"


def _data(name: str, rules: str, tops: str = 'top: "x" top: "label"') -> str:
    return f'layer {{ name: "{name}" type: "Data" {tops} {rules} }}\n'


@pytest.mark.parametrize(
    ("text", "train", "test"),
    [
        (_data("a", TRAIN_ONLY) + TRUNK, "a conv loss", "a conv loss"),
        (_data("b", TEST_ONLY) + TRUNK, "b conv loss", "b conv loss"),
        (_data("a", TRAIN_ONLY) + _data("b", TEST_ONLY) + TRUNK, "a conv loss", "b conv loss"),
        (
            _data("a", TRAIN_ONLY, 'top: "raw" top: "label"')
            + f'layer {{ name: "scale" type: "Power" bottom: "raw" top: "x" {TRAIN_ONLY} }}'
            + TRUNK,
            "a scale conv loss",
            "a scale conv loss",
        ),
        (
            _data("a", TRAIN_ONLY, 'top: "raw" top: "label"')
            + _data("b", TEST_ONLY, 'top: "raw" top: "label"')
            + f'layer {{ name: "scale" type: "Power" bottom: "raw" top: "x" {TRAIN_ONLY} }}'
            + TRUNK,
            "a scale conv loss",
            "b scale conv loss",
        ),
        (
            _data("a", TRAIN_ONLY)
            + f'layer {{ name: "noise" type: "Power" bottom: "x" top: "x" {TRAIN_ONLY} }}'
            + TRUNK,
            "a noise conv loss",
            "a noise conv loss",
        ),
        (
            _data("a", TRAIN_ONLY)
            + _data("b", TEST_ONLY)
            + f'layer {{ name: "noise" type: "Power" bottom: "x" top: "x" {TRAIN_ONLY} }}'
            + TRUNK,
            "a noise conv loss",
            "b conv loss",
        ),
        (
            _data("a", TRAIN_ONLY) + TRUNK.replace(" }\n", f" {TRAIN_ONLY} }}\n"),
            "a conv loss",
            "a conv loss",
        ),
        (
            _data("a", TRAIN_ONLY) + f'layer {{ name: "in" type: "Input" top: "x" {TEST_ONLY} }}' + TRUNK,
            "a conv loss",
            "a conv loss",
        ),
        (
            _data("a", TRAIN_ONLY)
            + _data("b", TEST_ONLY)
            + 'layer { name: "body" type: "Convolution" bottom: "x" top: "x2" }'
            + TRUNK.replace('"x"', '"x2"').replace(" }\n", f" {TRAIN_ONLY} }}\n"),
            "a body conv loss",
            "b body conv loss",
        ),
        (
            _data("a", TRAIN_ONLY)
            + _data("b", TEST_ONLY)
            + TRUNK
            + f'layer {{ name: "aux" type: "InnerProduct" bottom: "x" top: "aux" {TRAIN_ONLY} }}'
            + f'layer {{ name: "l2" type: "SoftmaxWithLoss" bottom: "aux" bottom: "label" {TRAIN_ONLY} }}',
            "a conv loss aux l2",
            "b conv loss",
        ),
        (
            _data("a", LEARN) + _data("b", CHECK) + TRUNK,
            "a conv loss",
            "b conv loss",
        ),
        (
            _data("a", TRAIN_ONLY) + _data("b", "include { phase: TEST min_level: 2 }") + TRUNK,
            "a conv loss",
            "b conv loss",
        ),
        (
            _data("a", 'include { stage: "learn" min_level: 1 }')
            + _data("b", 'include { stage: "check" min_level: 1 }')
            + TRUNK,
            "a conv loss",
            "b conv loss",
        ),
        (
            _data("deploy", 'include { stage: "serve" }', 'top: "x"')
            + _data("a", LEARN)
            + TRUNK.replace(" }\n", ' exclude { stage: "serve" } }\n', 2).replace(
                'exclude { stage: "serve" }', "", 1
            ),
            "a conv loss",
            "a conv loss",
        ),
    ],
)
def test_a_phase_without_data_has_that_of_the_other(text: str, train: str, test: str) -> None:
    """What a phase lacks is in another state of the net, or in its other phase; it is taken from there."""
    net = parse_net(text, "net")

    for phase, names in ((TRAIN, train), (TEST, test)):
        assert [layer.name for layer in phase_view(reduce_rules(net), phase).layer] == names.split()


def test_what_a_prototxt_leaves_open_is_noted() -> None:
    """Which stage or level was taken, and which layer is in a phase that its rules do not put it in."""
    lent = _data("a", TRAIN_ONLY, 'top: "raw" top: "label"')
    lent += f'layer {{ name: "scale" type: "Power" bottom: "raw" top: "x" {TRAIN_ONLY} }}' + TRUNK
    stages = _data("a", LEARN) + _data("b", "include { phase: TEST min_level: 2 }") + TRUNK

    whole = _data("a", TRAIN_ONLY) + TRUNK.replace(" }\n", f" {TRAIN_ONLY} }}\n")

    assert [str(note) for note in parse_net_with_notes(whole, "net").notes] == [
        "line 3: layer conv and 1 more: is for TRAIN alone, but TEST needs it too; is in both"
    ]
    assert [str(note) for note in parse_net_with_notes(lent, "net").notes] == [
        "line 2: layer scale: is for TRAIN alone, but TEST needs it too; is in both"
    ]
    assert [str(note) for note in parse_net_with_notes(stages, "net").notes] == [
        'line 1: layer a: TRAIN takes the layers of stage "learn"',
        "line 2: layer b: TEST takes the layers of level 2",
    ]


@given(
    rules=st.lists(
        st.sampled_from(
            ["", TRAIN_ONLY, TEST_ONLY, LEARN, CHECK, "include { min_level: 1 }", "exclude { level }"]
        ),
        min_size=4,
        max_size=4,
    )
)
@settings(max_examples=150, deadline=None)
def test_whatever_the_rules_no_layer_reads_what_nobody_makes(rules: list[str]) -> None:
    """Where some state of some phase makes a blob, every phase that reads it has it: so says Caffe's own
    check, and once reduced, a net is reduced."""
    text = _data("a", rules[0]) + "".join(
        f'layer {{ name: "{name}" type: "{kind}" bottom: "x" top: "x" {rule} }}\n'
        for name, kind, rule in zip(("p", "q"), ("Power", "ReLU"), rules[1:], strict=False)
    )
    net = parse_net((text + TRUNK).replace("exclude { level }", "exclude { max_level: 0 }"), "net")

    reduced = reduce_rules(net)

    for phase in (TRAIN, TEST):
        assert graph(phase_view(reduced, phase)).layers
    assert reduce_rules(reduced) == reduced
