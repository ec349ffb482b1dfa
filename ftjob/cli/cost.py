"""The command line's room for money: `ftjob cost`."""

from enum import StrEnum
from typing import Annotated

import typer

from ftjob import api
from ftjob.cli.options import KubeContext, KubeNamespace, console, print_json, write


class CostFormat(StrEnum):
    """The output formats of `ftjob cost`."""

    TEXT = "text"
    JSON = "json"
    CSV = "csv"


Runs = Annotated[
    list[str] | None,
    typer.Argument(metavar="[RUN]...", help="NAME, NAME/ID or a run's folder; default: all."),
]
Since = Annotated[
    str | None, typer.Option(help="Only attempts begun in the last 12h, 7d or 2w, or since a date (UTC).")
]
Attempts = Annotated[bool, typer.Option("--attempts", help="Show a row for every attempt.")]
CostOutput = Annotated[
    CostFormat, typer.Option("-o", "--output", help="text for people, json or csv for programs.")
]


def cost(
    runs: Runs = None,
    since: Since = None,
    attempts: Attempts = False,
    context: KubeContext = None,
    namespace: KubeNamespace = None,
    output: CostOutput = CostFormat.TEXT,
) -> None:
    """Show what runs cost: by stage, lost to interruptions, saved by guards and caches."""
    from ftjob.cli.view import cost as view

    bill = api.cost(runs or (), since, context, namespace, by_attempt=attempts)
    if bill.unknown and output is not CostFormat.JSON:
        console(stderr=True).print(view.unknown(bill), soft_wrap=True)
    if output is CostFormat.JSON:
        return print_json(bill.to_json())
    if output is CostFormat.CSV:
        write(view.cost_csv(bill))
        return None
    return console().print(view.cost_table(bill))
