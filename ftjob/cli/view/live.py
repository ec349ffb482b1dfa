"""Live output: a run that is followed, work with a progress bar."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console

from ftjob.cli.view.runs import line, status_view
from ftjob.runfolder.status import Status

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ftjob.client.handle import RunHandle

QUIET_SECONDS = 15.0
"""Between two lines of progress where the output is not a terminal."""
LEAST_COLUMNS, LEAST_LINES = 60, 20
"""Of a terminal that is filled; in a smaller one the status alone is shown."""


def follow(console: Console, statuses: Iterable[Status]) -> Status:
    """Show statuses as they come, in place on a terminal, else a line now and then; return the last one."""
    if not console.is_terminal:
        return _follow_quietly(console, statuses)
    from rich.live import Live  # here, so that verbs which show nothing live do not wait for it

    last: Status | None = None
    with Live(console=console, refresh_per_second=8, transient=False) as live:
        for last in statuses:
            live.update(status_view(last))
    assert last is not None, "a run has a status"
    return last


def _follow_quietly(console: Console, statuses: Iterable[Status]) -> Status:
    last: Status | None = None
    shown = -QUIET_SECONDS
    tested: float | None = None
    for last in statuses:
        due = time.monotonic() - shown >= QUIET_SECONDS
        if due or last.state.ended or last.accuracy != tested:
            console.print(line(last), soft_wrap=True)
            shown, tested = time.monotonic(), last.accuracy
    assert last is not None, "a run has a status"
    return last


def watch(console: Console, run: "RunHandle") -> Status:
    """Fill a terminal with a run until it ends, and leave its last state there; elsewhere print lines.

    Raises StorageError where its status cannot be read. Curves that cannot be read are left out.
    """
    if not console.is_terminal or console.size.height < LEAST_LINES or console.size.width < LEAST_COLUMNS:
        return follow(console, run.follow())
    from rich.live import Live

    from ftjob.cli.view.screen import EVENTS, screen
    from ftjob.client.latest_facts import LatestFacts
    from ftjob.report.now import RunEvents

    events, curves = RunEvents(), LatestFacts(run)
    last: Status | None = None

    def shown(lines: int) -> "RenderableType":
        assert last is not None, "a run has a status"
        columns = console.size.width
        note = curves.problem and f"no curves: {curves.problem}"
        return screen(curves.facts, last, events.last(EVENTS), columns, lines, note)

    with Live(console=console, refresh_per_second=4, screen=True, auto_refresh=False) as live:
        for update in run.updates():
            last = update.status
            events.see(last)
            curves.refresh(last)
            live.update(shown(console.size.height), refresh=True)
            if update.ended:
                break
    assert last is not None, "a run has a status"
    console.print(shown(min(console.size.height, LEAST_LINES)))
    return last


@contextmanager
def progress_bar(console: Console) -> "Iterator[Callable[[float, float, str], None]]":
    """Give a function (done, total, what) that shows a bar with the time left, one line per `what`."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    # A bar on stderr must not draw what is printed to stdout, a file perhaps, into the terminal.
    with Progress(
        *columns, console=console, disable=not console.is_terminal, redirect_stdout=not console.stderr
    ) as bar:
        tasks: dict[str, TaskID] = {}
        shown_at = time.monotonic()

        def show(done: float, total: float, what: str) -> None:
            nonlocal shown_at
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=None)
            bar.update(tasks[what], completed=done, total=total)
            if not console.is_terminal and time.monotonic() - shown_at >= QUIET_SECONDS:
                shown_at = time.monotonic()
                console.print(f"{what}: {done:.0f} of {total:.0f}", soft_wrap=True)

        yield show
