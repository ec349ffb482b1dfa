"""The command line's room for reports: `ftjob report`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ftjob import api
from ftjob.cli.options import Format, KubeContext, KubeNamespace, Output, RunName, console, print_json, write
from ftjob.errors import BadSpecError
from ftjob.fs import files

PRINTED = Path("-")


class ReportForm(StrEnum):
    """The formats of a report."""

    HTML = "html"
    MARKDOWN = "md"


Form = Annotated[ReportForm, typer.Option("--format", help="html for a page, md for a pull request comment.")]
To = Annotated[Path | None, typer.Option(help="The file to write, or - to print.")]
Against = Annotated[str | None, typer.Option(metavar="RUN", help="Another run to compare it with.")]


def report(
    run: RunName,
    form: Form = ReportForm.HTML,
    to: To = None,
    against: Against = None,
    context: KubeContext = None,
    namespace: KubeNamespace = None,
    output: Output = Format.TEXT,
) -> None:
    """Write a run's page, NAME-report.html, or print a comment: accuracy, cost, curves, confusion."""
    if output is Format.JSON and to == PRINTED:
        raise BadSpecError(
            "report: -o json prints figures, and --to - the report: give --to a file, or drop one of them"
        )
    found = api.find(run, context, namespace)
    made = found.report(api.find(against, context, namespace) if against else None)
    if to is None and output is Format.TEXT:
        to = Path(f"{found.name}-report.html") if form is ReportForm.HTML else PRINTED
    if to is not None:
        text = made.html() if form is ReportForm.HTML else made.markdown()
        if to == PRINTED:
            write(text)
            return None
        files.write_text(to, text)
    if output is Format.JSON:
        return print_json({**made.to_json(), "file": str(to) if to else None})
    return console().print(str(to), soft_wrap=True)
