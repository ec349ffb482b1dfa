"""How every verb prints: options and consoles that the rooms of the command line share."""

import io
import json
import os
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import rich.text
import typer
from rich.console import Console

from ftjob.runfolder.address import RunReference
from jobspec.text import plain, visible_lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftjob.client.handle import RunHandle
    from ftjob.dataset.build.build import DataProgress


class Format(StrEnum):
    """How a verb prints."""

    TEXT = "text"
    JSON = "json"


KubeContext = Annotated[
    str | None, typer.Option("--context", help="A cluster, by its context in the kubeconfig.")
]
KubeNamespace = Annotated[str | None, typer.Option("--namespace", "-n", help="A namespace of the cluster.")]
RunName = Annotated[
    str, typer.Argument(metavar="RUN", help="NAME (its newest run), NAME/ID or a run's folder.")
]
Output = Annotated[Format, typer.Option("-o", "--output", help="text for people, json for programs.")]


class Screen(Console):
    """A console to which a string is plain text: no markup, no emoji codes, every character visible."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, stderr=stderr)

    def render_str(self, text: str, **style: Any) -> rich.text.Text:
        """Return what a string looks like: rich asks this of all that it prints, cells of tables included."""
        return super().render_str(visible_lines(text), **style)

    def on_broken_pipe(self) -> None:
        """End in silence."""
        end_closed()


def console(*, stderr: bool = False) -> Console:
    """Return the console that people read."""
    return Screen(stderr=stderr)


def write(text: str) -> None:
    """Write text to stdout as it is, but for what cannot be seen."""
    try:
        sys.stdout.write(visible_lines(text))
        sys.stdout.flush()
    except BrokenPipeError:
        end_closed()


def print_json(value: Any) -> None:
    """Print what programs read: exact data in ASCII, since JSON has escapes of its own."""
    write(json.dumps(value, indent=1) + "\n")


def print_error(message: str) -> None:
    """Print what went wrong: a line for each problem, a thousand characters of each, and forty of them."""
    lines = message.splitlines()
    shown = [plain(line) for line in lines[:MOST_PROBLEMS]]
    if len(lines) > len(shown):
        shown.append(f"… and {len(lines) - len(shown)} more lines")
    sys.stderr.write("\n".join([*shown, ""]))


def open_streams() -> None:
    """Have stdout take every character, whatever the locale's encoding; a closed one takes all in silence."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def end_closed() -> NoReturn:
    """Exit because stdout's reader is gone, without a word of Python's about what is still to be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(CLOSED)


def reference(run: "RunHandle") -> str:
    """Return NAME/ID of a run."""
    return str(RunReference(run.name, run.run_id))


def ask(question: str) -> bool:
    """Put a question that is answered with y or n, on stderr: what programs read stays apart."""
    return typer.confirm(question, err=True)


def is_attended() -> bool:
    """Return whether somebody is at the terminal to answer."""
    return sys.stdin.isatty() and sys.stderr.isatty()


LEAST_SHOWN = 1_000_000
"""Bytes of a transfer that is worth a bar."""
MOST_PROBLEMS = 40
"""Lines of an error that are printed."""
CLOSED = 141
"""The exit code where nobody reads on, as of programs that SIGPIPE ends: `ftjob ls | head -1`."""


def images_on(
    show: "Callable[[float, float, str], None]", what: str = "images stored"
) -> "Callable[[DataProgress], None]":
    """Return a function that shows a dataset's progress on a bar."""

    def on_progress(progress: "DataProgress") -> None:
        if progress.spared_seconds or (progress.transfer and progress.total < LEAST_SHOWN):
            return
        if progress.transfer:
            show(progress.done / 1e6, progress.total / 1e6, f"{progress.transfer} (MB)")
        else:
            show(progress.done, progress.total, what)

    return on_progress
