"""Laws of the loop's decisions; tests/e2e runs the loop itself with real Caffe."""

import math

import pytest

from ftjob.engine import Iteration
from ftjob.errors import DivergedError
from ftjob.worker.train import next_event, refuse_divergence


def step(loss: float = 1.0, seconds: float = 0.01, **outputs: float) -> Iteration:
    return Iteration(7, loss, outputs, 0.01, seconds)


@pytest.mark.parametrize(("iteration", "due"), [(0, 30), (29, 30), (30, 50), (50, 60), (90, 100), (100, 110)])
def test_the_next_event_is_the_nearest_multiple_or_the_end(iteration: int, due: int):
    """Tests every 30, snapshots every 50, the end at 110: the loop stops the engine exactly there."""
    assert next_event(iteration, (30, 50), 110) == due


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_diverged_loss_ends_the_run(loss: float):
    """NaN or infinite: named with the iteration and a rate to try."""
    with pytest.raises(DivergedError, match=r"solver.base_lr: at iteration 7 .* 0.1 is too high.* try 0.01"):
        refuse_divergence([step(), step(loss)], base_lr=0.1)


def test_a_rate_that_rose_is_named_instead_of_the_first_one():
    """lr_policy exp with a gamma above 1: base_lr is not what was too high."""
    with pytest.raises(
        DivergedError, match=r"solver.gamma: at iteration 7 .* had risen to 0.01, which is too"
    ):
        refuse_divergence([step(math.nan)], base_lr=1e-6)


def test_a_diverged_head_ends_the_run():
    """One head at 87.3365 is enough, though the weighted sum of all is another number."""
    with pytest.raises(DivergedError, match="probability 0"):
        refuse_divergence([step(30.0, **{"loss1/loss": 87.33655})], base_lr=0.1)


def test_large_losses_that_are_numbers_go_on():
    """A hard start is not divergence: three heads of loss 60 make a sum above 87."""
    refuse_divergence([step(120.0, **{"loss3/loss": 60.0})], base_lr=0.1)
