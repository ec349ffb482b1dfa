"""The screen of `ftjob watch`: one run on a whole terminal, from 80 columns by 24 lines up."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table

from ftjob.cli.view.markup import Text
from ftjob.cli.view.plot import PlotLine, plot
from ftjob.cli.view.runs import STATE_STYLE, gpu_use
from ftjob.formatting import brief, dollars, duration, number, percent
from ftjob.report.facts import Facts
from ftjob.runfolder.charges import Bill
from ftjob.runfolder.status import Attempt, Status
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


@dataclass
class RunEvents:
    """What happened to a run while it was watched, and its attempts before."""

    lines: list[tuple[float, str]] = field(default_factory=list)
    """Seconds since 1970, and a sentence."""
    _last: Status | None = None

    def see(self, status: Status, now: float | None = None) -> None:
        """Note what is new in a status."""
        moment = time.time() if now is None else now
        if self._last is None:
            self.lines += list(_earlier(status.attempts))
        else:
            self.lines += [(moment, text) for text in _changes(self._last, status)]
        self._last = status

    def last(self, most: int) -> list[tuple[float, str]]:
        """Return the newest, oldest first."""
        return self.lines[-most:] if most else []


def _earlier(attempts: Sequence[Attempt]) -> Iterator[tuple[float, str]]:
    for each in attempts:
        where = f"{each.node}, spot" if each.spot else each.node
        yield each.begun, f"attempt {each.attempt} begins on {where}"
        if each.reason:
            took = f"{brief(each.seconds)}, {dollars(each.usd)}"
            yield each.begun + each.seconds, f"attempt {each.attempt} ends: {each.reason} ({took})"


def _changes(before: Status, now: Status) -> Iterator[str]:
    """Yield a sentence for each thing that two statuses tell apart."""
    if now.attempt != before.attempt:
        yield f"attempt {now.attempt} begins"
    if now.resumed and now.resumed != before.resumed:
        yield f"resumed at {now.resumed.iteration:,}"
    if now.accuracy is not None and (now.accuracy, now.best_iteration) != (
        before.accuracy,
        before.best_iteration,
    ):
        best = ", the best so far" if now.best_accuracy == now.accuracy != before.best_accuracy else ""
        yield f"accuracy {percent(now.accuracy)} at {now.iteration:,}{best}"
    if now.snapshot is not None and now.snapshot != before.snapshot:
        yield f"snapshot {now.snapshot:,} is complete"
    if now.state is not before.state or now.reason != before.reason:
        yield f"{now.state}: {now.reason}"


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
    head = [_head(status), _progress(status), _money(facts, status), _figures(status), _where(facts, status)]
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
    if not status.max_iter:
        return Text("iterations  –", "dim")
    time_left = (
        f"in {duration(status.seconds)}" if status.state.ended else f"ETA {duration(status.eta_seconds)}"
    )
    share = status.iteration / status.max_iter
    count = f"{status.iteration:,}/{status.max_iter:,}  {share:.0%}  {time_left}"
    return _bar("iterations", status.iteration, status.max_iter, count)


def _money(facts: Facts, status: Status) -> RenderableType:
    """Return what was spent and is to come, beside the budget."""
    whole = status.usd if status.state.ended else max(status.usd, status.usd_estimate or 0.0)
    budget = facts.spec.budget.usd if facts.spec else None
    to_come = f", {dollars(whole - status.usd)} to come" if whole > status.usd else ""
    text = f"{dollars(status.usd)} spent{to_come}"
    if budget is None:
        return _bar("dollars", status.usd, whole or 1.0, f"{text}, no budget")
    over = whole > budget
    return _bar("dollars", status.usd, budget, f"{text}, budget {dollars(budget)}", "red" if over else "")


def _bar(title: str, done: float, whole: float, text: str, style: str = "") -> Table:
    row = Table.grid(padding=(0, 1))
    row.add_column(no_wrap=True)
    row.add_column(no_wrap=True)
    row.add_column(no_wrap=True, overflow="ellipsis")
    bar = ProgressBar(total=whole, completed=min(done, whole), width=BAR)
    row.add_row(f"{title:<10}", bar, Text(text, style))
    return row


def _figures(status: Status) -> Text:
    best = ""
    if status.best_accuracy is not None:
        best = f" (best {percent(status.best_accuracy)} at {status.best_iteration:,})"
    parts = [
        f"loss {number(status.loss)}",
        f"lr {number(status.learning_rate)}",
        f"accuracy {percent(status.accuracy)}{best}",
    ]
    return Text("  ".join(parts), overflow="ellipsis", no_wrap=True)


def _where(facts: Facts, status: Status) -> Text:
    """Return what computes, how fast, and how much of the time it waits."""
    attempt = status.attempts[-1] if status.attempts else None
    node = (
        f"{attempt.node}{', spot' if attempt.spot else ''} at {dollars(attempt.usd_per_hour)}/h"
        if attempt
        else ""
    )
    speed, waiting = status.images_per_second, attempt.waiting if attempt else None
    parts = [
        f"{speed:.0f} images/s" if speed else "",
        gpu_use(status),
        f"{percent(waiting)} of it waiting for images" if waiting is not None else "",
        node,
        f"engine {facts.plan.engine.name}" if facts.plan else "",
        f"snapshot {status.snapshot:,}" if status.snapshot is not None else "",
    ]
    return Text("  ".join(part for part in parts if part) or "–", overflow="ellipsis", no_wrap=True)


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
