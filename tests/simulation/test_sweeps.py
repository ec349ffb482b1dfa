"""Random lives of sweeps: whatever happens, no dollar is granted twice, no member made twice, and all end.

Controllers die between any two actions and for hours, and act on old news; members fail, are deleted and are
cancelled by hand; users cancel, hold, resume and raise the budget. Grid and random search, with and without
halving.
"""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ftjob.cluster.policy.sweeps import decide_parent as parent
from ftjob.runfolder.status import State
from ftjob.sweep import decision, retrying
from tests.simulation.sweeps import EVENTS, SweepWorld

LIVES, CHUNKS = 200, 4


def lived(seed: int) -> SweepWorld:
    """A life to its end; the laws are looked at after every step."""
    world = SweepWorld(random.Random(seed))
    world.live()
    return world


@pytest.mark.slow
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_every_life_holds_the_laws(chunk: int) -> None:
    """And its record names every member that was made, and no other."""
    for seed in range(chunk, LIVES, CHUNKS):
        world = lived(seed)
        assert world.status.sweep
        assert {record.name for record in world.status.sweep.members} >= set(world.made)


@pytest.mark.slow
def test_the_world_does_happen() -> None:
    """Every kind of event and of end occurs, and halving does stop members."""
    worlds = [lived(seed) for seed in range(100)]
    happened: Counter[str] = sum((world.happened for world in worlds), Counter())
    records = [each for world in worlds if world.status.sweep for each in world.status.sweep.members]

    assert set(happened) == set(EVENTS)
    assert {record.state for record in records} >= {State.SUCCEEDED, State.FAILED, State.STOPPED}
    assert any(record.stopped for record in records)
    assert {world.status.state for world in worlds} == {State.SUCCEEDED, State.FAILED, State.STOPPED}


def test_a_member_that_is_retried_by_itself_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the refusal, what it spends is in no account: the law of the budget fails."""
    monkeypatch.setattr(retrying, "refusal", lambda _: "")

    with pytest.raises(AssertionError, match=r"\$|twice|more than"):
        all(lived(seed) for seed in range(100))


BROKEN: dict[str, tuple[Any, str, Callable[[Any], Any]]] = {
    r"\$": (decision, "_taken_dollars", lambda _: lambda record: record.spent_microdollars),
    "more than": (
        parent,
        "decide_sweep",
        lambda real: lambda n, r, s, limits, *a, **k: real(n, r, s, replace(limits, parallel=9), *a, **k),
    ),
    "twice": (
        decision,
        "_updated",
        lambda real: (
            lambda r, m, hold: (
                r.model_copy(update={"state": None}) if m is None and r.runs else real(r, m, hold=hold)
            )
        ),
    ),
    "does not end": (
        parent,
        "decide_sweep",
        lambda real: lambda *a, **k: replace(real(*a, **k), finished=False),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("law", BROKEN)
def test_the_laws_notice_a_sweep_that_breaks_them(law: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within so many lives."""
    module, name, broken = BROKEN[law]
    monkeypatch.setattr(module, name, broken(getattr(module, name)))

    with pytest.raises(AssertionError, match=law):
        all(lived(seed) for seed in range(100))
