"""The command line: one function per verb, which reads, calls and prints."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ftjob import api
from ftjob.cli import controller as cli_cluster
from ftjob.cli import cost as cli_cost
from ftjob.cli import data as cli_data
from ftjob.cli import plan as cli_plan
from ftjob.cli import report as cli_report
from ftjob.cli.options import (
    Format,
    KubeContext,
    KubeNamespace,
    Output,
    ask,
    console,
    is_attended,
    print_json,
    write,
)
from ftjob.cli.view import live, results, runs
from ftjob.cli.view import plan as plans
from ftjob.errors import BadSpecError, ExitCode
from ftjob.runfolder.address import RunReference
from ftjob.runfolder.status import State

if TYPE_CHECKING:
    from ftjob.client.handle import RunHandle

app = typer.Typer(
    help="Fine-tune Caffe image classifiers as batch jobs, within a stated number of dollars.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
engine_app = typer.Typer(help="Install a training engine.", no_args_is_help=True)
app.command()(cli_plan.init)
app.command()(cli_plan.plan)
app.command()(cli_plan.nodes)
app.command(hidden=True)(cli_cluster.controller)
app.add_typer(cli_data.app, name="data")
app.add_typer(engine_app, name="engine")


def _print_version(requested: bool) -> None:
    if requested:
        from importlib.metadata import version

        typer.echo(f"ftjob {version('ftjob')}")
        raise typer.Exit


@app.callback()
def every_call(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show which ftjob this is."),
    ] = False,
) -> None:
    """Take the options that precede a verb."""


SpecPath = Annotated[Path, typer.Argument(metavar="SPEC", help="The spec, a YAML file.")]
RunName = Annotated[
    str, typer.Argument(metavar="RUN", help="NAME (its newest run), NAME/ID or a run's folder.")
]


@app.command()
def submit(
    spec: SpecPath,
    is_local: Annotated[
        bool, typer.Option("--local", help="Run on this machine instead of a cluster.")
    ] = False,
    context: KubeContext = None,
    namespace: KubeNamespace = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Follow it to its end; Ctrl-C stops it gracefully.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Plan and print; start nothing.")] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Ask nothing; submit even if the budget pays for only part.")
    ] = False,
    output: Output = Format.TEXT,
) -> None:
    """Start a run, or resume it where it stopped; a run that is done costs nothing."""
    from ftjob.client.consent import asking
    from ftjob.plan.shortfall import shortfall_of

    planned = cli_plan.planned(spec)
    short = shortfall_of(planned)
    if output is Format.TEXT:
        console(stderr=dry_run and not is_local).print(plans.summary(planned, short))
    if dry_run:
        if not is_local:
            return _show_manifest(api.manifest(spec, planned, namespace), output)
        return cli_plan.print_plan(planned, short) if output is Format.JSON else None
    run: RunHandle
    consent = asking(ask if is_attended() else None, short, yes=yes)
    if is_local:
        run, started = api.submit(spec, planned=planned, consent=consent, shortfall=short)
    else:
        run, started = api.submit_to_cluster(
            spec, planned=planned, context=context, namespace=namespace, consent=consent
        )
    if wait:
        return _follow(run, output, stop_on_interrupt=True)
    status = run.status()
    if output is Format.JSON:
        cost = planned.forecast.cost
        money = {"usd_estimate": cost.usd, "usd_worst": cost.worst_usd}
        return print_json({"run": _reference(run), "folder": run.location, "started": started, **money})
    return console().print(runs.submitted(status, run.location, started=started))


@app.command("ls")
def list_runs(
    name: Annotated[str, typer.Argument(help="Only runs of this name.")] = "*",
    context: KubeContext = None,
    namespace: KubeNamespace = None,
    output: Output = Format.TEXT,
) -> None:
    """List the runs submitted on this machine, or with -n or --context all of a namespace."""
    statuses = [run.status_or_unreachable() for run in api.list_runs(name, context, namespace)]
    for sentence in api.unreadable_notes(name) if not (context or namespace) else []:
        console(stderr=True).print(f"! {sentence}", style="yellow", markup=False, soft_wrap=True)
    if output is Format.JSON:
        return print_json([status.to_json() for status in statuses])
    console().print(runs.runs_table(statuses))
    for each in statuses:
        if each.state is State.UNREACHABLE:
            message = f"! {each.name}: {each.message}"
            console(stderr=True).print(message, style="yellow", markup=False, soft_wrap=True)
    return None


@app.command()
def status(
    run: RunName,
    context: KubeContext = None,
    namespace: KubeNamespace = None,
    output: Output = Format.TEXT,
) -> None:
    """Show where a run stands."""
    found = api.find(run, context, namespace)
    if output is Format.JSON:
        return print_json({**found.status().to_json(), "folder": found.location})
    return console().print(runs.status_view(found.status()))


app.command()(cli_cost.cost)
app.command()(cli_report.report)


@app.command()
def watch(run: RunName, context: KubeContext = None, namespace: KubeNamespace = None) -> None:
    """Follow a run until it ends; Ctrl-C leaves it running."""
    live.follow(console(), api.find(run, context, namespace).follow())


@app.command()
def wait(
    run: RunName,
    timeout: Annotated[float | None, typer.Option(help="Seconds to wait at most.")] = None,
    context: KubeContext = None,
    namespace: KubeNamespace = None,
    output: Output = Format.TEXT,
) -> None:
    """Wait until a run ends, printing nothing, and exit with its exit code."""
    last = api.find(run, context, namespace).wait(timeout)
    if output is Format.JSON:
        print_json(last.to_json())
    else:
        console().print(runs.line(last), soft_wrap=True)
    raise typer.Exit(api.exit_code(last))


@app.command()
def logs(
    run: RunName,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Continue until the run ends.")] = False,
    context: KubeContext = None,
    namespace: KubeNamespace = None,
) -> None:
    """Print the logs of all attempts."""
    for text in api.find(run, context, namespace).log_lines(follow=follow):
        write(text)


@app.command()
def cancel(
    run: RunName,
    now: Annotated[bool, typer.Option("--now", help="Kill it; no snapshot.")] = False,
    context: KubeContext = None,
    namespace: KubeNamespace = None,
) -> None:
    """Stop a run after a snapshot; submit the same spec, or retry, to resume."""
    found = api.find(run, context, namespace)
    stopping = found.cancel(now=now)
    console().print(f"{_reference(found)}: {'stopping' if stopping else 'is not running'}")


@app.command()
def retry(run: RunName, context: KubeContext = None, namespace: KubeNamespace = None) -> None:
    """Resume a run that was stopped, or failed, from its newest snapshot."""
    found = api.find(run, context, namespace)
    begun = found.retry()
    console().print(f"{_reference(found)}: {'resumes' if begun else f'is {found.status().state}'}")


@app.command()
def get(
    run: RunName,
    destination: Annotated[Path, typer.Argument(help="A folder that does not exist yet.")] = Path("bundle"),
    context: KubeContext = None,
    namespace: KubeNamespace = None,
) -> None:
    """Copy a run's bundle: net, weights, labels, preprocessing, golden images."""
    console().print(str(api.find(run, context, namespace).get(destination)))


@app.command()
def verify(
    bundle: Annotated[Path, typer.Argument(help="A bundle's folder.")],
    engine: Annotated[str, typer.Option(help="The engine to run it with: auto, caffe or torch.")] = "auto",
    output: Output = Format.TEXT,
) -> None:
    """Prove that a bundle answers here as it did where it was made."""
    verification = api.verify(bundle, engine)
    if output is Format.JSON:
        print_json(verification.to_json())
    else:
        console().print(results.verified(verification))
    if not verification.ok:
        raise typer.Exit(ExitCode.NOT_ACCEPTED)


@app.command()
def schema() -> None:
    """Print the spec's JSON Schema."""
    from jobspec import json_schema

    print_json(json_schema())


@engine_app.command("install")
def engine_install(
    engine: Annotated[str, typer.Argument(help="caffe or torch")],
    python: Annotated[Path | None, typer.Option(help="Use the pycaffe of this Python instead.")] = None,
    mirror: Annotated[str | None, typer.Option(help="A mirror that has Debian 11.")] = None,
    index: Annotated[str | None, typer.Option(help="torch: the package index to take it from.")] = None,
) -> None:
    """Put real Caffe into the user's cache, without root or compiler; or PyTorch into this Python, by pip."""
    from ftjob.engine.caffe.install import install_caffe
    from ftjob.engine.torch.install import install_torch

    if engine == "torch":
        version = install_torch(index)
        return console().print(f"PyTorch {version} is ready: {sys.executable}", soft_wrap=True)
    if engine != "caffe":
        raise BadSpecError(
            f"engine install: there is no engine {engine!r}: those that can be installed are caffe and torch"
        )
    with live.progress_bar(console(stderr=True)) as show:
        found = install_caffe(python=python, mirror=mirror, progress=show)
    return console().print(f"Caffe {found.version} ({found.origin}) is ready: {found.python}", soft_wrap=True)


@app.command(hidden=True)
def worker(
    run: Annotated[str | None, typer.Argument()] = None,
    attempt: Annotated[int, typer.Option()] = 1,
    spec: Annotated[Path | None, typer.Option(help="The spec, where the submitter did not write it.")] = None,
    owner: Annotated[Path | None, typer.Option(help="The FineTuneJob that it works for, as JSON.")] = None,
    is_plan: Annotated[bool, typer.Option("--plan", help="Plan the spec of a FineTuneJob only.")] = False,
) -> None:
    """Run one attempt of the run at a path or URI (what submit and the controller start)."""
    if is_plan and spec is not None:
        from ftjob.client.plan_pod import plan_in_pod

        raise typer.Exit(plan_in_pod(spec))
    if is_plan or run is None:
        raise BadSpecError("worker: give a run's folder or URI, or --plan with --spec FILE")
    from ftjob.worker.attempt import run as work

    raise typer.Exit(work(run, attempt, spec=spec, owner=owner))


def _show_manifest(wanted: dict[str, Any], output: Format) -> None:
    """Print the FineTuneJob that submit would send."""
    if output is Format.JSON:
        return print_json(wanted)
    import yaml

    return console().print(yaml.safe_dump(wanted, sort_keys=False), end="", soft_wrap=True)


def _follow(run: "RunHandle", output: Format, *, stop_on_interrupt: bool) -> None:
    """Show a run to its end and exit with its code; a first Ctrl-C stops it gracefully, a second kills it."""
    screen = console()
    stopping = False
    while True:
        try:
            last = run.wait() if output is Format.JSON else live.follow(screen, run.follow())
            break
        except KeyboardInterrupt:
            if not stop_on_interrupt:
                raise
            run.cancel(now=stopping)
            if not stopping:
                screen.print("stopping after a snapshot; Ctrl-C again to kill it")
            stopping = True
    if output is Format.JSON:
        print_json({**last.to_json(), "folder": run.location})
    elif bundle := run.bundle():
        screen.print(f"bundle {bundle}", soft_wrap=True)
    raise typer.Exit(api.exit_code(last))


def _reference(run: "RunHandle") -> str:
    return str(RunReference(run.name, run.run_id))
