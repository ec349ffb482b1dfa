"""The command line's room for reports: `ftjob report`, `ftjob compare`, and what CI systems read."""

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ftjob import api
from ftjob.cli.options import (
    Format,
    KubeContext,
    KubeNamespace,
    Output,
    RunName,
    console,
    print_error,
    print_json,
    write,
)
from ftjob.errors import BadSpecError, ExitCode, FtjobError
from ftjob.fs import files
from ftjob.runfolder.status import Status

if TYPE_CHECKING:
    from ftjob.client.handle import RunHandle
    from ftjob.report.compare.sweep_comparison import SweepComparison
    from ftjob.report.render import ComparisonReport

PRINTED = Path("-")
STEP_SUMMARY = "GITHUB_STEP_SUMMARY"
"""The variable that names the file of a GitHub job's summary, in Markdown."""


class ReportForm(StrEnum):
    """The formats of a report."""

    HTML = "html"
    MARKDOWN = "md"


class ComparisonForm(StrEnum):
    """The formats of a comparison."""

    TEXT = "text"
    MARKDOWN = "md"
    JSON = "json"
    HTML = "html"


Form = Annotated[ReportForm, typer.Option("--format", help="html for a page, md for a pull request comment.")]
To = Annotated[Path | None, typer.Option(help="The file to write, or - to print.")]
Against = Annotated[str | None, typer.Option(metavar="RUN", help="Another run to compare it with.")]
Runs = Annotated[
    list[str] | None,
    typer.Argument(metavar="RUN...", help="2 to 20 runs: NAME, NAME/ID or a run's folder."),
]
Sweep = Annotated[
    str | None, typer.Option(metavar="NAME", help="Compare the members of this sweep, instead of runs.")
]
Compared = Annotated[
    ComparisonForm,
    typer.Option("-o", "--output", help="text for people, md for comments, json for programs, html: a page."),
]
ComparedTo = Annotated[
    Path | None, typer.Option(help="The file to write; default: print, and comparison.html for a page.")
]
Junit = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write how the run ended to this file, as JUnit's XML, for CI."),
]


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


def compare(
    runs: Runs = None,
    sweep: Sweep = None,
    to: ComparedTo = None,
    context: KubeContext = None,
    namespace: KubeNamespace = None,
    output: Compared = ComparisonForm.TEXT,
) -> None:
    """Compare runs with the first, or a sweep's members: accuracy, classes, images, cost, time, specs."""
    from ftjob.cli.view.results import compared
    from ftjob.cli.view.sweep_tables import sweep_members

    if runs and sweep:
        raise BadSpecError("compare: give runs or --sweep NAME, not both")
    made: ComparisonReport | SweepComparison
    if sweep:
        made = members = api.compare_sweep(sweep, context, namespace)
        shown = sweep_members(members)
    else:
        made = report = api.compare(runs or [], context, namespace)
        shown = compared(report.comparison)
    if output is ComparisonForm.TEXT and to is None:
        return console().print(shown)
    if output is ComparisonForm.JSON and to is None:
        return print_json(made.to_json())
    if output is ComparisonForm.HTML:
        to, text = to or Path("comparison.html"), made.html()
    elif output is ComparisonForm.JSON:
        text = files.json_text(made.to_json())
    else:
        text = made.markdown()
    if to is None or to == PRINTED:
        return write(text)
    files.write_text(to, text)
    return console().print(str(to), soft_wrap=True)


def exit_with(run: "RunHandle", last: Status, junit: Path | None) -> None:
    """Write what CI systems read about a run's end, and exit with its exit code.

    That is JUnit's XML if a file is given for it, and the comment, appended to the file that
    $GITHUB_STEP_SUMMARY names. If either cannot be written, the error is printed, and a run that ended well
    exits with 5.
    """
    code = api.exit_code(last)
    summary = os.environ.get(STEP_SUMMARY)
    if junit or summary:
        try:
            made = run.report()
            if junit:
                files.write_bytes(junit, made.junit())
            if summary:
                files.append_text(Path(summary), made.markdown())
        except FtjobError as error:
            print_error(str(error))
            code = code or ExitCode.STORAGE
    raise typer.Exit(code)
