"""What stands between a classifier and its loss: harmless, taken out, refused, or reported with its cost."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ftjob.errors import BadNetError
from ftjob.net.proto.caffe_pb2 import NetParameter
from ftjob.net.prototxt import parse_net
from ftjob.net.surgery.between import Bridge, bridge_of, clear_ways, loss_floor, views_of
from ftjob.net.surgery.heads import PER_CLASS, find_heads
from ftjob.net.surgery.operation import DataLayers, operate
from jobspec.spec import Surgery

CLASSES = 7
FRAME = """
layer {{ name: "data" type: "Data" top: "data" top: "label" }}
layer {{ name: "fc" type: "InnerProduct" bottom: "data" top: "fc"
        inner_product_param {{ num_output: 9 weight_filler {{ type: "xavier" }} }} }}
{between}
{end}
"""
LOSS = 'layer {{ name: "loss" type: "{}" bottom: "{}" bottom: "label" top: "loss" }}'


def layer(kind: str, param: str = "", bottom: str = "fc", top: str = "x", name: str = "") -> str:
    return f'layer {{ name: "{name or top}" type: "{kind}" bottom: "{bottom}" top: "{top}" {param} }}\n'


def net_of(between: str, end: str = "x", loss: str = "SoftmaxWithLoss") -> NetParameter:
    """A classifier, what is between, and a loss that reads blob `end`; without one where `loss` is empty."""
    return parse_net(FRAME.format(between=between, end=LOSS.format(loss, end) if loss else ""), "net")


def cleared(net: NetParameter, classes: int = CLASSES) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What was taken out behind a new head, and what is warned of."""
    found = clear_ways(net, find_heads(net), {"fc"}, classes)
    return found.done, found.warnings


HARMLESS = {
    "AbsVal": layer("AbsVal"),
    "BNLL": layer("BNLL"),
    "Bias": layer("Bias"),
    "Dropout": layer("Dropout"),
    "ELU": layer("ELU"),
    "Eltwise": layer("Power", top="y") + layer("Eltwise", 'bottom: "y"'),
    "Exp": layer("Exp"),
    "Flatten": layer("Flatten"),
    "PReLU": layer("PReLU"),
    "Pooling": layer("Pooling", "pooling_param { pool: AVE global_pooling: true }"),
    "Power": layer("Power", "power_param { scale: 0.5 shift: 1 }"),
    "ReLU": layer("ReLU"),
    "Reshape": layer("Reshape", "reshape_param { shape { dim: 0 dim: -1 } }"),
    "Scale": layer("Scale"),
    "Split": layer("Split"),
    "Swish": layer("Swish"),
    "BatchNorm and Scale": layer("BatchNorm", top="y") + layer("Scale", bottom="y"),
    "Sigmoid and Scale": layer("Sigmoid", top="y") + layer("Scale", bottom="y"),
    "a log of a softmax": layer("Softmax", top="y") + layer("Log", bottom="y"),
}
TAKEN_OUT = {kind: layer(kind) for kind in ("Sigmoid", "Softmax", "TanH")}
COSTS = {
    "BatchNorm": layer("BatchNorm"),
    "Clip": layer("Clip", "clip_param { min: 0 max: 6 }"),
}
REFUSED = {
    "ArgMax": (layer("ArgMax"), "no gradient through it"),
    "Threshold": (layer("Threshold"), "no gradient through it"),
    "Log": (layer("Log"), "log of a negative number"),
    "a root": (layer("Power", "power_param { power: 0.5 }"), "is NaN"),
    "a constant": (layer("Power", "power_param { scale: 0 shift: 1 }"), "nothing of fc's scores is left"),
    "what is cut off": (layer("Clip", "clip_param { min: 1 max: 1 }"), "nothing of fc's scores is left"),
}


def test_every_type_that_may_stand_there_is_decided():
    """Those that heads.trace walks through are each in one of the tables here."""
    decided = {*HARMLESS, *TAKEN_OUT, *COSTS, *REFUSED}
    assert decided >= PER_CLASS


@pytest.mark.parametrize("between", HARMLESS.values(), ids=HARMLESS)
def test_what_is_harmless_stays_without_a_word(between: str):
    """A score may still grow above the others without a bound."""
    net = net_of(between)
    before = len(net.layer)

    assert cleared(net) == ((), ())
    assert len(net.layer) == before


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("kind", TAKEN_OUT)
def test_an_outputs_activation_is_taken_out(kind: str, in_place: bool, data: DataLayers):
    """Whoever read it reads the scores; the sentence has the loss's floor and the highest probability."""
    net = net_of(layer(kind, top="fc" if in_place else "x", name="x"), end="fc" if in_place else "x")

    done = operate(net, Surgery(), CLASSES, data, "new")

    width = 2 if kind == "TanH" else 1
    floor = math.log(1 + (CLASSES - 1) * math.exp(-width))
    [sentence] = done.notes
    assert f"layer x ({kind}), between fc and its loss, is left out" in sentence
    assert f"cannot fall below {floor:.3g}, and no probability of 7 classes rise above" in sentence
    assert f"{100 / (1 + (CLASSES - 1) * math.exp(-width)):.3g} %" in sentence
    assert kind not in [each.type for each in (*done.train_val.layer, *done.deploy.layer[:-1])]
    [loss] = [each for each in done.train_val.layer if each.type == "SoftmaxWithLoss"]
    assert loss.bottom[0] == done.main.score == "fc_new"


def test_a_sigmoid_as_a_nets_output_is_taken_out(data: DataLayers):
    """A net for tags, or for hash codes: its loss will be a softmax's."""
    done = operate(net_of(layer("Sigmoid"), loss=""), Surgery(), CLASSES, data, "new")

    assert "layer x (Sigmoid), between fc and its loss, is left out" in done.notes[0]
    assert done.main.score == "fc_new"


def test_what_follows_the_activation_reads_the_scores(data: DataLayers):
    """In place on its top, or not; other layers stay."""
    between = layer("Sigmoid", top="y") + layer("Dropout", bottom="y", top="y", name="drop")
    done = operate(net_of(between + layer("Power", bottom="y")), Surgery(), CLASSES, data, "new")

    types = {each.type: each for each in done.train_val.layer}
    assert list(types["Dropout"].bottom) == list(types["Dropout"].top) == ["fc_new"]
    assert list(types["Power"].bottom) == ["fc_new"]


def test_behind_a_head_that_keeps_its_weights_nothing_is_taken_out():
    """They were learned with what stands there: what it costs is reported instead."""
    net = net_of(layer("Sigmoid"))

    found = clear_ways(net, find_heads(net), set(), CLASSES)
    [warning] = found.warnings

    assert found.done == ()
    assert warning.startswith("base.net: with x (Sigmoid) between fc and its loss the loss cannot fall below")


@pytest.mark.parametrize("between", COSTS.values(), ids=COSTS)
def test_what_limits_the_scores_is_reported_with_its_cost(between: str):
    """And stays: it may be meant so."""
    net = net_of(between)
    before = len(net.layer)
    done, [warning] = cleared(net)
    assert (done, len(net.layer)) == ((), before)
    assert "cannot fall below" in warning


@pytest.mark.parametrize(("between", "why"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_trained_through_is_refused(between: str, why: str):
    """By layer, with the reason."""
    with pytest.raises(BadNetError, match=rf'"x" \(\w+\): .*{why}'):
        cleared(net_of(between))


def test_probabilities_and_their_log_are_a_softmax_loss():
    """Softmax and MultinomialLogisticLoss belong together; a second softmax before them does not."""
    net = net_of(layer("Softmax"), loss="MultinomialLogisticLoss")
    assert cleared(net) == ((), ())

    twice = net_of(layer("Softmax", top="y") + layer("Softmax", bottom="y"), loss="MultinomialLogisticLoss")
    done, warnings = cleared(twice)
    assert [each.type for each in twice.layer].count("Softmax") == 1
    assert (len(done), warnings) == (1, ())

    with pytest.raises(BadNetError, match="takes probabilities, and no Softmax stands between it and fc"):
        cleared(net_of("", end="fc", loss="MultinomialLogisticLoss"))


def test_a_hinge_asks_for_other_numbers():
    """Scores of -1 and 1 are all it wants; above 0 the wrong classes cost 1 each."""
    assert cleared(net_of(layer("TanH"), loss="HingeLoss")) == ((), ())

    [sentence], _ = cleared(net_of(layer("Sigmoid"), loss="HingeLoss"))
    assert sentence.endswith("between fc and its loss, is left out: with it the loss cannot fall below 6")


def test_a_head_beside_other_outputs_is_taken_for_what_it_is(data: DataLayers):
    """Where its scores are read by others too, it is no output any more without its Sigmoid."""
    other = layer("ReLU", top="r", name="relu") + layer(
        "Slice", 'top: "s2"', bottom="r", top="s1", name="cut"
    )
    both = layer("Concat", 'bottom: "s2"', bottom="s1", top="joined")
    done = operate(net_of(layer("Sigmoid") + other + both, loss=""), Surgery(), CLASSES, data, "new")

    assert [head.source for head in done.heads] == ["fc"]
    assert done.main.score == "fc_new"


def test_two_heads_lose_what_they_share(data: DataLayers):
    """A Sigmoid over the sum of two classifiers."""
    second = layer("InnerProduct", "inner_product_param { num_output: 9 }", bottom="data", top="fc2")
    total = second + layer("Eltwise", 'bottom: "fc2"', top="y") + layer("Sigmoid", bottom="y")

    done = operate(net_of(total), Surgery(), CLASSES, data, "new")

    assert [head.score for head in done.heads] == ["y", "y"]


def test_a_sum_that_caffe_refuses_is_refused_as_such(data: DataLayers):
    """Its coefficients are counted when shapes are inferred."""
    total = layer("Power", top="y") + layer("Eltwise", 'bottom: "y" eltwise_param { coeff: 1 }')

    with pytest.raises(BadNetError, match="1 coeff for 2 bottoms"):
        operate(net_of(total), Surgery(), CLASSES, data, "new")


def test_a_feature_is_no_classifier(data: DataLayers):
    """A net cut behind a hidden layer's activation is refused, and says what is missing."""
    dropped = layer("ReLU", top="fc", name="r") + layer("Dropout", top="fc", name="d")
    for between in (layer("ReLU"), dropped, layer("TanH")):
        with pytest.raises(BadNetError, match=r'ends with layer "(x|d)".*features, not scores of classes'):
            operate(net_of(between, loss=""), Surgery(), CLASSES, data, "new")


@pytest.mark.parametrize("kind", ["LRN", "MVN"])
def test_what_mixes_classes_is_named(kind: str, data: DataLayers):
    """The number of classes cannot be changed before it."""
    with pytest.raises(BadNetError, match=rf'"loss" reads layer "x" \({kind}\), which mixes the classes'):
        operate(net_of(layer(kind)), Surgery(), CLASSES, data, "new")


Array = NDArray[np.float64]
FUNCTIONS: dict[str, tuple[str, Callable[[Array], Array]]] = {
    "AbsVal": ("", np.abs),
    "BNLL": ("", lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))),
    "Clip": ("clip_param { min: -1 max: 2 }", lambda x: np.clip(x, -1, 2)),
    "ELU": ("elu_param { alpha: 2 }", lambda x: np.where(x > 0, x, 2 * np.expm1(np.minimum(x, 0)))),
    "Power": ("power_param { scale: -0.5 shift: 1 }", lambda x: 1 - 0.5 * x),
    "ReLU": ("relu_param { negative_slope: 0.1 }", lambda x: np.where(x > 0, x, 0.1 * x)),
    "Sigmoid": ("", lambda x: 0.5 * (1 + np.tanh(x / 2))),
    "Softmax": ("", lambda x: np.exp(x - x.max()) / np.exp(x - x.max()).sum()),
    "Swish": ("swish_param { beta: 2 }", lambda x: x * 0.5 * (1 + np.tanh(x))),
    "TanH": ("", np.tanh),
}


@example(["AbsVal", "BNLL", "Clip", "Swish"], [2.0, 0.0, 0.0], 0)
@given(
    st.lists(st.sampled_from(sorted(FUNCTIONS)), max_size=4),
    st.lists(st.floats(-50, 50), min_size=3, max_size=3),
    st.integers(0, 2),
)
def test_no_scores_come_below_the_floor(kinds: list[str], scores: list[float], right: int):
    """Whatever the classifier puts out, behind any chain of layers."""
    blobs = ["fc", *(f"b{number}" for number in range(len(kinds)))]
    chain = "".join(
        layer(kind, FUNCTIONS[kind][0], blobs[number], blobs[number + 1]) for number, kind in enumerate(kinds)
    )
    net = net_of(chain, blobs[-1])
    [head] = find_heads(net)
    way = tuple(each for each in net.layer if each.name in blobs[1:])
    values = np.array(scores)
    for kind in kinds:
        values = FUNCTIONS[kind][1](values)

    loss = np.log(np.exp(values - values[right]).sum())

    bridge = bridge_of(views_of(net), head)
    assert bridge == Bridge(head, "SoftmaxWithLoss", way)
    assert loss >= loss_floor(bridge, 3) - 1e-9
