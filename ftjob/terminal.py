"""How every verb prints: options and consoles that the rooms of the command line share."""

import json
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftjob.data.build import Progress


class Format(StrEnum):
    """How a verb prints."""

    TEXT = "text"
    JSON = "json"


KubeContext = Annotated[
    str | None, typer.Option("--context", help="A cluster, by its context in the kubeconfig.")
]
KubeNamespace = Annotated[str | None, typer.Option("--namespace", "-n", help="A namespace of the cluster.")]
Output = Annotated[Format, typer.Option("-o", "--output", help="text for people, json for programs.")]


def console(*, stderr: bool = False) -> Console:
    """Return the console that people read."""
    return Console(highlight=False, stderr=stderr)


def print_json(value: Any) -> None:
    """Print what programs read."""
    sys.stdout.write(json.dumps(value, indent=1) + "\n")


def ask(question: str) -> bool:
    """Put a question that is answered with y or n, on stderr: what programs read stays apart."""
    return typer.confirm(question, err=True)


def is_attended() -> bool:
    """Return whether somebody is at the terminal to answer."""
    return sys.stdin.isatty() and sys.stderr.isatty()


LEAST_SHOWN = 1_000_000
"""Bytes of a transfer that is worth a bar."""


def images_on(
    show: "Callable[[float, float, str], None]", what: str = "images stored"
) -> "Callable[[Progress], None]":
    """Return a function that shows a dataset's progress on a bar."""

    def told(progress: "Progress") -> None:
        if progress.spared_seconds or (progress.transfer and progress.total < LEAST_SHOWN):
            return
        if progress.transfer:
            show(progress.done / 1e6, progress.total / 1e6, f"{progress.transfer} (MB)")
        else:
            show(progress.done, progress.total, what)

    return told
