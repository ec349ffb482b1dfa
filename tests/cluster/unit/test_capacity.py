"""Spot or on demand, and at which price: attempt by attempt."""

from typing import Any

import pytest

from ftjob.cluster.policy.actions import CreateJob, DeleteJob, RecordEvent, RequeueAfter, WriteStatus
from ftjob.cluster.policy.decide import decide
from ftjob.cluster.policy.job_context import Observed
from ftjob.cluster.policy.terms import Terms
from ftjob.cluster.resource.status import FineTuneStatus
from ftjob.runfolder.progress import Progress
from tests.cluster.unit.builders import (
    FIGURES,
    NODES,
    NOW,
    begun,
    ended_pod,
    fine_tune,
    job_object,
    life,
    pod_object,
    report,
    seen,
)

PREFER = {"node": "p2.xlarge", "spot": "prefer"}
SPOT, ON_DEMAND = 0.27, 0.9
PLANNED = FIGURES.model_copy(update={"seconds": 3600.0})


def lost(attempt: int, minutes_ago: float, **more: Any) -> dict[str, Any]:
    """A spot pod that was taken away after 100 s."""
    made = {"reason": "TakenAway", "spot": True, "usdPerHour": SPOT, "usd": 100 / 3600 * SPOT, **more}
    return life(attempt, 100, at=NOW - 60 * minutes_ago, **made)


def prefers(*lives: dict[str, Any], left: Progress | None = None, **changes: Any) -> Observed:
    """A run that prefers spot, of which an hour is planned, after those lives."""
    made = {"resources": PREFER, "budget": {"usd": 4.0}, **changes}
    status = begun(fine_tune(**made), attempts=list(lives), plan=PLANNED.model_dump(by_alias=True))
    return seen(fine_tune(status=status, **made), report=left)


def terms(observed: Observed) -> Terms:
    """What the next attempt is begun with."""
    [found] = [action for action in decide(observed, NOW) if isinstance(action, CreateJob)]
    return found.terms


def written(observed: Observed) -> FineTuneStatus:
    [write] = [action for action in decide(observed, NOW) if isinstance(action, WriteStatus)]
    return write.status


def test_prefer_begins_on_spot_at_its_price() -> None:
    """The budget is reckoned at the price of the capacity that is taken, and the status says which."""
    observed = seen(fine_tune(resources=PREFER, budget={"usd": 2.7}))

    assert (terms(observed).spot, terms(observed).usd_per_hour) == (True, SPOT)
    assert terms(observed).seconds_left == pytest.approx(36000)
    assert written(observed).capacity == "spot"


@pytest.mark.parametrize(
    ("lives", "on_spot"),
    [
        ([lost(1, 30)], True),
        ([lost(1, 70), lost(2, 5)], True),
        ([lost(1, 60), lost(2, 1)], False),
        ([lost(1, 30, reason="Preempted"), lost(2, 1, reason="PodGone")], False),
        ([lost(1, 30, reason="EngineCrashed"), lost(2, 1)], True),
        ([lost(1, 2), lost(1, 1, pod="replaced")], True),
        ([lost(1, 90), lost(2, 80), lost(3, 2, spot=False, reason="EngineCrashed")], False),
        ([lost(1, 30, spot=False), lost(2, 1, spot=False)], True),
    ],
)
def test_two_spot_attempts_lost_within_an_hour_are_enough(lives: list[dict[str, Any]], on_spot: bool) -> None:
    """Taken away, not crashed; attempts, not pods; and once on demand, the run stays there."""
    assert terms(prefers(*lives)).spot is on_spot


@pytest.mark.parametrize(("usd", "on_spot"), [(0.9, True), (0.93, False)])
def test_on_demand_must_be_paid_for_to_the_end(usd: float, on_spot: bool) -> None:
    """An hour is planned, at $0.90 on demand; 200 s on spot are spent already."""
    assert terms(prefers(lost(1, 30), lost(2, 1), budget={"usd": usd})).spot is on_spot


def test_what_is_still_to_do_is_measured_where_it_was() -> None:
    """200 iterations of 60 images from the snapshot on, and a new node's start."""
    left = report(2, iteration=900, snapshot=800, images_per_second=20.0)
    enough = 0.015 + (NODES["p2.xlarge"].startup_seconds + 200 * 60 / 20) / 3600 * ON_DEMAND

    small = {"data": {"batch_size": 60}}
    for usd, on_spot in ((enough - 0.01, True), (enough + 0.01, False)):
        assert (
            terms(prefers(lost(1, 30), lost(2, 1), left=left, budget={"usd": usd}, **small)).spot is on_spot
        )


def test_the_move_is_reported() -> None:
    """In the event of the attempt that begins."""
    events = [each for each in decide(prefers(lost(1, 30), lost(2, 1)), NOW) if isinstance(each, RecordEvent)]

    assert "attempt 3 begins on demand: two were taken away" in events[0].message


def test_a_pod_keeps_the_price_it_began_with() -> None:
    """Whatever the profile says by now: the status has it, since its Job was made."""
    pod = ended_pod(10, at=NOW, scheduled=NOW - 3600)
    status = begun(usdPerHour=0.11, capacity="spot")
    [entry] = written(seen(fine_tune(status=status), [job_object()], [pod])).attempts

    assert (entry.spot, entry.usd_per_hour, entry.usd) == (True, 0.11, 0.11)


def test_an_attempt_after_a_change_of_price_has_the_new_one() -> None:
    """And what the budget still pays for is reckoned with it."""
    node = NODES["p2.xlarge"]
    dearer = node.model_copy(update={"price": node.price.model_copy(update={"on_demand": 1.8})})
    job = fine_tune(status=begun(attempts=[life(1, reason="Preempted")]), budget={"usd": 2.7})
    next_one = terms(seen(job, nodes={"p2.xlarge": dearer}))

    assert (next_one.usd_before, next_one.usd_per_hour) == (pytest.approx(0.9), 1.8)
    assert next_one.seconds_left == pytest.approx(3600)


def test_a_running_pod_is_stopped_by_its_own_price() -> None:
    """An hour at $0.27 leaves most of a dollar, whatever an hour on demand would have cost."""
    for price, ends in ((SPOT, False), (ON_DEMAND, True)):
        job = fine_tune(status=begun(usdPerHour=price), budget={"usd": 0.5})
        doing = decide(seen(job, [job_object()], [pod_object(scheduled=NOW - 3600)]), NOW)
        assert any(isinstance(each, DeleteJob) for each in doing) is ends


@pytest.mark.parametrize(
    ("budget", "ends", "looks_after"),
    [
        ({"usd": 0.9, "hours": 1.0}, False, 30.0),
        ({"usd": 0.1, "hours": 1.0}, True, 2.0),
        ({"usd": 0.9, "hours": 0.1}, True, 2.0),
        ({"usd": 0.9, "hours": 602 / 3600}, False, 2.0),
    ],
)
def test_either_limit_ends_what_runs_when_it_is_lowered(
    budget: dict[str, float], ends: bool, looks_after: float
) -> None:
    """Ten minutes and $0.15 are spent, of an hour and $0.90; a limit that is near is looked at in time."""
    job = fine_tune(status=begun(grantedSeconds=3600.0, deadlineSeconds=3600.0), budget=budget)
    doing = decide(seen(job, [job_object()], [pod_object(scheduled=NOW - 600)]), NOW)

    assert any(isinstance(each, DeleteJob) for each in doing) is ends
    assert [each.seconds for each in doing if isinstance(each, RequeueAfter)] == [pytest.approx(looks_after)]


@pytest.mark.parametrize(
    ("budget", "goes_on"),
    [
        ({"usd": 0.9}, False),
        ({"usd": 0.95}, True),
        ({"usd": 9.0, "hours": 1.0}, False),
        ({"usd": 9.0, "hours": 1.1}, True),
        ({}, True),
    ],
)
def test_hours_and_dollars_must_both_be_raised(budget: dict[str, float], goes_on: bool) -> None:
    """The run ended at $0.90 and an hour, with 20 s in reserve; a fallen price is no new money."""
    node = NODES["p2.xlarge"]
    free = node.model_copy(update={"price": node.price.model_copy(update={"on_demand": 0.01})})
    ended = [life(1, 3580, reason="BudgetReached", exitCode=9)]
    job = fine_tune(status=begun(attempts=ended, grantedSeconds=3600.0), budget=budget)
    doing = decide(seen(job, nodes={"p2.xlarge": free}), NOW)

    assert any(isinstance(each, CreateJob) for each in doing) is goes_on
