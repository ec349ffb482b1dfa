"""The screen of `ftjob watch`: one run on a whole terminal, from 80 columns by 24 lines up."""

import time
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table

from ftjob.cli.view.markup import Text
from ftjob.cli.view.plot import PlotLine, plot
from ftjob.cli.view.runs import STATE_STYLE
from ftjob.report.facts import Facts
from ftjob.report.now import computing_now, figures_now, money_now, progress_now
from ftjob.runfolder.charges import Bill
from ftjob.runfolder.status import Status
from jobspec.problems import one_line
from jobspec.text import plain

EVENTS = 4
"""Lines of what happened last."""
LEAST_PLOT = 5
"""Lines below which curves are left out."""
BAR = 24
"""Letters of a bar."""
WIDE = 130
"""Columns from which the learning rate has a plot of its own."""
TRAINED, TESTED, RATE = "cyan", "yellow", "green"


def screen(
    facts: Facts | None,
    status: Status,
    events: Sequence[tuple[float, str]],
    columns: int,
    rows: int,
    note: str = "",
) -> RenderableType:
    """Return everything about a run that fits into so many columns and lines.

    `facts` may be some seconds older than `status`, and None where they could not be read yet; `note` says
    why there are none that are newer.
    """
    facts = facts or Facts(status, Bill(()))
    figures, computing = _line(figures_now(status)), _line(computing_now(facts, status))
    head = [_head(status), _progress(status), _money(facts, status), figures, computing]
    foot: list[RenderableType] = [_event(each) for each in events]
    if status.message:
        foot.append(Text(plain(status.message), STATE_STYLE[status.state], overflow="ellipsis", no_wrap=True))
    if note:
        foot.append(Text(plain(note), "dim", overflow="ellipsis", no_wrap=True))
    room = rows - len(head) - len(foot) - 3
    parts: list[RenderableType] = [*head, ""]
    if room >= LEAST_PLOT:
        parts += [_plots(facts, status, columns, room), ""]
    return Group(*parts, *foot)


def _head(status: Status) -> RenderableType:
    line = Text(overflow="ellipsis", no_wrap=True).append(f"{status.name}/{status.run_id}", "bold")
    line.append("  ").append(str(status.state), STATE_STYLE[status.state])
    if status.stage and not status.state.ended:
        line.append(f" {one_line(status.stage)}")
    if status.attempt > 1:
        line.append(f"  attempt {status.attempt}")
    return line


def _progress(status: Status) -> RenderableType:
    """Return iterations, their share and the time to come."""
    text = progress_now(status)
    if not status.max_iter:
        return Text(f"iterations  {text}", "dim")
    return _bar("iterations", status.iteration, status.max_iter, text)


def _money(facts: Facts, status: Status) -> RenderableType:
    """Return what was spent and is to come, beside the budget."""
    money = money_now(facts, status)
    whole = money.budget if money.budget is not None else money.whole or 1.0
    return _bar("dollars", money.usd, whole, money.text, "red" if money.is_over else "")


def _bar(title: str, done: float, whole: float, text: str, style: str = "") -> Table:
    row = Table.grid(padding=(0, 1))
    row.add_column(no_wrap=True)
    row.add_column(no_wrap=True)
    row.add_column(no_wrap=True, overflow="ellipsis")
    bar = ProgressBar(total=whole, completed=min(done, whole), width=BAR)
    row.add_row(f"{title:<10}", bar, Text(text, style))
    return row


def _line(parts: Sequence[str]) -> Text:
    return Text("  ".join(parts) or "–", overflow="ellipsis", no_wrap=True)


def _plots(facts: Facts, status: Status, columns: int, rows: int) -> RenderableType:
    count = 3 if columns >= WIDE else 2
    width = (columns - 2 * (count - 1)) // count
    last = float(status.max_iter or status.iteration)
    losses = [
        PlotLine([(each.iteration, _or_nan(each.loss)) for each in facts.train], TRAINED),
        PlotLine([(each.iteration, _or_nan(each.loss)) for each in facts.tests], TESTED),
    ]
    accuracies = [PlotLine([(each.iteration, each.accuracy * 100) for each in facts.tests], TESTED)]
    rates = [PlotLine([(each.iteration, _or_nan(each.learning_rate)) for each in facts.train], RATE)]
    plots = [
        plot("loss (train, test)", losses, width, rows, ".3g", last),
        plot("accuracy, %", accuracies, width, rows, ".3g", last),
        plot("learning rate", rates, width, rows, ".0e", last),
    ]
    grid = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(count):
        grid.add_column(width=width, no_wrap=True, overflow="crop")
    grid.add_row(*(Group(*lines) for lines in plots[:count]))
    return grid


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value


def _event(event: tuple[float, str]) -> RenderableType:
    moment, text = event
    shown = time.strftime("%H:%M:%S", time.localtime(moment))
    return Text.assemble((shown, "dim"), f"  {text}", overflow="ellipsis", no_wrap=True)
