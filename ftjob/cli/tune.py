"""The command line's room for choosing what a spec says: `ftjob tune lr`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ftjob import api
from ftjob.cli import plan as planning
from ftjob.cli.options import (
    Format,
    KubeContext,
    KubeNamespace,
    Output,
    ask,
    console,
    is_attended,
    print_json,
    reference,
)
from ftjob.cli.report import exit_with
from ftjob.cli.submit import IsLocal, SpecPath, Yes, followed
from ftjob.cli.view import plan as plans
from ftjob.cli.view import tune as view
from ftjob.errors import ExitCode
from ftjob.fs import files
from ftjob.tuning.range_test import RateSpan, is_settled

if TYPE_CHECKING:
    from ftjob.client.handle import RunHandle

DEFAULT = RateSpan()
app = typer.Typer(help="Choose a solver's settings by experiment.", no_args_is_help=True)


@app.callback()
def every_call() -> None:
    """Keep `lr` a verb of its own, although it is the only one."""


@app.command("lr")
def learning_rate(
    spec: SpecPath,
    first: Annotated[float, typer.Option("--from", help="The rate of the first iteration.")] = DEFAULT.first,
    last: Annotated[float, typer.Option("--to", help="The rate of the last iteration.")] = DEFAULT.last,
    iterations: Annotated[
        int, typer.Option(help="Iterations from the first rate to the last.")
    ] = DEFAULT.iterations,
    name: Annotated[str | None, typer.Option(help="The test's name; default: the spec's, with -lr.")] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the curve to this SVG file.")
    ] = None,
    is_local: IsLocal = False,
    context: KubeContext = None,
    namespace: KubeNamespace = None,
    yes: Yes = False,
    output: Output = Format.TEXT,
) -> None:
    """Suggest a learning rate: train with a rate that rises, and see where the loss falls fastest."""
    from ftjob.client.consent import asking
    from ftjob.plan.shortfall import shortfall_of
    from ftjob.report.rate_plot import rate_svg

    test = api.range_test(spec, RateSpan(first, last, iterations), name)
    planned = planning.planned(test)
    short = shortfall_of(planned)
    if output is Format.TEXT:
        console().print(plans.summary(planned, short))
    consent = asking(ask if is_attended() else None, short, yes=yes)
    run: RunHandle
    if is_local:
        run, started = api.submit(test, planned=planned, consent=consent, shortfall=short)
    else:
        run, started = api.submit_to_cluster(
            test, planned=planned, context=context, namespace=namespace, consent=consent
        )
    ended = followed(run, output, stop_on_interrupt=True)
    if not is_settled(test, ended):
        if output is Format.JSON:
            print_json({**ended.to_json(), "folder": run.location})
        exit_with(run, ended, None)
    curve = api.rate_curve(run)
    if plot:
        files.write_text(plot, rate_svg(reference(run), curve))
    if output is Format.JSON:
        there = {"run": reference(run), "folder": run.location, "started": started, "usd": ended.usd}
        print_json({**there, **curve.to_json()})
    else:
        console().print(view.tuned(curve))
    if curve.problem:
        raise typer.Exit(ExitCode.NOT_LEARNING)
