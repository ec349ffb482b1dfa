"""What a plan decides, and what it leaves alone."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ftjob.errors import BadSpecError
from ftjob.net.proto.caffe_pb2 import TEST
from ftjob.nodes.profiles import load_nodes
from ftjob.plan.plan import make_plan
from tests.plan.specs import document, plan


def test_the_same_inputs_make_the_same_plan(in_faces: Path) -> None:
    """A plan is a value: made again it is equal, in every field of its document."""
    first = plan()

    assert document(make_plan(first.inputs)) == document(first)


@pytest.mark.parametrize(
    "changes",
    [
        {"resources": {"node": "g4dn.xlarge", "spot": True}},
        {"budget": {"usd": 1.0, "hours": 3}},
        {"accept": {"accuracy": 0.5}},
        {"output": "elsewhere"},
    ],
)
def test_where_it_runs_and_what_it_may_spend_are_not_the_run(in_faces: Path, changes: dict) -> None:
    """The run id stays: a run goes on with another budget, on another node."""
    assert plan(**changes).run_id == plan().run_id


@pytest.mark.parametrize(
    "changes",
    [{"name": "other"}, {"solver": {"epochs": 11}}, {"data": {"mirror": False}}, {"engine": "caffe"}],
)
def test_what_the_result_depends_on_is_the_run(in_faces: Path, changes: dict) -> None:
    """Another solver, transformation, engine or name is another run."""
    assert plan(**changes).run_id != plan().run_id


def test_the_mean_of_the_data_does_not_change_the_run(in_faces: Path) -> None:
    """Measured or not it is the same run; only the prototxt lacks the values, and the document says so."""
    unmeasured = plan(data={"mean": "auto"})
    measured = make_plan(replace(unmeasured.inputs, mean=(1.0, 2.0, 3.0), mean_measured=True))

    assert measured.run_id == unmeasured.run_id
    assert (document(measured).mean, document(unmeasured).mean) == ((1.0, 2.0, 3.0), None)
    assert list(measured.train_val.layer[0].transform_param.mean_value) == [1.0, 2.0, 3.0]


def test_a_test_batch_that_does_not_fit_is_made_smaller(in_faces: Path) -> None:
    """It changes no result, so it is planned, not asked for; the training batch stays."""
    roomy = plan(data={"batch_size": 50})
    need = roomy.forecast.memory.total / 2**30
    node = roomy.inputs.node.model_copy(update={"gpu_memory_gib": need - 0.05})

    tight = make_plan(replace(roomy.inputs, node=node))

    assert (tight.problems, tight.forecast.fits) == ((), True)
    batches = tight.forecast.batches
    assert (batches.batch_size, batches.test_batch_size) == (50, 10)
    assert [
        layer.data_param.batch_size
        for layer in tight.train_val.layer
        if layer.include and layer.type == "Data"
    ] == [50, 10]
    assert tight.solver.test_iter[0] == 2
    assert tight.run_id == roomy.run_id


def test_a_suggestion_that_is_taken_fits(in_faces: Path) -> None:
    """The batches that a plan suggests make a plan without problems, and need the memory that it gave."""
    planned = plan(data={"batch_size": 400})
    batches, needed = planned.forecast.suggestion

    taken = plan(data={"batch_size": batches.batch_size}, solver={"iter_size": batches.iter_size})

    assert planned.problems
    assert not taken.problems
    assert document(planned).to_json()["memory"]["suggestion"]
    assert document(taken).to_json()["memory"]["suggestion"] is None
    assert taken.images_per_iteration == planned.images_per_iteration
    assert taken.forecast.memory.train.total == pytest.approx(needed.train.total, rel=1e-6)


def test_what_fits_at_no_batch_size_is_a_problem(in_faces: Path) -> None:
    """Where not even single images fit nothing is suggested but another node."""
    planned = plan()
    node = planned.inputs.node.model_copy(update={"gpu_memory_gib": 0.3})

    [problem] = make_plan(replace(planned.inputs, node=node)).problems

    assert "not even single images would fit" in problem


def test_a_suggestion_warns_of_batch_norm(in_faces: Path) -> None:
    """Half the batch twice is not the same to BatchNorm's statistics."""
    [problem] = plan(
        base={"net": "resnet50", "weights": None}, surgery={"freeze": "none"}, data={"batch_size": 200}
    ).problems

    assert "but for BatchNorm, which then sees" in problem


def test_a_node_is_written_with_all_its_fields(in_faces: Path) -> None:
    """As its profile has them, in their order."""
    made = plan()
    for node in load_nodes().values():
        written = document(replace(made, inputs=replace(made.inputs, node=node))).to_json()["node"]
        assert json.dumps(written) == json.dumps(node.model_dump(mode="json"))


def test_params_add_up(in_faces: Path) -> None:
    """Learning, staying and collected ones are all there are; new ones are the heads'."""
    planned = plan()
    counts, rows = planned.forecast.parameters, document(planned).transfer

    assert counts.frozen == sum(row.parameters for row in rows if row.kind == "frozen") > 0
    assert counts.total == counts.trainable + counts.frozen + counts.statistics
    assert counts.new == 3 * 7 * 1024 + 3 * 7
    resnet = plan(base={"net": "resnet50", "weights": None}, surgery={"freeze": "none"}).forecast.parameters
    assert resnet.statistics > 0
    assert resnet.new == resnet.trainable == resnet.total - resnet.statistics


def test_a_frozen_trunk_costs_less(in_faces: Path) -> None:
    """In memory, in time and in dollars."""
    frozen, free = plan().forecast, plan(surgery={"freeze": "none"}).forecast

    assert frozen.memory.train.gradients < free.memory.train.gradients
    assert frozen.flops.backward < free.flops.backward
    assert frozen.cost.usd < free.cost.usd


def test_a_net_whose_own_prototxt_freezes_gets_a_warning(in_faces: Path) -> None:
    """lr_mult 0 that the spec does not ask for is found; frozen by the spec it is not."""
    planned = plan(surgery={"freeze": "none"})
    for layer in planned.inputs.net.layer:
        if layer.name == "conv2/3x3":
            for param in layer.param:
                param.lr_mult = 0

    [warning] = make_plan(planned.inputs).warnings

    assert warning.startswith("base.net: conv2/3x3 will not learn: lr_mult is 0")


def test_auto_takes_the_engine_of_the_nodes_time(in_faces: Path) -> None:
    """Caffe on Kepler to Turing and on processors, torch on Ampere; nothing is wrong then."""
    for node, engine in (("p2.xlarge", "caffe"), ("local", "caffe"), ("g5.xlarge", "torch")):
        planned = plan(resources={"node": node})
        assert (planned.engine.name, planned.problems) == (engine, ())


def test_a_node_without_a_gpu_has_no_limit(in_faces: Path) -> None:
    """Memory is estimated all the same."""
    coming = plan(resources={"node": "local"}, data={"batch_size": 400}).forecast

    assert (coming.limit, coming.fits) == (None, True)
    assert coming.memory.total > 2**30


def test_spot_where_there_is_none_is_refused(in_faces: Path) -> None:
    """A node without a spot price cannot be planned on spot."""
    planned = plan(resources={"node": "p2.xlarge", "spot": True})
    price = planned.inputs.node.price.model_copy(update={"spot": None})
    node = planned.inputs.node.model_copy(update={"price": price})

    with pytest.raises(BadSpecError, match=r"resources\.spot"):
        make_plan(replace(planned.inputs, node=node))


def test_the_test_net_is_counted_with_its_own_batch(in_faces: Path) -> None:
    """val has 14 images, so no TEST batch is larger."""
    planned = plan()
    [data] = [layer for layer in planned.train_val.layer if layer.include and layer.include[0].phase == TEST][
        :1
    ]

    assert planned.forecast.batches.test_batch_size == data.data_param.batch_size == 14
