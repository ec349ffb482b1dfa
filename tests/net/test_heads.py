"""Classifiers are found by what reads them."""

from pathlib import Path

import pytest

from ftjob.net.prototxt import parse_net
from ftjob.net.surgery.heads import find_heads
from ftjob.net.topology.phases import reduce_rules

NETS = Path(__file__).parent / "nets"


@pytest.mark.parametrize(
    ("name", "heads"),
    [
        ("lenet", [("ip2", "ip2", "loss", 1.0)]),
        ("v0", [("fc8", "fc8", "loss", 1.0)]),
        ("v1", [("fc8", "fc8", "loss", 1.0)]),
        ("deploy_input_dim", [("fc8", "fc8", "", 1.0)]),
        ("residual", [("fc", "fc", "", 1.0)]),
        ("squeeze", [("conv10", "pool10", "loss", 1.0)]),
        ("stages", [("fc", "fc", "loss", 1.0)]),
        ("followed", [("fc", "fc", "loss", 1.0)]),
        ("train_only", [("fc", "fc", "loss", 1.0)]),
        ("own_stages", [("fc", "fc", "loss", 1.0)]),
        (
            "three_heads",
            [
                ("loss1/classifier", "loss1/classifier", "loss1/loss1", 0.3),
                ("loss2/classifier", "loss2/classifier", "loss2/loss1", 0.3),
                ("loss3/classifier", "loss3/classifier", "loss3/loss3", 1.0),
            ],
        ),
    ],
)
def test_heads_of(name: str, heads: list[tuple[str, str, str, float]]) -> None:
    """Every classifier is found with scores, loss and weight; the last of the heaviest is main."""
    found = find_heads(reduce_rules(parse_net((NETS / f"{name}.prototxt").read_text(), name)))

    assert [(head.layer, head.score, head.loss, head.loss_weight) for head in found] == heads
    assert [head.main for head in found] == [False] * (len(heads) - 1) + [True]
    assert {head.num_output for head in found} == {10}


def test_a_head_records_how_it_was_found() -> None:
    """`why` names the layer the search began at and the types on the way."""
    (head,) = find_heads(parse_net((NETS / "squeeze.prototxt").read_text(), "squeeze"))

    assert head.why == 'SoftmaxWithLoss "loss" reads it, through Pooling, through ReLU'


FC = 'layer { name: "%s" type: "InnerProduct" bottom: "%s" top: "%s" inner_product_param { num_output: 9 } }'
INPUT = 'layer { name: "data" type: "Input" top: "data" top: "label" }'
LOSS = 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "%s" bottom: "label" top: "loss" }'
TWO = INPUT + FC % ("a", "data", "a") + FC % ("b", "data", "b")


def test_both_classifiers_of_a_sum_are_heads() -> None:
    """Where a loss reads the sum of two classifiers, both have one output per class."""
    total = 'layer { name: "sum" type: "Eltwise" bottom: "a" bottom: "b" top: "sum" }'

    heads = find_heads(parse_net(TWO + total + LOSS % "sum", "sum"))

    assert [head.layer for head in heads] == ["a", "b"]


def test_a_sum_with_its_own_input_is_no_head() -> None:
    """A residual sum has no classifier alone: changing one summand's outputs would break the other."""
    total = 'layer { name: "sum" type: "Eltwise" bottom: "a" bottom: "b" top: "sum" }'
    nested = INPUT + FC % ("a", "data", "a") + FC % ("b", "a", "b")

    assert find_heads(parse_net(nested + total + LOSS % "sum", "sum")) == []


def test_of_equal_heads_the_last_is_the_main_one() -> None:
    """Two losses of one weight: deploy keeps the later classifier."""
    second = LOSS.replace('"loss"', '"loss2"') % "b"

    heads = find_heads(parse_net(TWO + LOSS % "a" + second, "equal"))

    assert [(head.layer, head.main) for head in heads] == [("a", False), ("b", True)]


def test_concatenated_scores_are_no_head() -> None:
    """A Concat of two layers has no single layer with one output per class."""
    both = 'layer { name: "all" type: "Concat" bottom: "a" bottom: "b" top: "all" }'

    assert find_heads(parse_net(TWO + both + LOSS % "all", "concat")) == []


def test_of_two_losses_on_one_classifier_the_heavier_counts() -> None:
    """A classifier under two losses is one head."""
    hinge = 'layer { name: "h" type: "HingeLoss" bottom: "a" bottom: "label" top: "h" loss_weight: 2 }'

    (head,) = find_heads(parse_net(INPUT + FC % ("a", "data", "a") + LOSS % "a" + hinge, "two"))

    assert (head.loss, head.loss_weight) == ("h", 2.0)


def test_a_softmax_with_a_loss_of_its_own() -> None:
    """Softmax and MultinomialLogisticLoss apart are SoftmaxWithLoss; scores are what Softmax reads."""
    softmax = 'layer { name: "p" type: "Softmax" bottom: "a" top: "p" }'
    loss = 'layer { name: "l" type: "MultinomialLogisticLoss" bottom: "p" bottom: "label" top: "l" }'

    (head,) = find_heads(parse_net(INPUT + FC % ("a", "data", "a") + softmax + loss, "apart"))

    assert (head.layer, head.score, head.loss) == ("a", "a", "l")


def test_what_follows_an_output_is_known_too() -> None:
    """Where the last layer is the output, it follows the classifier like those between it and a loss."""
    scale = 'layer { name: "s" type: "Scale" bottom: "a" top: "a" }'

    (head,) = find_heads(parse_net(INPUT + FC % ("a", "data", "a") + scale, "scaled"))

    assert head.followers == ("s",)


def test_without_a_loss_an_accuracy_shows_the_head() -> None:
    """In a net that is only tested the Accuracy shows the classifier and the label."""
    accuracy = 'layer { name: "acc" type: "Accuracy" bottom: "b" bottom: "label" }'

    (head,) = find_heads(parse_net(TWO + accuracy, "tested"))

    assert (head.layer, head.label) == ("b", "label")
