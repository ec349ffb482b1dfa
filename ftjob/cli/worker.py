"""`ftjob worker`: the process that submit and the controller start."""

from pathlib import Path
from typing import Annotated

import typer

from ftjob.errors import BadSpecError


def worker(
    run: Annotated[str | None, typer.Argument()] = None,
    attempt: Annotated[int, typer.Option()] = 1,
    spec: Annotated[Path | None, typer.Option(help="The spec, if the submitter did not write it.")] = None,
    owner: Annotated[Path | None, typer.Option(help="The FineTuneJob it works for, as JSON.")] = None,
    is_sweep: Annotated[bool, typer.Option("--sweep", help="The folder is a sweep's.")] = False,
    is_plan: Annotated[bool, typer.Option("--plan", help="Only plan a FineTuneJob's spec.")] = False,
) -> None:
    """Run one attempt of the run at a path or URI (submit and the controller start this)."""
    if is_plan and spec is not None:
        from ftjob.client.plan_pod import plan_in_pod

        raise typer.Exit(plan_in_pod(spec))
    if is_plan or run is None:
        raise BadSpecError("worker: give a run's folder or URI, or --plan with --spec FILE")
    if is_sweep:
        from ftjob.client.sweeping.sweep_driver import drive

        raise typer.Exit(drive(run, attempt))
    from ftjob.worker.attempt import run as work

    raise typer.Exit(work(run, attempt, spec=spec, owner=owner))
