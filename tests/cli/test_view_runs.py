"""What people are told of a run's money while it goes on."""

from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from ftjob.cli.view.runs import line, runs_table, status_view
from ftjob.report.now import spent
from ftjob.runfolder.status import State, Status

RUN = Status(
    "emotions", "1f3b9c02aa", State.RUNNING, iteration=40, max_iter=100, usd=0.05, usd_estimate=0.934
)


def printed(view: object) -> str:
    console = Console(width=110)
    with console.capture() as capture:
        console.print(view)
    return capture.get()


def test_what_all_of_it_will_cost_is_told_while_it_goes_on() -> None:
    """In the list, the status, what is watched, and a line of a log."""
    for told in (printed(runs_table([RUN])), printed(status_view(RUN)), line(RUN)):
        assert "$0.05 of $0.93" in told


@pytest.mark.parametrize(
    "changes", [{"state": State.SUCCEEDED}, {"usd_estimate": None}, {"usd_estimate": 0.0}]
)
def test_what_is_over_or_unknown_or_free_has_no_estimate(changes: dict[str, Any]) -> None:
    """Then what was spent is all there is to tell."""
    assert spent(replace(RUN, **changes)) == "$0.05"


def test_a_narrow_list_cuts_no_figure() -> None:
    """Long names are folded; the rest of a row stays whole."""
    console = Console(width=80)
    with console.capture() as capture:
        console.print(
            runs_table([replace(RUN, name="emotions-of-faces-in-crowds", run_id="sweep-1f3b9c02aa")])
        )

    assert "40/100" in capture.get()
    assert "$0.05 of $0.93" in capture.get()
