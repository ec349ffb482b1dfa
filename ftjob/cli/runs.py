"""The verbs of submitted runs: list, status, watch, wait, logs, cancel, retry and get."""

from pathlib import Path
from typing import Annotated

import typer

from ftjob import api
from ftjob.cli.options import (
    Format,
    KubeContext,
    KubeNamespace,
    Output,
    RunName,
    console,
    print_json,
    reference,
    write,
)
from ftjob.cli.report import Junit, exit_with
from ftjob.cli.view import live
from ftjob.cli.view import runs as view
from ftjob.runfolder.status import State


def list_runs(
    name: Annotated[str, typer.Argument(help="Only runs of this name.")] = "*",
    context: KubeContext = None,
    namespace: KubeNamespace = None,
    output: Output = Format.TEXT,
) -> None:
    """List the runs submitted on this machine, or with -n or --context all runs in a namespace."""
    statuses = [status for _, status in api.list_statuses(name, context, namespace)]
    for sentence in api.unreadable_notes(name) if not (context or namespace) else []:
        console(stderr=True).print(f"! {sentence}", style="yellow", markup=False, soft_wrap=True)
    if output is Format.JSON:
        return print_json([status.to_json() for status in statuses])
    console().print(view.runs_table(statuses))
    for each in statuses:
        if each.state is State.UNREACHABLE:
            message = f"! {each.name}: {each.message}"
            console(stderr=True).print(message, style="yellow", markup=False, soft_wrap=True)
    return None


def status(
    run: RunName,
    context: KubeContext = None,
    namespace: KubeNamespace = None,
    output: Output = Format.TEXT,
) -> None:
    """Show a run's state and progress."""
    found = api.find(run, context, namespace)
    if output is Format.JSON:
        return print_json({**found.status().to_json(), "folder": found.location})
    return console().print(view.status_view(found.status()))


def watch(run: RunName, context: KubeContext = None, namespace: KubeNamespace = None) -> None:
    """Follow a run until it ends: curves, money, events. Ctrl-C leaves it running."""
    live.watch(console(), api.find(run, context, namespace))


def wait(
    run: RunName,
    timeout: Annotated[float | None, typer.Option(help="The most seconds to wait.")] = None,
    junit: Junit = None,
    context: KubeContext = None,
    namespace: KubeNamespace = None,
    output: Output = Format.TEXT,
) -> None:
    """Wait until a run ends, printing nothing, and exit with its exit code."""
    found = api.find(run, context, namespace)
    last = found.wait(timeout)
    if output is Format.JSON:
        print_json(last.to_json())
    else:
        console().print(view.line(last), soft_wrap=True)
    exit_with(found, last, junit)


def logs(
    run: RunName,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Keep printing until the run ends.")] = False,
    context: KubeContext = None,
    namespace: KubeNamespace = None,
) -> None:
    """Print the logs of all attempts."""
    for text in api.find(run, context, namespace).log_lines(follow=follow):
        write(text)


def cancel(
    run: RunName,
    now: Annotated[bool, typer.Option("--now", help="Kill it without a snapshot.")] = False,
    context: KubeContext = None,
    namespace: KubeNamespace = None,
) -> None:
    """Stop a run after a snapshot; to resume it, submit the same spec, or retry."""
    found = api.find(run, context, namespace)
    stopping = found.cancel(now=now)
    console().print(f"{reference(found)}: {'stopping' if stopping else 'is not running'}")


def retry(run: RunName, context: KubeContext = None, namespace: KubeNamespace = None) -> None:
    """Resume a run that was stopped, or failed, from its newest snapshot."""
    found = api.find(run, context, namespace)
    begun = found.retry()
    console().print(f"{reference(found)}: {'resumes' if begun else f'is {found.status().state}'}")


def get(
    run: RunName,
    destination: Annotated[Path, typer.Argument(help="A folder that does not exist yet.")] = Path("bundle"),
    context: KubeContext = None,
    namespace: KubeNamespace = None,
) -> None:
    """Copy a run's bundle: net, weights, labels, preprocessing, golden images."""
    console().print(str(api.find(run, context, namespace).get(destination)))
