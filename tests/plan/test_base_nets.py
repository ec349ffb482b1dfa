"""What a plan says about base nets of strangers: what is changed, what it costs, why it is refused."""

import math
from pathlib import Path
from typing import Any

import pytest

from benchmarks.plan import write_lmdb
from ftjob import api
from ftjob.errors import BadNetError, BadSpecError
from ftjob.net.proto.caffe_pb2 import BlobProto, BlobShape, LayerParameter, NetParameter
from ftjob.plan.identity import run_id
from ftjob.plan.plan import Plan
from ftjob.plan.plan_json import base_of
from ftjob.plan.summary.plan_lines import summary_of
from jobspec import JobSpec

NET = """
layer { name: "data" type: "Data" top: "data" top: "label" }
layer { name: "fc1" type: "InnerProduct" bottom: "data" top: "fc1"
        inner_product_param { num_output: 4 weight_filler { type: "xavier" } } }
layer { name: "bn1" type: "BatchNorm" bottom: "fc1" top: "fc1" }
layer { name: "fc2" type: "InnerProduct" bottom: "fc1" top: "fc2"
        inner_product_param { num_output: 9 weight_filler { type: "xavier" } } }
layer { name: "prob" type: "Softmax" bottom: "fc2" top: "prob" }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "prob" bottom: "label" top: "loss" }
"""
WEIGHTS = {"weights": "own.caffemodel"}
PLAIN = NET.replace('bottom: "prob"', 'bottom: "fc2"')


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Images of two classes, 8 by 8."""
    for split, records in (("train", 8), ("val", 6)):
        write_lmdb(tmp_path / split, records, classes=2, side=8)
    monkeypatch.chdir(tmp_path)
    return tmp_path


SIDE = """
layer { name: "side" type: "InnerProduct" bottom: "data" top: "side"
        inner_product_param { num_output: 4 weight_filler { type: "xavier" } } }
"""


def plan(net: str, name: str = "own", **changes: dict[str, Any]) -> Plan:
    Path("net.prototxt").write_text(net)
    spec = {
        "name": name,
        "base": {"net": "net.prototxt", **changes.get("base", {})},
        "data": {"train": "train", "val": "val", "batch_size": 4, **changes.get("data", {})},
        "surgery": changes.get("surgery", {}),
        "output": "runs",
    }
    return api.plan(JobSpec.model_validate(spec), to_train=False)


def heads_line(made: Plan) -> str:
    """What the plan says of the heads, before it lists them."""
    return next(line.parts[0].text for line in summary_of(made, "").lines if line.name == "heads")


def write_weights(summed: float, head: str = "fc2", classes: int = 9) -> None:
    """Write weights for NET, whose BatchNorm has summed up that much."""
    layers = []
    for name, kind, shapes in (
        ("fc1", "InnerProduct", [(4, 192), (4,)]),
        ("bn1", "BatchNorm", [(4,), (4,), (1,)]),
        (head, "InnerProduct", [(classes, 4), (classes,)]),
    ):
        layer = LayerParameter(name=name, type=kind)
        for shape in shapes:
            count = shape[0] * (shape[1] if len(shape) > 1 else 1)
            layer.blobs.append(BlobProto(shape=BlobShape(dim=shape), data=[summed] * count))
        layers.append(layer)
    Path("own.caffemodel").write_bytes(NetParameter(layer=layers).SerializeToString())


def test_what_is_changed_is_in_the_plan_and_its_json(folder: Path):
    """A line for each thing."""
    made = plan(NET.replace('"BatchNorm"', '"BatchNorm" batch_norm_param { use_global_stats: false }'))

    [softmax, norm] = base_of(made).notes
    assert softmax.startswith("layer prob (Softmax), between fc2 and its loss, is left out")
    assert norm.startswith("BatchNorm bn1: use_global_stats: false is left out")
    assert made.warnings == ()


def test_what_limits_the_result_is_warned_of(folder: Path):
    """And stays."""
    between = PLAIN.replace('"Softmax" bottom: "fc2" top: "prob"', '"BatchNorm" bottom: "fc2" top: "fc2"')
    [warning] = plan(between).warnings
    assert warning.startswith(
        "base.net: with prob (BatchNorm) between fc2 and its loss the loss cannot fall below"
    )


def test_a_batch_norm_that_sees_one_number_is_warned_of(folder: Path):
    """The mean of one number is that number."""
    [warning] = plan(PLAIN, data={"batch_size": 1}).warnings
    assert warning.startswith("data.batch_size: is 1, so BatchNorm bn1 sees one number")


@pytest.mark.parametrize(
    ("written", "changed", "still"),
    [
        ('bottom: "fc1" top: "fc2"', 'bottom: "fc1" top: "fc2" propagate_down: false', "fc1"),
        ('"SoftmaxWithLoss"', '"SoftmaxWithLoss" loss_weight: 0', "fc1, fc2_own"),
        ('layer { name: "fc1"', f'{SIDE} layer {{ name: "fc1"', "side"),
    ],
)
def test_layers_that_no_gradient_reaches_are_warned_of(folder: Path, written: str, changed: str, still: str):
    """They have a rate, and stay as they are: for a branch that ends in no loss and behind what stops it."""
    assert plan(PLAIN).warnings == ()
    [warning] = plan(PLAIN.replace(written, changed)).warnings
    assert warning.startswith(f"base.net: {still} will not learn: no gradient gets there from a loss")


def test_params_that_another_branch_learns_are_not_warned_of(folder: Path):
    """Where the second branch of a siamese net gets no gradient."""
    shared = 'param { name: "w" } param { name: "b" }'
    both = f'{SIDE} layer {{ name: "fc1"'.replace('name: "side"', f'name: "side" {shared}')
    net = PLAIN.replace('layer { name: "fc1"', f"{both} {shared}")

    assert plan(net).warnings == ()


@pytest.mark.parametrize(
    ("written", "changed", "accepted"),
    [
        ('bottom: "fc1" top: "fc2"', 'bottom: "fc1" top: "fc2" propagate_down: false', True),
        ('"SoftmaxWithLoss"', '"SoftmaxWithLoss" loss_weight: 0', False),  # which leaves the new head alone
        ('name: "fc1"', 'name: "fc1" param { lr_mult: 0 } param { lr_mult: 0 }', True),
    ],
)
@pytest.mark.parametrize("weights", [True, False])
def test_freezing_is_advised_where_it_is_accepted(
    folder: Path, written: str, changed: str, accepted: bool, weights: bool
):
    """Neither for a new layer nor without weights, with which freeze is refused."""
    write_weights(1.0)
    changes = {"base": {"weights": "own.caffemodel" if weights else None}}
    net = PLAIN.replace(written, changed)
    [warning] = plan(net, **changes).warnings
    assert ("surgery.freeze" in warning) == (accepted and weights)

    still = warning.removeprefix("base.net: ").split(" will not learn")[0].split(", ")
    changes["surgery"] = {"freeze": {"layers": still}}
    if accepted and weights:
        assert plan(net, **changes).warnings == ()
    else:
        with pytest.raises((BadNetError, BadSpecError), match=r"surgery\.freeze"):
            plan(net, **changes)


@pytest.mark.parametrize("mode", ["", "batch_norm_param { use_global_stats: true }"])
def test_a_frozen_batch_norm_needs_statistics(folder: Path, mode: str):
    """Those of weights in which nothing was summed are zeros."""
    net = PLAIN.replace('"BatchNorm"', f'"BatchNorm" {mode}')
    changes = {"base": {"weights": "own.caffemodel"}, "surgery": {"freeze": {"up_to": "bn1"}}}
    write_weights(0.0)
    with pytest.raises(
        BadSpecError, match=r"surgery\.freeze: BatchNorm bn1 has no statistics in the weights"
    ):
        plan(net, **changes)

    write_weights(1.0)
    assert plan(net, **changes).frozen == ("fc1", "bn1")


def test_statistics_of_the_weights_stay_where_the_net_sets_true(folder: Path):
    """`true` with weights that have them; without them TRAIN collects."""
    net = PLAIN.replace('"BatchNorm"', '"BatchNorm" batch_norm_param { use_global_stats: true }')
    write_weights(1.0)
    [note] = plan(net, base={"weights": "own.caffemodel"}).notes
    assert "keeps the statistics of the weights" in note

    write_weights(0.0)
    [note] = plan(net, base={"weights": "own.caffemodel"}).notes
    assert "no statistics are there: TRAIN collects them" in note


@pytest.mark.parametrize("head", ["fc2", "fc2_own"])
def test_heads_of_an_earlier_run_of_the_name(folder: Path, head: str):
    """For as many classes they are trained further, and the plan shows that; for others only another name
    helps, since new heads have theirs from it."""
    net = PLAIN.replace('"fc2"', f'"{head}"')
    write_weights(1.0, "fc2_own", classes=2)
    assert "trained further: the weights have them as …_own" in heads_line(plan(net, base=WEIGHTS))

    write_weights(1.0, "fc2_own", classes=5)
    with pytest.raises(BadNetError, match=r"layer fc2_own is 2x4 .* 5x4 .* give the spec another name"):
        plan(net, base=WEIGHTS)
    assert "renamed to …_other" in heads_line(plan(net, name="other", base=WEIGHTS))


@pytest.mark.parametrize("number", [math.nan, -math.inf])
def test_weights_of_a_diverged_training_are_refused(folder: Path, number: float):
    """Where the net takes one such number; what it does not take is no matter."""
    write_weights(1.0)
    net = NetParameter.FromString(Path("own.caffemodel").read_bytes())
    net.layer[2].blobs[0].data[0] = number
    Path("own.caffemodel").write_bytes(net.SerializeToString())
    plan(PLAIN, base=WEIGHTS)

    net.layer[0].blobs[1].data[3] = number
    Path("own.caffemodel").write_bytes(net.SerializeToString())
    for _ in range(2):  # the second time from the cache
        with pytest.raises(BadNetError, match=r"own\.caffemodel: layer fc1 has numbers that are NaN or inf"):
            plan(PLAIN, base=WEIGHTS)


def test_layers_of_one_name_are_refused(folder: Path):
    """Before anything is made of them."""
    with pytest.raises(BadNetError, match='two layers of the TRAIN net are called "fc1"'):
        plan(PLAIN.replace('"bn1" type: "BatchNorm"', '"fc1" type: "ReLU"'))


def test_layers_that_nothing_trains_are_refused(folder: Path):
    """The statistics of TEST's own BatchNorm would be zeros."""
    norm = 'layer {{ name: "{}" type: "BatchNorm" include {{ phase: {} }} bottom: "fc1" top: "fc1" }}'
    before, _, after = PLAIN.partition('layer { name: "bn1" type: "BatchNorm" bottom: "fc1" top: "fc1" }')
    net = before + norm.format("bn_train", "TRAIN") + norm.format("bn_test", "TEST") + after
    with pytest.raises(BadNetError, match='layer "bn_test" has params and is in the TEST net only'):
        plan(net)


def test_a_changed_net_is_a_run_of_its_own(folder: Path):
    """One id wherever it lies, and not that of a run that took the net as it was written."""
    moved = folder / "moved"
    moved.mkdir()
    for split in ("train", "val"):
        (moved / split).symlink_to(folder / split)
    data = {"train": "moved/train", "val": "moved/val"}

    changed, plain = plan(NET), plan(PLAIN)

    assert plan(NET, data=data).run_id == changed.run_id
    assert changed.run_id != run_id(changed.inputs)
    assert plain.run_id == run_id(plain.inputs)


SCALED = PLAIN.replace(
    'layer { name: "prob"',
    'layer { name: "scale" type: "Scale" bottom: "fc2" top: "fc2" param { lr_mult: 0 } '
    'scale_param { axis: 0 num_axes: 0 filler { value: 30 } } } layer { name: "prob"',
)


def test_a_constant_scale_behind_a_head_stays_constant(folder: Path):
    """With lr_mult 0 in the prototxt it is not learned, and nothing is warned of; without that it learns."""
    for net, rate in ((SCALED, 0), (SCALED.replace("param { lr_mult: 0 }", ""), 10)):
        made = plan(net)
        (scale,) = [layer for layer in made.train_val.layer if layer.type == "Scale"]
        assert [param.lr_mult for param in scale.param] == [rate]
        assert made.warnings == ()
    (relearned,) = [
        layer
        for layer in plan(SCALED, surgery={"relearn": ["scale"]}).train_val.layer
        if layer.type == "Scale"
    ]
    assert [param.lr_mult for param in relearned.param] == [10]


def test_a_constant_scale_makes_no_bounded_scores_sure(folder: Path):
    """Behind a BatchNorm a factor that is learned can grow, and a constant one limits the loss."""
    between = 'layer { name: "bn2" type: "BatchNorm" bottom: "fc2" top: "fc2" } layer { name: "scale"'
    bounded = SCALED.replace('layer { name: "scale"', between)
    assert plan(bounded).warnings == ()  # 30 is enough
    [warning] = plan(bounded.replace("value: 30", "value: 1")).warnings
    assert "scale_own (Scale)" in warning or "scale (Scale)" in warning
    assert plan(bounded.replace("value: 30", "value: 1").replace("lr_mult: 0", "lr_mult: 1")).warnings == ()


CASCADE = PLAIN.replace(
    'layer { name: "bn1" type: "BatchNorm" bottom: "fc1" top: "fc1" }',
    'layer { name: "aux" type: "SoftmaxWithLoss" bottom: "fc1" bottom: "label" top: "aux" }',
)


def test_a_head_that_is_computed_from_anothers_scores(folder: Path):
    """What it reads becomes as few numbers as there are classes: that is warned of, with the way out."""
    [warning] = plan(CASCADE).warnings
    assert warning == (
        "base.net: fc2 is computed from the scores of fc1, which is a head as well and gets 2 outputs "
        'instead of 4: if fc2 needs all 4, take out what makes fc1 a head (SoftmaxWithLoss "aux" reads it)'
    )
    assert plan(CASCADE.replace("num_output: 4", "num_output: 2")).warnings == ()
    assert plan(CASCADE.replace('bottom: "fc1" top: "fc2"', 'bottom: "data" top: "fc2"')).warnings == ()
