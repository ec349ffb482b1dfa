"""Seconds, dollars and what a budget allows."""

from dataclasses import replace

import pytest

from ftjob.errors import BadSpecError
from ftjob.money.limits import BudgetLimits
from ftjob.net.flops import count_flops
from ftjob.net.proto.caffe_pb2 import TEST, TRAIN
from ftjob.net.topology.shapes import data_inputs, infer_shapes
from ftjob.nodes.profiles import Node, get_node
from ftjob.plan.cost import (
    SNAPSHOT_BYTES_PER_SECOND,
    Cost,
    Speed,
    Workload,
    estimate_cost,
    measured_speed,
    predicted_speed,
)
from ftjob.plan.measured import Measurement
from tests.plan.zoo_nets import frozen_but, zoo_net, zoo_shapes

WORK = Workload(
    batch_size=10,
    iter_size=2,
    max_iter=100,
    train_images=500,
    val_images=40,
    test_interval=30,
    snapshot=50,
    snapshot_bytes=int(2 * SNAPSHOT_BYTES_PER_SECOND),
)
SPEED = Speed(train=0.1, test=0.025)
NODE = get_node("p2.xlarge").model_copy(update={"startup_seconds": 60.0})
PUBLISHED_GIGA_MULTIPLY_ADDS = {
    "alexnet": 0.72,
    "googlenet": 1.59,
    "vgg16": 15.47,
    "vgg19": 19.63,
    "resnet50": 3.86,
    "squeezenet": 0.39,
}


def cost(work: Workload = WORK, *, spot: bool = False, **budget: float) -> Cost:
    return estimate_cost(work, SPEED, NODE, spot=spot, budget=BudgetLimits(**budget))


def test_images_to_accept_by_are_tested_once() -> None:
    """However often data.val is."""
    more = cost(replace(WORK, on_images=1000)).test_seconds - cost().test_seconds

    assert more == pytest.approx(1000 * SPEED.test)


@pytest.mark.parametrize("name", PUBLISHED_GIGA_MULTIPLY_ADDS)
def test_multiply_adds_are_the_published_ones(name: str) -> None:
    """One image forward takes a net as many multiply-adds as its papers say, two operations each."""
    flops = count_flops(zoo_shapes(name, 8))

    assert flops.forward / 2e9 == pytest.approx(PUBLISHED_GIGA_MULTIPLY_ADDS[name], abs=0.01)


def test_learning_everything_costs_two_forward_passes_but_for_the_images() -> None:
    """Backward is twice forward, less the first layer's gradient for the images, which nobody wants."""
    flops = count_flops(zoo_shapes("vgg16", 1))
    first = next(layer for layer in flops.layers if layer.name == "conv1_1")

    assert flops.backward == 2 * flops.forward - first.forward
    assert first.backward == first.forward


def test_a_frozen_trunk_costs_nothing_backward() -> None:
    """With everything but fc8 frozen, backward is fc8's weights alone."""
    net = frozen_but("fc8", zoo_net("vgg16", 1))
    flops = count_flops(infer_shapes(net, data_inputs(net.layer, (3, 256, 256))))

    assert flops.backward == 2 * 4096 * 1000


def test_k40_speeds_are_those_its_profile_was_made_from() -> None:
    """The model gives back the published 13.2 ms of GoogLeNet and 3.75 ms of CaffeNet on a K40 with cuDNN."""
    k40 = get_node("p2.xlarge").model_copy(update={"teraflops": 1.41, "gigabytes_per_second": 47.9})
    for name, milliseconds in (("googlenet", 13.2), ("caffenet", 3.75)):
        train, test = (count_flops(zoo_shapes(name, 4, phase)) for phase in (TRAIN, TEST))

        assert predicted_speed(train, test, k40).train * 1e3 == pytest.approx(milliseconds, rel=0.01)


def test_a_precision_has_its_own_speed_and_smaller_blobs() -> None:
    """What the profile says of it, and two bytes a number; where it says nothing, products are as in fp32."""
    node, shapes = get_node("g5.xlarge"), zoo_shapes("vgg16", 8)
    exact, half = (count_flops(shapes, precision) for precision in ("fp32", "bf16"))

    assert (half.forward, half.backward) == (exact.forward, exact.backward)
    assert 0.5 < half.forward_bytes / exact.forward_bytes < 0.52, "scores and losses stay in four bytes"
    assert count_flops(shapes, "tf32") == exact
    fp32, tf32, bf16 = (
        predicted_speed(count_flops(shapes, each), count_flops(shapes, each), node, each).train
        for each in ("fp32", "tf32", "bf16")
    )
    assert bf16 < tf32 == fp32
    flops, moved = half.forward + half.backward, half.forward_bytes + half.backward_bytes
    assert bf16 == pytest.approx(flops / 23e12 + moved / 200e9)


def test_the_assumption_of_a_precision_is_no_published_speed() -> None:
    """It names the precision, and that it was not measured; a measurement replaces it."""
    node = get_node("g5.xlarge")

    first, *_ = estimate_cost(WORK, SPEED, node, precision="bf16").assumptions

    assert first.startswith(
        "NVIDIA A10G: 23 TFLOP/s of products in bf16 and 200 GB/s of blobs, by its profile,"
    )
    assert "not measured" in first
    measured = Measurement(run="a/b", when=0.0, train_seconds_per_image=0.2)
    first, *_ = estimate_cost(WORK, SPEED, node, precision="bf16", measured=measured).assumptions
    assert first.startswith("measured in run a/b")


@pytest.mark.parametrize("name", ["g4dn.xlarge", "g5.xlarge", "p3.2xlarge"])
def test_no_precision_is_predicted_slower_than_fp32(name: str) -> None:
    """Or beyond a third of the data sheet's peak of products (T4 65, A10G 70, V100 125 TFLOP/s)."""
    node, peak = get_node(name), {"g4dn.xlarge": 65, "g5.xlarge": 70, "p3.2xlarge": 125}[name]

    assert node.teraflops_in
    assert all(node.teraflops < rate <= 1.02 * peak / 3 for rate in node.teraflops_in.values())


def test_measured_iterations_replace_the_prediction() -> None:
    """A speed that was measured stands; tests that were not timed change by the same factor."""
    timed = Measurement(run="a/b", when=0.0, train_seconds_per_image=0.2, test_seconds_per_image=0.01)
    untimed = timed.model_copy(update={"test_seconds_per_image": None})

    assert measured_speed(SPEED, timed) == Speed(0.2, 0.01)
    assert measured_speed(SPEED, untimed) == Speed(0.2, pytest.approx(0.05))


def test_seconds_add_up() -> None:
    """Training, five tests (first, three between, last), two snapshots and the start make the total."""
    found = cost()

    assert found.seconds_per_iteration == pytest.approx(2.0)
    assert found.seconds_per_epoch == pytest.approx(50.0)
    assert found.train_seconds == pytest.approx(200.0)
    assert found.test_seconds == pytest.approx(5 * 40 * 0.025)
    assert found.snapshot_seconds == pytest.approx(2 * 2.0)
    assert found.total_seconds == pytest.approx(60 + 200 + 5 + 4)
    assert found.usd == pytest.approx(269 / 3600 * 0.90)


def test_spot_costs_the_spot_price_and_is_an_assumption() -> None:
    """On spot the hour costs less, and the assumptions say that interruptions come on top."""
    found = cost(spot=True)

    assert found.usd == pytest.approx(269 / 3600 * 0.27)
    assert "spot" in found.assumptions[-1]


def test_a_node_without_a_spot_price_refuses_spot() -> None:
    """Spot on a node that cannot be had so is a mistake in the spec."""
    node = NODE.model_copy(update={"price": NODE.price.model_copy(update={"spot": None})})

    with pytest.raises(BadSpecError, match=r"resources\.spot: node p2\.xlarge has no spot price"):
        estimate_cost(WORK, SPEED, node, spot=True)


@pytest.mark.parametrize("seconds", [70, 100, 200, 268])
def test_the_budget_allows_as_many_iterations_as_fit(seconds: int) -> None:
    """A run of the affordable iterations keeps to the hours, one more does not."""
    iterations = cost(hours=seconds / 3600).affordable_iterations

    assert iterations is not None
    assert cost(replace(WORK, max_iter=iterations)).total_seconds <= seconds
    assert cost(replace(WORK, max_iter=iterations + 1)).total_seconds > seconds


def test_dollars_and_hours_both_bind() -> None:
    """The smaller of the two decides; without either there is no limit, and no run is longer than itself."""
    assert cost(usd=0.05, hours=9).affordable_iterations == cost(usd=0.05).affordable_iterations == 66
    assert cost().affordable_iterations is None
    assert cost(usd=100, hours=9).affordable_iterations == WORK.max_iter
    assert cost(hours=0.001).affordable_iterations == 0


def test_a_free_node_has_no_end_of_dollars() -> None:
    """A budget in dollars never ends a run on a node that costs nothing."""
    free: Node = get_node("local")

    assert estimate_cost(WORK, SPEED, free, budget=BudgetLimits(usd=1)).affordable_iterations is None
