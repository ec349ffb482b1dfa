"""What a namespace may spend on a day: the ledger, and who has to wait."""

from typing import Any

import pytest

from ftjob.cluster.policy.actions import CreateJob, RequeueAfter, WriteStatus
from ftjob.cluster.policy.allowance import DAY, DailyAllowance, allowance_of, entry_of, usd_per_day
from ftjob.cluster.policy.decide import decide
from ftjob.cluster.policy.job_context import JobProblem
from ftjob.cluster.resource.status import FineTuneStatus
from tests.cluster.unit.builders import FIGURES, NOW, begun, fine_tune, life, seen

MIDNIGHT = NOW - NOW % DAY
HOUR = 3600.0
PLANNED = FIGURES.model_copy(update={"seconds": 0.0})
"""A plan says what its user likes: nothing is let begin on it."""
BUDGET = {"usd": 1.8}


def decided(
    allowance: DailyAllowance | JobProblem | None, **changes: Any
) -> tuple[FineTuneStatus, list[Any]]:
    """What a run that may cost $1.80 does on such a day."""
    made = fine_tune(**{"budget": BUDGET, **changes})
    doing = decide(seen(made, planned=PLANNED, allowance=allowance), NOW)
    [write] = [action for action in doing if isinstance(action, WriteStatus)]
    return write.status, doing


def begins(doing: list[Any]) -> bool:
    return any(isinstance(action, CreateJob) for action in doing)


@pytest.mark.parametrize(
    ("spent", "kept", "changes", "expected"),
    [
        (0.0, 0.0, {}, True),
        (40.0, 8.1, {}, True),
        (40.0, 8.3, {}, False),
        (48.3, 0.0, {}, False),
        (40.0, 9.5, {"budget": {"usd": 0.4}}, True),
        (0.0, 0.0, {"budget": {"hours": 50.0}}, True),
        (0.0, 0.0, {"budget": {"hours": 60.0}}, False),
        (0.0, 0.0, {"budget": {}}, False),
        (60.0, 9.0, {"resources": {"node": "local"}}, True),
    ],
)
def test_a_run_begins_where_the_day_still_pays_for_it(
    spent: float, kept: float, changes: dict[str, Any], expected: bool
) -> None:
    """Of $50, for all that its own budget pays for; what costs nothing is never held."""
    _, doing = decided(DailyAllowance(50.0, spent, kept, NOW), **changes)

    assert begins(doing) is expected


def test_one_that_waits_reports_why_and_until_when() -> None:
    """Pending, with the figures; it looks again at midnight, or when it hears that another run ended."""
    late = MIDNIGHT + DAY - 100
    status, doing = decided(DailyAllowance(50.0, 40.0, 8.5, late))

    assert (status.state, status.reason, status.identity) == ("Pending", "NamespaceBudget", None)
    assert "may spend $50.00 a day" in status.message
    assert (
        "$40.00 is spent today, $8.50 is kept for attempts under way, and attempt 1 may cost $1.80, all "
        "that is left of its budget" in (status.message)
    )
    assert [action.seconds for action in doing if isinstance(action, RequeueAfter)] == [101]


def test_one_that_never_fits_learns_what_would() -> None:
    """It may cost more than a whole day's."""
    status, _ = decided(DailyAllowance(1.0, 0.0, 0.0, NOW))

    assert status.message.endswith("more than a whole day's: raise usd-per-day, or lower budget.usd")


@pytest.mark.parametrize("text", ["fifty", "-1", "nan", "inf", "", None])
def test_a_wrong_amount_is_reported_by_whoever_waits_for_it(text: str | None) -> None:
    """With the ConfigMap's name, the key, and what to write."""
    with pytest.raises(
        ValueError, match=r'^ConfigMap ftjob-budget: usd-per-day is .*: write .*"50"$'
    ) as error:
        usd_per_day({} if text is None else {"usd-per-day": text})
    status, doing = decided(JobProblem("NamespaceBudget", str(error.value), passing=True))

    assert (status.state, status.reason, status.message) == ("Pending", "NamespaceBudget", str(error.value))
    assert not begins(doing)


def entry(state: str = "Running", granted: float | None = 3.0, **more: Any) -> Any:
    return entry_of(fine_tune(status=begun(state=state, grantedUsd=granted, **more)))


def test_only_what_fell_into_today_is_spent() -> None:
    """A pod over midnight by its share; one of yesterday not at all; one that runs, to now."""
    lives = [
        life(1, HOUR, at=MIDNIGHT - HOUR),
        life(2, HOUR, at=MIDNIGHT + HOUR / 2),
        {**life(3, HOUR, at=NOW), "ended": None},
    ]
    found = entry(attempts=lives, attempt=3)

    assert found.spent_since(MIDNIGHT, NOW) == pytest.approx(0.45 + 0.9)
    assert found.reserved(NOW) == pytest.approx(3.0 - 0.9)


@pytest.mark.parametrize(
    ("state", "reason", "attempts", "kept"),
    [
        ("Pending", "Creating", [], 3.0),
        ("Running", "Running", [], 3.0),
        ("Stopping", "Suspended", [], 3.0),
        ("Retrying", "EngineCrashed", [life(1)], 0.0),
        ("Pending", "NamespaceBudget", [], 0.0),
        ("Suspended", "Suspended", [life(1)], 0.0),
        ("Stopped", "BudgetReached", [life(1)], 0.0),
        ("Failed", "PendingTooLong", [], 0.0),
    ],
)
def test_money_is_kept_for_attempts_that_are_under_way(
    state: str, reason: str, attempts: list[dict[str, Any]], kept: float
) -> None:
    """From the status that says that one begins to the one that says that it ended."""
    assert entry(state, reason=reason, attempts=attempts).reserved(NOW) == kept


def test_what_an_attempt_may_come_to_is_written_when_it_begins() -> None:
    """All that its budget pays for; nothing bounds it where it has none."""
    assert decided(None, budget={"usd": 4.0})[0].granted_usd == pytest.approx(4.0)
    assert decided(None, budget={})[0].granted_usd is None


def test_a_run_without_a_budget_is_asked_to_state_one() -> None:
    """Where its namespace has one."""
    status, _ = decided(DailyAllowance(50.0, 0.0, 0.0, NOW), budget={})

    assert status.message.endswith("this run states no budget: set budget.usd to what it may cost at most")


def test_one_under_way_without_a_budget_keeps_the_rest_of_its_day() -> None:
    """It began before its namespace had a budget."""
    found = entry(granted=None, attempt=1)

    assert found.reserved(MIDNIGHT + DAY - HOUR) == pytest.approx(0.9)


def test_a_run_does_not_keep_money_from_itself() -> None:
    """Looked at again before its Job is heard of, it is still let begin."""
    own, other = entry("Pending", reason="Creating"), entry()
    found = allowance_of(10.0, own, [other], NOW)

    assert (found.spent, found.reserved) == (0.0, 3.0)
