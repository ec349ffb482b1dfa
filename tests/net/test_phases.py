"""Which layers a state has."""

import pytest

from ftjob.errors import BadNetError
from ftjob.net.phases import filter_net, phase_view, reduce_rules
from ftjob.net.proto.caffe_pb2 import TEST, TRAIN, NetState
from ftjob.net.prototxt import parse_net

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


def test_reduced_rules_say_the_same_by_phase_alone() -> None:
    """Without stages and levels in its rules, a net has the same layers in each phase."""
    reduced = reduce_rules(NET)

    for phase in (TRAIN, TEST):
        assert phase_view(reduced, phase).layer == phase_view(NET, phase).layer
    rules = [rule for layer in reduced.layer for rule in (*layer.include, *layer.exclude)]
    assert {field.name for rule in rules for field, _ in rule.ListFields()} == {"phase"}
