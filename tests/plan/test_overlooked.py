"""What the base net sets and the spec does not is reported with what to write, where it matters."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from ftjob.net.proto.caffe_pb2 import LossParameter, NetParameter
from ftjob.net.zoo.published import get_published
from ftjob.plan.inputs import Inputs
from ftjob.plan.plan import Plan, make_plan
from tests.plan.specs import plan

LIKE_MOBILENET = {"scale": 0.017, "mean_value": [103.94, 116.78, 123.68], "crop_size": 200, "mirror": True}
BARE = {"mean": None, "crop": None, "mirror": None}


@pytest.fixture
def bare(in_faces: Path) -> Callable[..., Plan]:
    """Plan a fine-tune of a net for images of any size, with nothing set for them but what is given."""

    def planned(**data: Any) -> Plan:
        base = {"net": "squeezenet", "weights": "squeezenet.caffemodel"}
        return plan(base=base, data={**BARE, **data}, surgery={"freeze": "none"})

    return planned


def _warnings(planned: Plan, *, tuned: bool = True, **transform: Any) -> list[str]:
    """The warnings about a plan's inputs where the base net's data layers have that transform."""
    inputs = planned.inputs
    net = NetParameter()
    net.CopyFrom(inputs.net)
    for layer in net.layer:
        if layer.type == "Data":
            layer.transform_param.Clear()
            for name, value in transform.items():
                if isinstance(value, list):
                    getattr(layer.transform_param, name).extend(value)
                else:
                    setattr(layer.transform_param, name, value)
    changed = replace(inputs, net=net, weights=inputs.weights if tuned else None)
    return [warning for warning in make_plan(changed).warnings if warning.startswith("data: base.net")]


def _yaml(warning: str) -> Any:
    [block] = re.findall(r"write data: (\{.*?\})(?:;|$)", warning)
    return yaml.safe_load(block)


def test_what_the_weights_expect_is_to_be_pasted(bare: Callable[..., Plan]) -> None:
    """Scale, mean and crop as a person writes them; with them in the spec there is nothing to warn of."""
    [warning] = _warnings(bare(), **LIKE_MOBILENET)

    assert warning.startswith(
        "data: base.net itself sets scale 0.017, mean [103.94, 116.78, 123.68] and crop 200, and the spec "
        "does not: its weights expect that, and what it gets now is 59 times as large; write data: "
    )
    assert warning.endswith("; mirror is optional")
    written = _yaml(warning)
    assert written == {"scale": 0.017, "mean": [103.94, 116.78, 123.68], "crop": 200, "mirror": True}
    assert _warnings(bare(**written), **LIKE_MOBILENET) == []


@pytest.mark.parametrize(
    ("data", "transform", "tuned", "wanted"),
    [
        ({}, {"mirror": True}, True, None),
        ({}, {"scale": 0.5}, False, {"scale": 0.5}),
        ({}, {"scale": 256.0}, True, {"scale": 256}),
        ({}, {"crop_size": 200}, False, None),
        ({}, {"crop_size": 200}, True, {"crop": 200}),
        ({}, {"crop_size": 256}, True, None),
        ({}, {"crop_size": 300}, True, None),
        ({"crop": 100}, {"crop_size": 200}, True, None),
        ({"scale": 0.1}, {"scale": 0.5}, True, None),
        ({"mean": "none"}, {"mean_value": [7.0]}, True, None),
        ({"mean": [1]}, {"mean_value": [7.0]}, True, None),
        ({}, {"mean_value": [7.0]}, True, {"mean": [7]}),
        ({}, {"mean_value": [7.0]}, False, None),
        ({}, {"mean_value": [7.0, 8.0]}, True, None),
        ({}, {"mean_file": "a/b.binaryproto"}, True, {"mean": "a/b.binaryproto"}),
        ({}, {"mean_file": "x/imagenet_mean.binaryproto"}, True, {"mean": [104, 117, 123]}),
        ({}, {"mean_file": "C:\\a, b.binaryproto"}, True, {"mean": "C:\\a, b.binaryproto"}),
        ({}, {}, True, None),
    ],
)
def test_only_what_decides_is_warned_of(
    bare: Callable[..., Plan], data: dict[str, Any], transform: dict[str, Any], tuned: bool, wanted: Any
) -> None:
    """What the spec sets itself is its own affair; without weights only the scale is not made up for."""
    warnings = _warnings(bare(**data), tuned=tuned, **transform)

    assert [_yaml(warning) for warning in warnings] == ([wanted] if wanted else [])


def test_a_mean_that_is_the_same_is_none_to_warn_of(bare: Callable[..., Plan]) -> None:
    """Where the data's own comes within one of it."""
    planned = bare()
    measured = replace(planned, inputs=replace(planned.inputs, mean=(104.4, 116.5, 123.9)))

    assert _warnings(measured, mean_value=[104.0, 117.0, 123.0]) == []
    assert _warnings(measured, mean_value=[110.0, 117.0, 123.0])


def test_weights_of_a_run_expect_what_that_had(bare: Callable[..., Plan]) -> None:
    """Which the base net does not say, so nothing is claimed of them."""
    planned = bare()
    assert planned.inputs.weights is not None
    weights = replace(planned.inputs.weights, of_run=True)

    assert _warnings(planned, **LIKE_MOBILENET)
    assert not _warnings(replace(planned, inputs=replace(planned.inputs, weights=weights)), **LIKE_MOBILENET)


def _loss(inputs: Inputs, **param: Any) -> list[str]:
    net = NetParameter()
    net.CopyFrom(inputs.net)
    for layer in net.layer:
        if layer.name == "loss3/loss3":
            layer.loss_param.CopyFrom(LossParameter(**param))
    warnings = make_plan(replace(inputs, net=net)).warnings
    return [warning for warning in warnings if warning.startswith('base.net: layer "loss3/loss3"')]


def test_a_class_that_is_ignored_is_named(in_faces: Path) -> None:
    """A label of these data that no loss counts; one that they have not is no matter."""
    inputs = plan().inputs
    named = replace(inputs, train=replace(inputs.train, labels=("ant", "bee", "cow")))

    assert _loss(inputs, ignore_label=2) == [
        'base.net: layer "loss3/loss3" has ignore_label: 2, so label 2 of this data is never learned: '
        "remove it from the prototxt"
    ]
    assert "label 2 (cow) of this data" in _loss(named, ignore_label=2)[0]
    assert _loss(inputs, ignore_label=255) == _loss(inputs, ignore_label=-1) == []


def test_a_loss_that_is_a_sum_is_named(in_faces: Path) -> None:
    """Its gradients grow with the batch; the other normalizations are alike for one label per image."""
    inputs = plan().inputs

    [warning] = _loss(inputs, normalization=LossParameter.NONE)

    assert warning.endswith(
        "has normalization: NONE, which adds up the losses of the 32 images of a batch: remove it, or "
        "divide solver.base_lr by 32"
    )
    for normalization in (LossParameter.FULL, LossParameter.VALID, LossParameter.BATCH_SIZE):
        assert _loss(inputs, normalization=normalization) == []
    assert _loss(inputs, normalize=False) == []


PUBLISHED = str(get_published("bvlc_googlenet").file)


def _of_published(in_faces: Path, **data: Any) -> list[str]:
    """The warnings about the images of published GoogLeNet weights where the spec has that as its data."""
    inputs = plan(
        base={"net": "googlenet", "weights": "bvlc_googlenet.caffemodel"}, data={**BARE, **data}
    ).inputs
    assert inputs.weights
    made = make_plan(replace(inputs, weights=replace(inputs.weights, location=PUBLISHED)))
    return [warning for warning in made.warnings if warning.startswith("data")]


@pytest.mark.parametrize("data", [{"mean": [104, 117, 123]}, {"mean": [104.0, 116.7, 122.7]}])
def test_what_published_weights_were_trained_with_is_right(in_faces: Path, data: dict[str, Any]) -> None:
    """Within what a net can see."""
    assert _of_published(in_faces, crop=224, **data) == []


def test_what_published_weights_expect_is_to_be_pasted(in_faces: Path) -> None:
    """Where the spec takes the data's own mean; their name says whose mean it is."""
    [warning] = _of_published(in_faces, crop=224)

    assert warning.startswith(
        "data: bvlc_googlenet was trained with mean [104, 117, 123], which the spec does not set: its "
        "weights expect that; write data: "
    )
    assert _of_published(in_faces, **{"crop": 224, **_yaml(warning)}) == []


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"mean": "none"}, "data.mean: is none, and bvlc_googlenet was trained with [104, 117, 123], which "),
        ({"mean": [128]}, "data.mean: is [128], and bvlc_googlenet was trained with [104, 117, 123]"),
        ({"mean": [123, 117, 104]}, "data.mean: is [123, 117, 104], and bvlc_googlenet was trained with"),
        (
            {"mean": [104, 117, 123], "scale": 1 / 256},
            "data.scale: is 0.00390625, and bvlc_googlenet was trained with 1, which its weights expect: "
            "write data: {scale: 1}, unless you mean that",
        ),
    ],
)
def test_what_contradicts_published_weights_is_warned_of(
    in_faces: Path, data: dict[str, Any], sentence: str
) -> None:
    """A mean or a scale of the spec's own: RGB for BGR, another net's habit."""
    [warning] = _of_published(in_faces, crop=224, **data)

    assert warning.startswith(sentence)


@pytest.mark.parametrize(
    ("mean", "warned"),
    [
        ([123.68, 116.779, 103.939], "are in the order RGB, and Caffe's images in BGR: write [103.939,"),
        ([123.0, 117.0, 104.0], "write [104, 117, 123]"),
        (
            [0.485, 0.456, 0.406],
            "are for pixels from 0 to 1, but Caffe subtracts them from pixels from 0 to 255",
        ),
        ([0.5], "are for pixels from 0 to 1"),
        ([104.0, 117.0, 123.0], ""),
        ([128.0, 128.0, 128.0], ""),
        ([90.0, 80.0, 70.0], ""),
        ([0.0, 0.0, 0.0], ""),
    ],
)
def test_a_mean_in_another_order_or_scale_is_remarked(
    bare: Callable[..., Plan], mean: list[float], warned: str
) -> None:
    """Numbers that other programs have for the same images: in RGB, or divided by 255."""
    found = [each for each in bare(mean=mean).warnings if each.startswith("data.mean: ")]

    assert len(found) == bool(warned)
    assert all(warned in each for each in found)
