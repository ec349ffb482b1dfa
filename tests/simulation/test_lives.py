"""10,000 random lives: whatever happens to a run, the laws of money and of its end hold.

Pods are taken away, evicted, drained, lost with their nodes or silent; workers crash, give up, hang, or end
in time, or report what is not so; controllers die, also in the middle of a look, come back hours later, act
on old news, and have their clocks set by up to an hour; prices change; users raise and lower budgets, hold,
cancel, edit, retry, delete and apply anew.
"""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ftjob.cluster.policy import accounts, attempt, capacity, following
from ftjob.cluster.policy.job_context import JobContext
from ftjob.errors.outcomes import BY_EXIT_CODE, Ending, Then
from tests.simulation.chance import EVENTS, Chance
from tests.simulation.world import World

LIVES, CHUNKS = 10_000, 40


def lived(seed: int) -> World:
    """A life to its end; the laws are looked at after every event."""
    rng = random.Random(seed)
    world = World(rng)
    Chance(world, rng)
    world.live()
    world.laws.hold_at_the_end()
    return world


@pytest.mark.slow
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_every_life_holds_the_laws(chunk: int) -> None:
    """Money is never overspent, and never begun without; all end; nothing done is done again."""
    for seed in range(chunk, LIVES, CHUNKS):
        lived(seed)


@pytest.mark.slow
def test_the_world_does_happen() -> None:
    """The simulation is no idyll: every kind of event and of end occurs, and so do long stories."""
    worlds = [lived(seed) for seed in range(400)]
    happened: Counter[str] = sum((world.happened for world in worlds), Counter())
    ends = {life.reason for world in worlds for life in world.status.attempts}

    assert set(happened) == set(EVENTS)
    assert ends >= {"Completed", "BudgetReached", "Preempted", "TakenAway", "PodGone", "EngineCrashed"}
    assert max(world.status.attempt for world in worlds) >= 6
    assert {life.spot for world in worlds for life in world.status.attempts} == {False, True}


def without_end(context: JobContext, request: Any, ended: Ending | None) -> None:
    """Try again, whatever happened."""


BROKEN: dict[str, tuple[Any, str, Callable[[Any], Any]]] = {
    r"no money|\$": (accounts, "seconds_left", lambda real: lambda b, _, __, price: real(b, 0.0, 0.0, price)),
    "no money": (following, "_terms", lambda real: lambda *a: replace(real(*a), seconds_left=60.0)),
    "tried again|does not end": (following, "_stays_ended", lambda _: without_end),
    "rerun": (BY_EXIT_CODE[0], "then", lambda _: Then.FREE),
    r"booked|\$": (accounts, "_end", lambda real: lambda life, s: real(life, s) if s.pod else life.scheduled),
    "booked|does not end": (
        accounts,
        "_settled",
        lambda real: lambda life, *a: real(life, *a).model_copy(update={"seconds": 0.0}),
    ),
    "spot": (capacity, "twice_lost", lambda _: bool),
    "ended early": (attempt, "_shortened_to", lambda _: lambda context, request, _: 0.0),
}


@pytest.mark.slow
@pytest.mark.parametrize("law", BROKEN)
def test_the_laws_notice_a_controller_that_breaks_them(law: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within so many lives: a simulation in which nothing can go wrong would prove nothing."""
    module, name, broken = BROKEN[law]
    real = getattr(module, name)
    if isinstance(module, Ending):
        monkeypatch.setitem(module.__dict__, name, broken(real))
    else:
        monkeypatch.setattr(module, name, broken(real))

    with pytest.raises(AssertionError, match=law):
        all(lived(seed) for seed in range(LIVES))
