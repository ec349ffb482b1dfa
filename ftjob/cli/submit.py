"""`ftjob submit`: start a run, and with --wait follow it."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
from ftjob.cli.report import Junit, exit_with
from ftjob.cli.view import live, runs
from ftjob.cli.view import plan as plans
from ftjob.errors import BadSpecError
from ftjob.runfolder.status import Status

if TYPE_CHECKING:
    from ftjob.client.handle import RunHandle
    from ftjob.client.sweeping.sweeps import Where

SpecPath = Annotated[Path, typer.Argument(metavar="SPEC", help="The spec, a YAML file.")]
IsLocal = Annotated[bool, typer.Option("--local", help="Run on this machine instead of a cluster.")]
Yes = Annotated[
    bool, typer.Option("--yes", "-y", help="Do not ask; submit even if the budget pays for only part.")
]


def submit(
    spec: SpecPath,
    is_local: IsLocal = False,
    context: KubeContext = None,
    namespace: KubeNamespace = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Follow the run until it ends; Ctrl-C stops it gracefully.")
    ] = False,
    junit: Junit = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Plan and print; start nothing.")] = False,
    yes: Yes = False,
    output: Output = Format.TEXT,
) -> None:
    """Start a run, or resume it where it stopped; resubmitting a finished run costs nothing."""
    from ftjob.client.consent import asking
    from ftjob.plan.shortfall import shortfall_of

    if junit and not wait:
        raise BadSpecError("submit: --junit is written when the run has ended: add --wait")
    if api.is_sweep(spec):
        from ftjob.client.sweeping.sweeps import Where

        how = Options(wait, junit, dry_run, yes, output)
        return _submit_sweep(spec, Where(is_local, context, namespace), how)
    planned = planning.planned(spec)
    short = shortfall_of(planned)
    if output is Format.TEXT:
        console(stderr=dry_run and not is_local).print(plans.summary(planned, short))
    if dry_run:
        if not is_local:
            return _show_manifest(api.manifest(spec, planned, namespace), output)
        return planning.print_plan(planned, short) if output is Format.JSON else None
    consent = asking(ask if is_attended() else None, short, yes=yes)
    run: RunHandle
    if is_local:
        run, started = api.submit(spec, planned=planned, consent=consent, shortfall=short)
        from ftjob.worker.pod.context import PodContext

        if problem := PodContext.from_env().mlflow_problem:
            console(stderr=True).print(problem, style="yellow", markup=False, soft_wrap=True)
    else:
        run, started = api.submit_to_cluster(
            spec, planned=planned, context=context, namespace=namespace, consent=consent
        )
    if wait:
        return _follow(run, output, junit, stop_on_interrupt=True)
    status = run.status()
    if output is Format.JSON:
        cost = planned.cost
        money = {"usd_estimate": cost.usd, "usd_worst": cost.worst_usd}
        return print_json({"run": reference(run), "folder": run.location, "started": started, **money})
    return console().print(runs.submitted(status, run.location, started=started))


@dataclass(frozen=True)
class Options:
    """How a submit goes on once it is planned."""

    wait: bool
    junit: Path | None
    dry_run: bool
    yes: bool
    output: Format


def _submit_sweep(spec: Path, where: "Where", how: Options) -> None:
    """Start a sweep on this machine or on a cluster."""
    from ftjob.cli.view.sweep_tables import sweep_plan
    from ftjob.client.consent import asking_for_sweep
    from ftjob.client.sweeping.cluster_sweep import sweep_job

    planned = planning.planned_sweep(spec)
    if how.output is Format.TEXT:
        console(stderr=how.dry_run and not where.here).print(sweep_plan(planned))
    if how.dry_run:
        if not where.here:
            return _show_manifest(sweep_job(planned, where.namespace or "default"), how.output)
        return print_json(planned.to_json()) if how.output is Format.JSON else None
    consent = asking_for_sweep(ask if is_attended() else None, yes=how.yes)
    run, started = api.submit_sweep(spec, where, planned, consent)
    if how.wait:
        return _follow(run, how.output, how.junit, stop_on_interrupt=True)
    if how.output is Format.JSON:
        money = {"usd_estimate": planned.usd, "usd_worst": planned.worst_usd}
        return print_json({"run": reference(run), "folder": run.location, "started": started, **money})
    return console().print(runs.submitted(run.status(), run.location, started=started))


def _show_manifest(wanted: dict[str, Any], output: Format) -> None:
    """Print the FineTuneJob that submit would send."""
    if output is Format.JSON:
        return print_json(wanted)
    import yaml

    return console().print(yaml.safe_dump(wanted, sort_keys=False), end="", soft_wrap=True)


def _follow(run: "RunHandle", output: Format, junit: Path | None, *, stop_on_interrupt: bool) -> None:
    """Show a run to its end and exit with its code; a first Ctrl-C stops it gracefully, a second kills it."""
    last = followed(run, output, stop_on_interrupt=stop_on_interrupt)
    if output is Format.JSON:
        print_json({**last.to_json(), "folder": run.location})
    elif bundle := run.bundle():
        console().print(f"bundle {bundle}", soft_wrap=True)
    exit_with(run, last, junit)


def followed(run: "RunHandle", output: Format, *, stop_on_interrupt: bool) -> Status:
    """Show a run to its end, unless the output is for programs, and return its last status; a first Ctrl-C
    stops it gracefully, a second kills it."""
    screen = console()
    stopping = False
    while True:
        try:
            return run.wait() if output is Format.JSON else live.follow(screen, run.follow())
        except KeyboardInterrupt:
            if not stop_on_interrupt:
                raise
            run.cancel(now=stopping)
            if not stopping:
                screen.print("stopping after a snapshot; Ctrl-C again to kill it")
            stopping = True
