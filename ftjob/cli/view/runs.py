"""Runs: the list of them, one at a glance, and what submit prints."""

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table

from ftjob.cli.view.markup import Text
from ftjob.formatting import age, dollars, duration, number, percent
from ftjob.report.now import gpu_use, spent
from ftjob.runfolder.status import State, Status

STATE_STYLE = {
    State.PENDING: "yellow",
    State.RUNNING: "cyan",
    State.SUCCEEDED: "green",
    State.FAILED: "red",
    State.STOPPED: "yellow",
    State.INTERRUPTED: "red",
    State.UNREACHABLE: "red",
    State.STOPPING: "yellow",
    State.RETRYING: "yellow",
    State.SUSPENDED: "yellow",
}
WORTH_A_WORD = 0.01
"""The share of training spent waiting for images from which a run's status mentions it."""


def runs_table(statuses: Iterable[Status]) -> Table:
    """Return `ftjob ls`'s table, one run a row."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("NAME", "RUN"):
        table.add_column(heading, overflow="fold")  # where it is narrow, so that no figure is cut
    table.add_column("STATE", no_wrap=True)
    for heading in ("ITERATION", "ACCURACY", "COST", "TIME", "AGE"):
        table.add_column(heading, justify="right", no_wrap=True)
    for status in statuses:
        table.add_row(
            status.name,
            status.run_id,
            Text(status.state, STATE_STYLE[status.state]),
            f"{status.iteration}/{status.max_iter}",
            percent(status.best_accuracy),
            spent(status),
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
        f"  stage {status.stage_under_way}" if status.stage_under_way else "",
        f"  attempt {status.attempt}" if status.attempt > 1 else "",
    )
    lines: list[RenderableType] = [head]
    if status.max_iter:
        lines.append(_progress(status))
    if status.iteration or status.accuracy is not None:
        lines.append(_figures(status))
    if status.stage_results:
        lines.append(_stages_table(status))
    if status.resumed:
        was = status.resumed
        text = f"resumed at {was.iteration}; {was.images_replayed} images replayed"
        lines.append(Text(f"{text}; {was.seconds + was.lost_seconds:.1f} seconds lost", "dim"))
    if status.message:
        lines.append(Text(status.message, STATE_STYLE[status.state]))
    return Group(*lines)


def _stages_table(status: Status) -> Table:
    """Return a line for each stage: how far it is, its best accuracy, and what this run paid for it."""
    table = Table.grid(padding=(0, 2))
    for each in status.stage_results:
        paid = f"from run {each.reused_from}, $0" if each.reused_from else f"{dollars(each.usd)}"
        table.add_row(
            Text(f"stage {each.name}"),
            Text(each.state, STATE_STYLE[each.state]),
            f"{each.iteration}/{each.max_iter}",
            f"accuracy {percent(each.accuracy)}",
            f"{duration(each.seconds)}, {paid}" if each.seconds or each.reused_from else "",
        )
    return table


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
    if status.best_accuracy is not None and status.best_iteration is not None:
        best = f" (best {percent(status.best_accuracy)} at {status.best_iteration})"
    parts = [
        f"loss {number(status.loss)}",
        f"lr {number(status.learning_rate)}",
        f"accuracy {percent(status.accuracy)}{best}",
        f"{speed:.0f} images/s" if speed else "",
        gpu_use(status),
        _waiting(status),
        f"snapshot {status.snapshot}" if status.snapshot is not None else "",
        spent(status) if status.usd else "",
    ]
    return Text("  ".join(part for part in parts if part))


def _waiting(status: Status) -> str:
    """How much of the newest attempt's training went into waiting for images, where it is worth a word."""
    waiting = status.attempts[-1].waiting if status.attempts else None
    return f"{percent(waiting)} of it waiting for images" if waiting and waiting >= WORTH_A_WORD else ""


def line(status: Status) -> str:
    """Return a status as one line of a log."""
    figures = f"loss {number(status.loss)}, accuracy {percent(status.accuracy)}"
    speed = f", {status.images_per_second:.0f} images/s" if status.images_per_second else ""
    eta = f", ETA {duration(status.eta_seconds)}" if status.eta_seconds is not None else ""
    money = f", {spent(status)}" if status.usd else ""
    message = f": {status.message}" if status.message else ""
    place = f"{status.iteration}/{status.max_iter}" if status.max_iter else status.stage
    if status.stage_under_way:
        place = f"{status.stage_under_way} {place}"
    return f"{status.name}/{status.run_id} {status.state} {place}, {figures}{speed}{eta}{money}{message}"


def submitted(status: Status, folder: str, *, started: bool) -> RenderableType:
    """Return what submit did, and which commands are useful next."""
    run = f"{status.name}/{status.run_id}"
    text = "started" if started else f"is {status.state} already; nothing was started"
    lines = [f"{run} {text}", f"  folder      {folder}"]
    if not status.state.ended:
        verbs = ("watch", "logs -f", "cancel")
        lines += [f"  ftjob {verb:<8} {status.name}" for verb in verbs]
    else:
        lines += [f"  ftjob get      {status.name} DESTINATION"]
    return Text("\n".join(lines))
