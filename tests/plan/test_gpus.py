"""Several GPUs of one node, in a plan: what they learn from, what they take, what they cost."""

import math
from pathlib import Path

import pytest

from ftjob.errors import BadSpecError
from ftjob.nodes.profiles import get_node
from ftjob.plan.engines import choose_engine
from ftjob.plan.measured import speed_key
from ftjob.plan.memory import EXCHANGE_BYTES
from ftjob.plan.plan import Plan
from ftjob.worker.planning import with_fewer_gpus, with_smaller_batch
from tests.plan.specs import document, plan
from tests.plan.test_savings import printed


def planned(gpus: int, node: str = "p3.8xlarge", **changes: object) -> Plan:
    return plan(solver={"epochs": 2, "gpus": gpus}, resources={"node": node}, **changes)


def test_one_gpu_is_the_run_it_always_was(in_faces: Path) -> None:
    """The number decides the result: more than one make another run, and measure another speed."""
    single, two, four = planned(1), planned(2), planned(4)

    assert single.run_id == plan(solver={"epochs": 2}).run_id
    assert "gpus" not in single.spec.canonical()["solver"]
    assert len({made.run_id for made in (single, two, four)}) == 3
    assert len({speed_key(made, "") for made in (single, two, four)}) == 3


def test_an_iteration_has_the_batches_of_all(in_faces: Path) -> None:
    """So epochs, intervals and shares of the run follow; memory is that of one GPU and its exchange."""
    single, four = planned(1, engine="torch"), planned(4, engine="torch")
    records, batch = single.inputs.train.records, single.spec.data.batch_size

    assert four.images_per_iteration == four.forecast.work.images_per_iteration == 4 * batch
    assert four.solver.max_iter == math.ceil(2 * records / (4 * batch))
    assert four.forecast.batches == single.forecast.batches
    assert four.forecast.memory.total - single.forecast.memory.total == EXCHANGE_BYTES
    assert document(four).gpus == 4


def test_four_train_three_and_a_half_times_as_fast_and_one_tests(in_faces: Path) -> None:
    """As Caffe's documentation has it, which the assumptions name; the node's price is that of all."""
    single, four = planned(1, "p3.2xlarge", engine="torch"), planned(4, engine="torch")

    assert four.forecast.predicted.train == pytest.approx(single.forecast.predicted.train / 3.5)
    assert four.forecast.predicted.test == single.forecast.predicted.test
    assert four.forecast.cost.usd_per_hour == 4 * single.forecast.cost.usd_per_hour
    assert "4 GPUs train 3.5 times as fast as one, which tests alone" in four.forecast.cost.assumptions[0]
    assert "GPUs" not in single.forecast.cost.assumptions[0]


def test_the_plan_shows_several_gpus(in_faces: Path) -> None:
    """In the line of the solver, with the batch of each, and in that of the memory."""
    made = planned(4)

    assert f"images (4 GPUs, batch 4 × {made.spec.data.batch_size}; " in printed(made)
    assert "each GPU of p3.8xlarge (NVIDIA V100) has" in printed(made)
    assert made.warnings == plan(solver={"epochs": 2}, engine="torch").warnings


def test_gpus_that_stay_idle_are_warned_of(in_faces: Path) -> None:
    """They are paid for."""
    made = planned(2)

    assert any(
        "solver.gpus: is 2, and p3.8xlarge has 4 GPUs, all of which are" in each for each in made.warnings
    )


def test_statistics_of_batches_are_each_gpus_own(in_faces: Path) -> None:
    """The warning names the layers."""
    made = plan(
        base={"net": "resnet50", "weights": None},
        surgery={"freeze": "none"},
        solver={"gpus": 4},
        resources={"node": "g5.12xlarge"},
    )

    assert any("solver.gpus: BatchNorm bn_conv1" in each for each in made.warnings)


@pytest.mark.parametrize(
    ("node", "has"), [("p3.8xlarge", r"4 \(NVIDIA V100\)"), ("p2.xlarge", "1 "), ("local", "none: lower it")]
)
def test_more_than_the_node_has_are_refused(in_faces: Path, node: str, has: str) -> None:
    """One sentence, and the exit code of a bad spec."""
    with pytest.raises(BadSpecError, match=rf"^solver\.gpus: is 8, and node {node} has {has}"):
        planned(8, node)


def test_caffe_is_refused_for_several_gpus(in_faces: Path) -> None:
    """`auto` takes torch, where that has code for the GPU, and says why; caffe by name is a problem."""
    auto, named = planned(4), planned(4, engine="caffe")

    assert (auto.engine.name, auto.engine.problem) == ("torch", "")
    assert auto.engine.why == "Caffe trains on one GPU here, and solver.gpus is 4"
    assert named.problems == (
        "solver.gpus: Caffe trains on one GPU here: set engine: torch for 4, or leave it out",
    )
    kepler = choose_engine("auto", get_node("p2.8xlarge"), gpus=8).problem
    assert kepler.startswith("solver.gpus: Caffe trains on one GPU here, and PyTorch's builds have no code")


@pytest.mark.parametrize(("available", "gpus", "iter_size"), [(0, 1, 4), (1, 1, 4), (2, 2, 2), (3, 2, 2)])
def test_fewer_gpus_make_more_passes(in_faces: Path, available: int, gpus: int, iter_size: int) -> None:
    """On one's own machine; the run, its iterations and what each learns from stay as they are."""
    made = planned(4)
    here = with_fewer_gpus(made, available)

    assert (here.spec.solver.gpus, here.spec.solver.iter_size) == (gpus, iter_size)
    assert (here.run_id, here.engine, here.solver.max_iter) == (
        made.run_id,
        made.engine,
        made.solver.max_iter,
    )
    assert here.images_per_iteration == made.images_per_iteration
    assert here.solver.iter_size == iter_size
    assert with_fewer_gpus(made, 4) is made
    smaller = with_smaller_batch(made)
    assert smaller is not None
    assert (smaller.spec.solver.gpus, smaller.images_per_iteration) == (4, made.images_per_iteration)
