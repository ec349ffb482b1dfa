"""Laws of what `ftjob watch` fills a terminal with, whatever a run's documents hold."""

import io
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from ftjob.cli.view import live
from ftjob.cli.view.plot import PlotLine, plot
from ftjob.cli.view.screen import screen
from ftjob.client.handle import RunHandle, RunUpdate
from ftjob.errors import StorageError
from ftjob.report.facts import Facts
from ftjob.report.now import RunEvents
from ftjob.runfolder.charges import Bill
from ftjob.runfolder.records import metrics
from ftjob.runfolder.status import Attempt, GpuUse, State, Status
from jobspec import parse_spec

SPEC = """
name: emotions
base: {net: googlenet}
data: {train: a, val: b}
budget: {usd: 2}
output: runs
"""
RUN = Status(
    "emotions",
    "1f3b9c02aa",
    State.RUNNING,
    stage="train",
    attempt=2,
    iteration=2340,
    max_iter=6000,
    loss=0.312,
    learning_rate=0.0001,
    accuracy=0.783,
    best_accuracy=0.79,
    best_iteration=2200,
    snapshot=2200,
    images_per_second=118.0,
    gpus=(GpuUse(0.97, 11 * 2**30, 12 * 2**30),),
    eta_seconds=3723.0,
    seconds=2500.0,
    usd=0.41,
    usd_estimate=1.1,
    attempts=(
        Attempt(1, "p2.xlarge", 0.27, 1e9, 1200.0, 0.18, "Preempted", spot=True),
        Attempt(
            2, "p2.xlarge", 0.27, 1e9 + 1500, 1300.0, 0.23, stages={"train": 1000.0}, waited_seconds=21.0
        ),
    ),
)
WORDS = st.text(max_size=300)
NUMBERS = st.floats(-3e38, 3e38) | st.none()


def facts_of(status: Status, losses: list[float | None]) -> Facts:
    train = tuple(metrics.TrainLine(at, loss, loss, 0.1, {}) for at, loss in enumerate(losses, 1))
    tests = tuple(
        metrics.TestLine(
            iteration=at, loss=loss, seconds=1.0, accuracy=at % 101 / 100, top5=None, heads={}, images=9
        )
        for at, loss in enumerate(losses, 1)
    )
    return Facts(status, Bill(()), spec=parse_spec(SPEC, "spec.yaml"), train=train, tests=tests)


def printed(view: object, columns: int, rows: int) -> list[str]:
    console = Console(width=columns, height=rows, file=io.StringIO(), color_system=None, legacy_windows=False)
    with console.capture() as capture:
        console.print(view)
    return capture.get().splitlines()


@given(
    columns=st.integers(60, 220),
    rows=st.integers(20, 80),
    losses=st.lists(NUMBERS, max_size=60),
    message=WORDS,
    stage=WORDS,
    usd=st.floats(0, 1e9),
    iteration=st.integers(0, 2**31 - 1),
    state=st.sampled_from(State),
)
def test_it_fits_the_terminal(
    columns: int,
    rows: int,
    losses: list[float | None],
    message: str,
    stage: str,
    usd: float,
    iteration: int,
    state: State,
) -> None:
    """No line is wrapped or cut off below, from 60 by 20 up."""
    status = replace(RUN, message=message, stage=stage, usd=usd, iteration=iteration, state=state)
    events = RunEvents()
    events.see(RUN, now=1e9)
    events.see(status, now=1e9)
    lines = printed(
        screen(facts_of(status, losses), status, events.last(4), columns, rows, message), columns, rows
    )
    assert len(lines) <= rows - 1, lines
    assert lines[0].startswith("emotions/1f3b9c02aa")


def test_what_it_shows_at_80_by_24() -> None:
    """Iterations, money against the budget, figures, curves, events."""
    events = RunEvents()
    events.see(replace(RUN, snapshot=2000), now=1e9)
    events.see(RUN, now=1e9)
    losses = [2 * math.exp(-at / 10) for at in range(60)]
    text = "\n".join(printed(screen(facts_of(RUN, [*losses]), RUN, events.last(4), 80, 24), 80, 24))
    for shown in (
        "2,340/6,000  39%  ETA 1:02:03",
        "$0.41 spent, $0.69 to come, budget $2.00",
        "accuracy 78.3% (best 79.0% at 2,200)",
        "118 images/s  GPU 97%, 11.0 of 12.0 GiB  2.1% of it waiting for images",
        "attempt 1 ends: Preempted (20:00, $0.18)",
        "snapshot 2,200 is complete",
        "loss (train, test)",
    ):
        assert shown in text


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=200, unique=True))
def test_a_rising_curve_rises(heights: list[float]) -> None:
    """The dots of a sorted series never go down from left to right."""
    points = list(enumerate(sorted(heights)))
    lines = plot("y", [PlotLine(points, "cyan")], 40, 12, ".3g", float(len(points) - 1))
    area = [str(line)[8:] for line in lines[1:-1]]
    lowest = [
        max((row for row, line in enumerate(area) if line[column : column + 1].strip()), default=None)
        for column in range(max(map(len, area)))
    ]
    known = [row for row in lowest if row is not None]
    assert known == sorted(known, reverse=True)
    assert len(lines) == 12


class Scripted:
    """A run that goes through some statuses, whose folder can be read after a while."""

    def __init__(self, statuses: list[Status]) -> None:
        self._statuses, self.asked = statuses, 0

    def updates(self, deadline: float | None = None) -> Iterator[RunUpdate]:
        for status in self._statuses:
            yield RunUpdate(status, status.state.ended)

    def follow(self) -> Iterator[Status]:
        return iter(self._statuses)

    def facts(self) -> Facts:
        self.asked += 1
        if self.asked == 1:
            raise StorageError("s3://runs: access denied")
        return facts_of(self._statuses[-1], [1.0, 0.5])


@pytest.mark.parametrize(("columns", "rows", "filled"), [(80, 24, True), (40, 24, False), (80, 10, False)])
def test_a_run_is_watched_to_its_end(columns: int, rows: int, filled: bool) -> None:
    """Without rights to its folder too; a small terminal shows the status alone. Its last state stays."""
    ended = replace(RUN, state=State.SUCCEEDED, iteration=6000)
    run = Scripted([RUN, ended])
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=columns, height=rows)
    assert live.watch(console, cast("RunHandle", run)) == ended
    text = out.getvalue()
    assert ("access denied" in text) is filled
    assert ("loss (train, test)" in text.rpartition("\x1b[?1049l")[2]) is filled  # after the alternate screen
    assert "Succeeded" in text.rpartition("\x1b[?1049l")[2]


def test_elsewhere_it_prints_lines() -> None:
    """Into a file or a pipe: nothing that moves the cursor."""
    out = io.StringIO()
    live.watch(Console(file=out, force_terminal=False, width=200), cast("RunHandle", Scripted([RUN])))
    assert out.getvalue().startswith("emotions/1f3b9c02aa Running 2340/6000, loss 0.312")
    assert "\x1b" not in out.getvalue()
