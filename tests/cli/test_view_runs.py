"""What people see of a run's money while it goes on."""

from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from ftjob.cli.view.runs import line, runs_table, status_view
from ftjob.report.now import gpu_use, spent
from ftjob.runfolder.status import GpuUse, State, Status

RUN = Status(
    "emotions", "1f3b9c02aa", State.RUNNING, iteration=40, max_iter=100, usd=0.05, usd_estimate=0.934
)


def printed(view: object) -> str:
    console = Console(width=110)
    with console.capture() as capture:
        console.print(view)
    return capture.get()


def test_what_all_of_it_will_cost_is_shown_while_it_goes_on() -> None:
    """In the list, the status, what is watched, and a line of a log."""
    for shown in (printed(runs_table([RUN])), printed(status_view(RUN)), line(RUN)):
        assert "$0.05 of $0.93" in shown


@pytest.mark.parametrize(
    "changes", [{"state": State.SUCCEEDED}, {"usd_estimate": None}, {"usd_estimate": 0.0}]
)
def test_what_is_over_or_unknown_or_free_has_no_estimate(changes: dict[str, Any]) -> None:
    """Then what was spent is all there is to show."""
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


GIB = 2**30


@pytest.mark.parametrize(
    ("gpus", "shown"),
    [
        ((GpuUse(0.97, 11 * GIB, 12 * GIB),), "GPU 97%, 11.0 of 12.0 GiB"),
        (
            (GpuUse(0.5, 2 * GIB, 16 * GIB), GpuUse(1.0, 3 * GIB, 16 * GIB)),
            "2 GPUs 50% to 100%, 3.0 of 16.0 GiB",
        ),
        ((), ""),
    ],
)
def test_what_the_gpus_do_is_shown_while_they_do_it(gpus: tuple[GpuUse, ...], shown: str) -> None:
    """Of several the least busy and the fullest, at which one has to look."""
    running = replace(RUN, gpus=gpus)

    assert gpu_use(running) == shown
    assert shown in " ".join(printed(status_view(running)).split())
    assert gpu_use(replace(running, state=State.SUCCEEDED)) == ""
