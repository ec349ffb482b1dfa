"""What people see: tables and the live view. Values come in, renderables go out."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ftjob.status import State, Status

if TYPE_CHECKING:
    from ftjob.bundle.verify import Verification
    from ftjob.data.build import Manifest
    from ftjob.plan.plan import Plan

STATE_STYLE = {
    State.PENDING: "yellow",
    State.RUNNING: "cyan",
    State.SUCCEEDED: "green",
    State.FAILED: "red",
    State.STOPPED: "yellow",
    State.INTERRUPTED: "red",
}
QUIET_SECONDS = 15.0
"""Between two lines of progress where the output is not a terminal."""


def duration(seconds: float | None) -> str:
    """Return hours, minutes and seconds: 1:02:03, or 2:03."""
    if seconds is None:
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def percent(share: float | None) -> str:
    """Return a share as 71.3 %."""
    return "–" if share is None else f"{share:.1%}"


def number(value: float | None, form: str = ".4g") -> str:
    """Return a number, or a dash where there is none."""
    return "–" if value is None else format(value, form)


def dollars(usd: float) -> str:
    """Return an amount to the cent, or finer where it is less."""
    return f"${usd:.2f}" if usd >= 0.01 or usd == 0 else f"${usd:.4f}"


def age(since: float | None) -> str:
    """Return the time since then in its largest unit: 5s, 3m, 2h, 4d."""
    if since is None:
        return "–"
    seconds = max(0.0, time.time() - since)
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{int(seconds)}s"


def runs_table(statuses: Iterable[Status]) -> Table:
    """Return `ftjob ls`'s table, one run a row."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("NAME", "RUN", "STATE"):
        table.add_column(heading, no_wrap=True)
    for heading in ("ITERATION", "ACCURACY", "COST", "TIME", "AGE"):
        table.add_column(heading, justify="right", no_wrap=True)
    for status in statuses:
        table.add_row(
            status.name,
            status.run_id,
            Text(status.state, STATE_STYLE[status.state]),
            f"{status.iteration}/{status.max_iter}",
            percent(status.best_accuracy),
            dollars(status.usd),
            duration(status.seconds),
            age(status.submitted),
        )
    return table


def status_view(status: Status) -> RenderableType:
    """Return a run's present state in a few lines: progress first, then the figures that matter."""
    head = Text.assemble(
        (f"{status.name}/{status.run_id}", "bold"),
        "  ",
        (str(status.state), STATE_STYLE[status.state]),
        f" {status.stage}" if status.stage and not status.state.ended else "",
        f"  attempt {status.attempt}" if status.attempt > 1 else "",
    )
    lines: list[RenderableType] = [head]
    if status.max_iter:
        lines.append(_progress(status))
    if status.iteration or status.accuracy is not None:
        lines.append(_figures(status))
    if status.resumed:
        told = f"resumed at {status.resumed.iteration}; {status.resumed.images_replayed} images passed over"
        lines.append(Text(told, "dim"))
    if status.message:
        lines.append(Text(status.message, STATE_STYLE[status.state]))
    return Group(*lines)


def _progress(status: Status) -> Table:
    row = Table.grid(padding=(0, 1))
    share = status.iteration / status.max_iter
    row.add_row(
        ProgressBar(total=status.max_iter, completed=status.iteration, width=40),
        f"{status.iteration}/{status.max_iter}",
        f"{share:.0%}",
        f"ETA {duration(status.eta_seconds)}" if not status.state.ended else f"in {duration(status.seconds)}",
    )
    return row


def _figures(status: Status) -> Text:
    speed = status.images_per_second
    best = ""
    if status.best_accuracy is not None:
        best = f" (best {percent(status.best_accuracy)} at {status.best_iteration})"
    parts = [
        f"loss {number(status.loss)}",
        f"lr {number(status.learning_rate)}",
        f"accuracy {percent(status.accuracy)}{best}",
        f"{speed:.0f} images/s" if speed else "",
        f"snapshot {status.snapshot}" if status.snapshot is not None else "",
        dollars(status.usd) if status.usd else "",
    ]
    return Text("  ".join(part for part in parts if part))


def follow(console: Console, statuses: Iterable[Status]) -> Status:
    """Show statuses as they come, in place on a terminal, else a line now and then; return the last one."""
    if not console.is_terminal:
        return _follow_quietly(console, statuses)
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


def line(status: Status) -> str:
    """Return a status as one line of a log."""
    figures = f"loss {number(status.loss)}, accuracy {percent(status.accuracy)}"
    speed = f", {status.images_per_second:.0f} images/s" if status.images_per_second else ""
    eta = f", ETA {duration(status.eta_seconds)}" if status.eta_seconds is not None else ""
    told = f": {status.message}" if status.message else ""
    place = f"{status.iteration}/{status.max_iter}" if status.max_iter else status.stage
    return f"{status.name}/{status.run_id} {status.state} {place}, {figures}{speed}{eta}{told}"


def plan_view(plan: "Plan") -> RenderableType:
    """Return the few lines of a plan that matter before a run starts."""
    spec, train, val = plan.spec, plan.inputs.train, plan.inputs.val
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    source = f" ← {spec.base.weights}" if spec.base.weights else " from scratch"
    table.add_row("net", f"{spec.base.net}{source}")
    table.add_row(
        "data", f"{train.records} images to train on, {val.records} to validate, {len(plan.labels)} classes"
    )
    table.add_row("heads", ", ".join(f"{head.source} → {head.layer}" for head in plan.heads))
    kinds: dict[str, int] = {}
    for layer in plan.transfer:
        kinds[layer.kind] = kinds.get(layer.kind, 0) + 1
    if spec.base.weights:
        table.add_row("weights", ", ".join(f"{count} {kind}" for kind, count in kinds.items()))
    solver = plan.solver
    table.add_row(
        "solver",
        f"{solver.max_iter} iterations of {plan.images_per_iteration} images, "
        f"test every {solver.test_interval}, snapshot every {solver.snapshot}",
    )
    return table


def submitted(status: Status, folder: str, *, started: bool) -> RenderableType:
    """Say what submit did, and which commands are useful next."""
    run = f"{status.name}/{status.run_id}"
    told = "started" if started else f"is {status.state} already; nothing was started"
    lines = [f"{run} {told}", f"  folder      {folder}"]
    if not status.state.ended:
        verbs = ("watch", "logs -f", "cancel")
        lines += [f"  ftjob {verb:<8} {status.name}" for verb in verbs]
    else:
        lines += [f"  ftjob get      {status.name} DESTINATION"]
    return Text("\n".join(lines))


def verified(verification: "Verification") -> Text:
    """Say whether a bundle answers the same."""
    what = f"{verification.same_answers} of {verification.images} golden images answered the same"
    close = f"largest difference between scores {verification.largest_difference:.1e} of the largest score"
    return Text(f"{what}; {close}", "green" if verification.ok else "red")


@contextmanager
def progress_bar(console: Console) -> "Iterator[Callable[[float, float, str], None]]":
    """Give a function (done, total, what) that shows a bar with the time left, one line per `what`."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        tasks: dict[str, TaskID] = {}

        def show(done: float, total: float, what: str) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=None)
                if not console.is_terminal:
                    console.print(what, soft_wrap=True)
            bar.update(tasks[what], completed=done, total=total)

        yield show


def built(manifest: "Manifest", out: str) -> RenderableType:
    """Say what a dataset holds."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("LABEL", "CLASS", "TRAIN", "VAL"):
        table.add_column(heading, justify="left" if heading == "CLASS" else "right")
    counts = [manifest.splits[split].histogram for split in ("train", "val") if split in manifest.splits]
    for label, name in enumerate(manifest.labels):
        table.add_row(str(label), name, *(str(histogram[label]) for histogram in counts))
    return Group(table, Text(out))
