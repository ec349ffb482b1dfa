"""The table of retries, cause by cause: how often, how soon, or never again."""

from typing import Any

import pytest

from ftjob.cluster.policy.actions import CreateJob, RequeueAfter, WriteStatus
from ftjob.cluster.policy.decide import decide
from ftjob.cluster.policy.ends import LOST
from ftjob.cluster.policy.job_context import Observed
from ftjob.errors.outcomes import BY_EXIT_CODE, BY_REASON, ENDINGS, ExitCode, Then
from tests.cluster.unit.builders import NOW, begun, fine_tune, life, seen


def after(reason: str, times: int, **changes: Any) -> Observed:
    """A run whose attempts ended so many times for a reason, each 1000 s long, without a snapshot."""
    lives = [
        life(number + 1, 10, at=NOW - 1000 * (times - number), reason=reason, spot=True)
        for number in range(times)
    ]
    return seen(fine_tune(status=begun(attempts=lives, attempt=times), **changes))


def goes_on(observed: Observed) -> bool:
    return any(isinstance(action, CreateJob) for action in decide(observed, NOW))


@pytest.mark.parametrize("end", ENDINGS, ids=lambda end: end.reason)
def test_what_follows_is_what_the_table_prescribes(end: Any) -> None:
    """Four in a row: those that are counted are over at max_retries, the others go on or never do."""
    assert goes_on(after(end.reason, 4)) is (end.then in (Then.FREE, Then.LATER, Then.HELD))
    assert goes_on(after(end.reason, 1)) is (end.then not in (Then.SUCCEEDED, Then.FAILED, Then.STOPPED))


def test_the_table_has_every_exit_code() -> None:
    """And what the cluster takes away is never held against the run."""
    assert set(BY_EXIT_CODE) == set(ExitCode)
    assert {BY_REASON[reason].then for reason in LOST} == {Then.FREE}


@pytest.mark.parametrize(
    ("reason", "times", "wait"),
    [
        ("StorageUnreachable", 1, 10),
        ("StorageUnreachable", 5, 160),
        ("StorageUnreachable", 9, 300),
        ("EngineCrashed", 2, 20),
        ("TakenAway", 1, 0),
        ("Suspended", 3, 0),
    ],
)
def test_trouble_is_waited_out(reason: str, times: int, wait: int) -> None:
    """The pause doubles up to five minutes: a store that is away for an hour costs few pods."""
    lives = [life(number + 1, 10, at=NOW, reason=reason) for number in range(times)]
    doing = decide(seen(fine_tune(status=begun(attempts=lives, attempt=times))), NOW)

    assert [action.seconds for action in doing if isinstance(action, RequeueAfter)] == [wait or 5]


def test_a_pause_is_no_longer_where_the_clock_was_set_back() -> None:
    """By an hour: the pause begins anew, and does not last an hour."""
    doing = decide(after("StorageUnreachable", 1), NOW - 3600)

    assert [action.seconds for action in doing if isinstance(action, RequeueAfter)] == [10]


@pytest.mark.parametrize(
    ("budget", "sentence"),
    [
        ({"usd": 0.9}, "($0.90 and 1.00 h are spent, budget.usd is $0.90): raise budget.usd to continue"),
        (
            {"usd": 9.0, "hours": 1.0},
            "($0.90 and 1.00 h are spent, budget.hours is 1 h): raise budget.hours to continue",
        ),
    ],
)
def test_a_retry_without_money_is_refused_in_a_sentence(budget: dict[str, float], sentence: str) -> None:
    """It names the limit that was reached."""
    status = begun(state="Failed", attempts=[life(1, reason="Diverged")])
    job = fine_tune(status=status, budget=budget, annotations={"ftjob.dev/retry": "1"})
    [write] = [action for action in decide(seen(job), NOW) if isinstance(action, WriteStatus)]

    assert (write.status.state, write.status.reason) == ("Stopped", "BudgetReached")
    assert write.status.message == f"the budget does not pay for another attempt {sentence}"
