"""The command line: every verb and group, in the order of `ftjob --help`."""

from typing import Annotated

import typer

from ftjob.cli import (
    bundles,
    controller,
    cost,
    data,
    engine,
    models,
    plan,
    report,
    runs,
    submit,
    tune,
    worker,
)
from ftjob.cli.web import page, serving

app = typer.Typer(
    help="Fine-tune Caffe image classifiers as batch jobs, within a budget in dollars.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(requested: bool) -> None:
    if requested:
        from importlib.metadata import version

        typer.echo(f"ftjob {version('ftjob')}")
        raise typer.Exit


@app.callback()
def every_call(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show ftjob's version."),
    ] = False,
) -> None:
    """Take the options that precede a verb."""


app.command()(plan.init)
app.command()(plan.pin)
app.command()(plan.plan)
app.command()(plan.nodes)
app.command(hidden=True)(controller.controller)
app.command()(submit.submit)
app.command("ls")(runs.list_runs)
app.command()(runs.status)
app.command()(cost.cost)
app.command()(report.report)
app.command()(report.compare)
app.command()(runs.watch)
app.command("ui")(page.ui)
app.command()(runs.wait)
app.command()(runs.logs)
app.command()(runs.cancel)
app.command()(runs.retry)
app.command()(runs.get)
app.command()(models.promote)
app.command()(models.rollback)
app.command()(models.unalias)
app.command()(models.aliases)
app.command()(models.history)
app.command()(models.lineage)
app.command()(bundles.verify)
app.command()(bundles.export)
app.command()(bundles.classify)
app.command()(serving.serve)
app.command()(plan.schema)
app.command(hidden=True)(worker.worker)
app.add_typer(data.app, name="data")
app.add_typer(engine.app, name="engine")
app.add_typer(tune.app, name="tune")
