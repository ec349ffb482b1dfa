"""Options and consoles that all verbs share."""

import io
import os
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TextIO

import rich.text
import typer
from rich.console import Console

from ftjob.fs.files import json_text
from ftjob.runfolder.address import RunReference
from jobspec.text import plain, visible_lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftjob.client.handle import RunHandle
    from ftjob.dataset.build.build import DataProgress


class Format(StrEnum):
    """A verb's output formats."""

    TEXT = "text"
    JSON = "json"


KubeContext = Annotated[
    str | None, typer.Option("--context", help="The cluster's context in your kubeconfig.")
]
KubeNamespace = Annotated[str | None, typer.Option("--namespace", "-n", help="The cluster's namespace.")]
RunName = Annotated[
    str, typer.Argument(metavar="RUN", help="NAME (its newest run), NAME/ID, a run's folder or alias:NAME.")
]
Output = Annotated[Format, typer.Option("-o", "--output", help="text for people, json for programs.")]


class Screen(Console):
    """A console to which a string is plain text: no markup, no emoji codes, every character visible."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, stderr=stderr)

    def render_str(self, text: str, **style: Any) -> rich.text.Text:
        """Return a string as shown; rich calls this for everything it prints, table cells included."""
        return super().render_str(visible_lines(text), **style)

    def on_broken_pipe(self) -> None:
        """End in silence."""
        end_closed()


def console(*, stderr: bool = False) -> Console:
    """Return the console that people read."""
    return Screen(stderr=stderr)


def write(text: str) -> None:
    """Write text to stdout unchanged, except that invisible characters are escaped."""
    try:
        sys.stdout.write(visible_lines(text))
        sys.stdout.flush()
    except BrokenPipeError:
        end_closed()


def print_json(value: Any) -> None:
    """Print JSON for programs: exact data in ASCII, since JSON has its own escapes."""
    write(json_text(value))


def print_error(message: str) -> None:
    """Print what went wrong: a line for each problem, a thousand characters of each, and forty of them."""
    lines = message.splitlines()
    shown = [plain(line) for line in lines[:MOST_PROBLEMS]]
    if len(lines) > len(shown):
        shown.append(f"… and {len(lines) - len(shown)} more lines")
    try:
        sys.stderr.write("\n".join([*shown, ""]))
        sys.stderr.flush()
    except OSError:  # nobody can be reached, and the exit code still counts
        discard(sys.stderr)


def open_streams() -> None:
    """Make stdout accept every character, whatever the locale's encoding; a closed one discards its input."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def end_closed() -> NoReturn:
    """Exit because stdout's reader is gone."""
    discard(sys.stdout)
    sys.exit(CLOSED)


def discard(stream: TextIO) -> None:
    """Drop what a stream cannot write, and all that follows: Python would end with a message about it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def reference(run: "RunHandle") -> str:
    """Return NAME/ID of a run."""
    return str(RunReference(run.name, run.run_id))


def ask(question: str) -> bool:
    """Ask a yes-or-no question on stderr, since programs read stdout."""
    return typer.confirm(question, err=True)


def is_attended() -> bool:
    """Return whether somebody is at the terminal to answer."""
    return sys.stdin.isatty() and sys.stderr.isatty()


LEAST_SHOWN = 1_000_000
"""The smallest transfer, in bytes, that gets a progress bar."""
MOST_PROBLEMS = 40
"""The most lines of an error to print."""
CLOSED = 141
"""The exit code when stdout's reader is gone, as with programs that SIGPIPE ends: `ftjob ls | head -1`."""


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
