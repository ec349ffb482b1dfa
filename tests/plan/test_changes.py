"""How an input that changed after submit is reported."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ftjob.errors import BadDataError, BadNetError, FtjobError
from ftjob.net.proto.caffe_pb2 import NetParameter
from ftjob.plan.changes import refuse_changed
from ftjob.plan.inputs import Inputs
from ftjob.plan.plan import make_plan
from tests.plan.specs import document, plan

SENTENCE = "has changed since the run was submitted: sha256 {now}…, was {was}…: put it back, or submit"


def other_net(inputs: Inputs) -> Inputs:
    net = NetParameter()
    net.CopyFrom(inputs.net)
    net.name = "other"
    return replace(inputs, net=net)


def other_weights(inputs: Inputs) -> Inputs:
    assert inputs.weights is not None
    return replace(inputs, weights=replace(inputs.weights, digest="f" * 64))


CHANGES: list[tuple[str, type[FtjobError], Callable[[Inputs], Inputs]]] = [
    ("base.net: googlenet", BadNetError, other_net),
    ("base.weights: .*caffemodel", BadNetError, other_weights),
    ("data.train: .*train", BadDataError, lambda it: replace(it, train=replace(it.train, digest="f" * 64))),
    ("data.val: .*val", BadDataError, lambda it: replace(it, val=replace(it.val, digest="f" * 64))),
]


@pytest.mark.parametrize(("field", "error", "change"), CHANGES, ids=[row[0] for row in CHANGES])
def test_an_input_that_changed_is_named(
    field: str, error: type[FtjobError], change: Callable[[Inputs], Inputs], in_faces: Path
) -> None:
    """With both digests, so that one can see which of the two one has."""
    before = plan()
    now = make_plan(change(before.inputs))

    shown = rf"^{field} {SENTENCE.format(now='[0-9a-f]{12}', was='[0-9a-f]{12}')}"
    with pytest.raises(error, match=shown):
        refuse_changed(document(before), now)


def test_a_mean_that_came_is_named(in_faces: Path) -> None:
    """Also where there was none."""
    before = plan()
    now = make_plan(replace(before.inputs, mean_file=Path("mean"), mean_file_digest="e" * 64))

    with pytest.raises(BadDataError, match=r"data\.mean: .*: sha256 eeeeeeeeeeee…, was of nothing"):
        refuse_changed(document(before), now)


def test_nothing_changed(in_faces: Path) -> None:
    """The same inputs, wherever they lie by now, pass."""
    before = document(plan())
    moved = replace(before, train=replace(before.train, path="s3://elsewhere"))

    refuse_changed(moved, plan())
