"""Whole lives of a FineTuneJob in a simulated cluster: whatever happens, the laws hold."""

import random

import pytest

from tests.cluster.unit.world import World

LIVES = 60


def lived(seed: int) -> World:
    """A life to its end, after which nothing happens any more but time."""
    world = World(random.Random(seed))
    while not world.ended and world.steps < 400:
        world.step()
    world.settle_down()
    return world


@pytest.mark.parametrize("seed", range(LIVES))
def test_every_life_ends_within_its_budget_with_one_attempt_at_a_time(seed: int) -> None:
    """Crashes, evictions, lost nodes, deleted Jobs, stale caches, dying controllers, a fickle user.

    World.look checks after every event that at most one worker runs and that nothing finished is begun again.
    """
    world = lived(seed)

    assert world.ended, world.story()
    assert world.true_usd() <= world.budget + world.grace_usd() + 1e-6, world.story()
    assert world.accounted_usd() == pytest.approx(world.true_usd(), abs=world.tolerance_usd()), world.story()


def test_the_world_does_happen() -> None:
    """The simulation is no idyll: over its lives every kind of end and of event occurs."""
    worlds = [lived(seed) for seed in range(0, LIVES, 2)]
    ends = {world.status.reason for world in worlds}

    assert {"Completed", "BudgetReached"} <= ends
    assert len(ends) >= 4, ends
    assert max(world.status.attempt for world in worlds) >= 5
    assert {event for world in worlds for event in world.happened} >= set(World.EVENTS)
