"""Laws of what runs have cost: everything adds up, to the millisecond and the millionth of a dollar."""

import csv
import io
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.table import Table

from ftjob.cli.view.cost import cost_csv, cost_table
from ftjob.cluster.policy.spending import of_pods
from ftjob.cluster.resource.status import FineTuneStatus, PodRecord
from ftjob.errors import BadSpecError
from ftjob.money.amount import Amount, shares
from ftjob.runfolder.charges import AGAIN, STAGES, Bill, charges, moment, of_status, together
from ftjob.runfolder.status import Attempt, State, Status

FIRST = Attempt(
    attempt=1,
    node="p2.xlarge",
    usd_per_hour=0.9,
    begun=1000.0,
    seconds=1000.0,
    usd=0.25,
    reason="SpotReclaimed",
    stages={"start": 200.0, "fetch": 30.0, "open": 10.0, "train": 700.0, "test": 50.0, "snapshot": 10.0},
    lost_seconds=100.0,
)
SECOND = Attempt(
    attempt=2,
    node="p2.xlarge",
    usd_per_hour=0.9,
    begun=2500.0,
    seconds=400.0,
    usd=0.1,
    stages={"start": 100.0, "fetch": 5.0, "open": 5.0, "replay": 10.0, "train": 270.0, "bundle": 10.0},
    saved_seconds={"Plateau": 3600.0, "cache": 25.0},
)
STATUS = Status("emotions", "1f3b9c02aa", State.SUCCEEDED, seconds=1400.0, usd=0.35, attempts=(FIRST, SECOND))

seconds = st.floats(0, 1e6)
attempts = st.builds(
    Attempt,
    attempt=st.integers(1, 9),
    node=st.just("p2.xlarge"),
    usd_per_hour=st.floats(0, 50),
    begun=st.floats(0, 2e9),
    seconds=seconds,
    usd=st.floats(0, 1e4),
    stages=st.dictionaries(st.sampled_from((*STAGES, "something newer")), seconds),
    lost_seconds=seconds,
    saved_seconds=st.dictionaries(st.sampled_from(("Plateau", "cache")), seconds),
)


@given(st.lists(attempts, max_size=5))
def test_everything_adds_up(found: list[Attempt]):
    """Stages to attempts, attempts to runs, runs to the total: as whole numbers, without a remainder."""
    rows = charges(STATUS, found)
    bill = Bill(tuple(rows))

    for row in (*rows, bill.total):
        assert sum(stage.milliseconds for stage in row.stages.values()) == row.whole.milliseconds
        assert sum(stage.microdollars for stage in row.stages.values()) == row.whole.microdollars
        assert min(stage.microdollars for stage in row.stages.values()) >= 0
    assert bill.total.whole.milliseconds == sum(round(each.seconds * 1e3) for each in found)
    assert bill.total.whole.microdollars == sum(round(each.usd * 1e6) for each in found)


@given(st.integers(0, 10**9), st.lists(st.integers(0, 10**9), min_size=1, max_size=9))
def test_shares_are_fair_and_whole(total: int, weights: list[int]):
    """The parts add up, and none is a whole unit away from its exact share."""
    parts = shares(total, weights)

    assert sum(parts) == total
    if everything := sum(weights):
        for part, weight in zip(parts, weights, strict=True):
            assert abs(part - total * weight / everything) <= 1 + 1e-6


def test_what_is_lost_is_training_and_beginning_again():
    """Training after the last snapshot, and all that the next attempt does before it trains, at the price."""
    first, second = charges(STATUS, of_status(STATUS))

    assert first.lost == (100_000, 25_000)
    assert second.lost == (120_000, 30_000)
    assert sum(second.stages[stage].milliseconds for stage in AGAIN) == 120_000
    assert together([first, second]).lost == (220_000, 55_000)


def test_what_is_saved_is_listed_by_what_prevented_it():
    """Guards and caches, at the price of the attempt; nothing of it is in the sum."""
    [_, second] = charges(STATUS, of_status(STATUS))

    assert second.saved == {"Plateau": (3_600_000, 900_000), "cache": (25_000, 6_250)}
    assert second.whole == (400_000, 100_000)


def test_what_no_worker_reported_is_other():
    """A worker that was killed leaves time behind that only the sum, or the pod, knows of."""
    [only] = charges(STATUS, [replace(FIRST, seconds=1100.0)])

    assert only.stages["other"].milliseconds == 100_000


def test_attempts_of_before_there_was_an_account_are_one_row():
    """A run's own sum stands, also where its early attempts are not listed."""
    [before, only] = of_status(replace(STATUS, attempts=(SECOND,), submitted=900.0))

    assert (before.attempt, before.seconds, before.usd, before.begun) == (0, 1000.0, 0.25, 900.0)
    assert only == SECOND
    assert of_status(STATUS) == [FIRST, SECOND]


def lives(**more: Any) -> FineTuneStatus:
    """Two pods of the run above, accounted for by the cluster; each up a little longer than its worker."""
    priced = {"node": "ip-10-0-0-7", "usd_per_hour": 0.9}
    return FineTuneStatus(
        attempts=(
            PodRecord(
                attempt=1,
                pod="a",
                scheduled=990.0,
                seconds=1010.0,
                usd=0.2525,
                reason="Preempted",
                spot=True,
                **priced,
            ),
            PodRecord(attempt=2, pod="b", scheduled=2500.0, seconds=404.0, usd=0.101, **priced),
        ),
        **more,
    )


def test_the_pods_accounts_are_the_truth_of_a_cluster():
    """Time, money and reasons are the cluster's, what was done in it the workers'."""
    first, second = charges(STATUS, of_pods(lives(), STATUS))

    assert (first.whole, first.reason, first.node) == ((1_010_000, 252_500), "Preempted", "p2.xlarge")
    assert (first.spot, second.spot) == (True, False)
    assert first.stages["train"].milliseconds == 700_000
    assert first.stages["other"].milliseconds == 10_000
    assert second.whole == (404_000, 101_000)


def test_a_pod_without_a_status_has_no_stages():
    """Where nothing can be read from the run's folder, its money is still listed."""
    first, _ = charges(STATUS, of_pods(lives(), None))

    assert first.stages["other"] == first.whole
    assert first.node == "ip-10-0-0-7"


def test_of_two_pods_of_an_attempt_the_last_did_what_its_worker_reports():
    """A pod that was replaced is paid for, and what it did is not known."""
    status = lives()
    twice = status.model_copy(
        update={"attempts": (status.attempts[0].model_copy(update={"pod": "z"}), *status.attempts)}
    )
    replaced, first, _ = charges(STATUS, of_pods(twice, STATUS))

    assert replaced.stages["other"] == replaced.whole
    assert first.stages["train"].milliseconds == 700_000


def test_what_came_before_the_object_is_one_row():
    """An object made anew for a run that went on: its earlier attempts are listed as their sum."""
    second = lives().attempts[1].model_copy(update={"attempt": 1})
    status = FineTuneStatus(earlier_seconds=1010.0, earlier_usd=0.2525, attempts=(second,))
    earlier, _ = charges(STATUS, of_pods(status, STATUS, 1))

    assert (earlier.attempt, earlier.whole) == (0, (1_010_000, 252_500))
    assert earlier.stages["train"].milliseconds == 700_000


@pytest.mark.parametrize(
    "account",
    [
        {"attempts": [{"attempt": 1, "pod": "p", "seconds": -1.0}]},
        {"attempts": [{"attempt": 1, "pod": "p", "seconds": 1.0, "usd": -0.5}]},
        {"earlierSeconds": -1.0},
        {"earlierSeconds": 1.0, "earlierUsd": -0.5},
    ],
)
def test_an_account_below_zero_is_refused(account: dict[str, Any]):
    """The controller writes none; stages that add up to less than nothing are not to be found."""
    with pytest.raises(BadSpecError, match=r"^status\..*: correct the FineTuneJob's status$"):
        of_pods(FineTuneStatus.from_json(account), None)


def test_csv_has_plain_numbers_that_add_up():
    """One row for each charge, each stage in two columns."""
    bill = Bill(tuple(charges(STATUS, of_status(STATUS))))
    rows = list(csv.DictReader(io.StringIO(cost_csv(bill))))

    assert [row["attempt"] for row in rows] == ["1", "2"]
    assert rows[0]["train_seconds"] == "700.000000"
    assert float(rows[1]["saved_usd"]) == 0.90625
    for row in rows:
        assert sum(round(1e6 * float(row[f"{stage}_usd"])) for stage in STAGES) == 1e6 * float(row["usd"])


def test_the_table_shown_is_what_is_printed():
    """That of docs/cost.md is of the run of these tests; of two runs there is a total, too."""
    page = (Path(__file__).parents[2] / "docs" / "cost.md").read_text(encoding="utf-8")
    row = together(charges(STATUS, of_status(STATUS)))

    [shown] = re.findall(r"\$ ftjob cost\n(.+?)\n```", page, re.DOTALL)
    assert printed(cost_table(Bill((row,)))) == shown.splitlines()
    assert printed(cost_table(Bill((row, row))))[3].split()[:4] == ["total", "4", "46:40", "$0.70"]


def test_no_figure_is_cut_on_a_narrow_terminal():
    """Eighty columns hold a long name, hours and small amounts: the name is folded."""
    small = replace(FIRST, usd=0.0009, stages={**FIRST.stages, "replay": 9.0, "bundle": 7.0, "later": 3.0})
    long = replace(STATUS, name="a-name-of-forty-letters-is-the-longest-00")
    rows = charges(long, [small, replace(SECOND, seconds=90_000.0)])

    for bill in (Bill(tuple(rows)), Bill((together(rows),))):
        assert "…" not in "".join(printed(cost_table(bill), 80))


def printed(table: Table, width: int = 100) -> list[str]:
    console = Console(width=width, file=io.StringIO())
    console.print(table)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_since_is_a_while_ago_or_a_date(monkeypatch: pytest.MonkeyPatch):
    """Hours, days, weeks; dates and times in UTC; anything else is refused in one sentence."""
    monkeypatch.setattr("time.time", lambda: 1e9)

    assert [moment(text) for text in ("12h", "7d", "2w")] == [1e9 - 43200, 1e9 - 604800, 1e9 - 1209600]
    assert moment("2001-09-09") == 1e9 - 6400
    assert moment("2001-09-09T01:46:40+00:00") == 1e9
    for text in ("yesterday", "7", "d", "-3d", ""):
        with pytest.raises(BadSpecError, match=r"--since: .* is no time: give hours, days or weeks"):
            moment(text)


def test_rows_below_a_cent_add_up_to_the_sum_shown():
    """Three attempts of $0.00015 are $0.00045: no row is rounded otherwise than the sum."""
    rows = charges(STATUS, [replace(FIRST, attempt=number, usd=0.00015) for number in (1, 2, 3)])
    costs = [
        re.findall(r"\$[\d.]+", line)[0] for line in printed(cost_table(Bill(tuple(rows)))) if "$" in line
    ]

    assert costs[:4] == ["$0.00015"] * 3 + ["$0.00045"]


def test_a_sum_below_zero_is_shown():
    """Of an object whose status was written by hand: its columns stay, and the sign comes first."""
    seconds, usd = -1000, -250_000
    [row] = charges(STATUS, [FIRST])
    whole = Amount(seconds * 1000, usd)
    stages = dict.fromkeys(STAGES, Amount()) | {"train": whole}
    lines = printed(cost_table(Bill((replace(row, whole=whole, stages=stages),))))

    assert "TRAIN" in lines[0]
    assert "–" not in lines[2]
    assert lines[2].count("\N{MINUS SIGN}16:40") == 2
    assert [line.count("\N{MINUS SIGN}$0.25") for line in lines[2:]] == [1, 1]
