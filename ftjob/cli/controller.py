"""The command line's room for the cluster: `ftjob controller`."""

from pathlib import Path
from typing import Annotated

import typer


def controller(
    config: Annotated[Path | None, typer.Option(help="Settings, a YAML file (docs/kubernetes.md).")] = None,
    namespace: Annotated[str | None, typer.Option(help="Watch this namespace only.")] = None,
    lease_namespace: Annotated[str | None, typer.Option(help="Where the Lease is; else our own.")] = None,
    address: Annotated[str, typer.Option(help="Where /metrics and the probes are served.")] = "0.0.0.0",
    port: Annotated[int, typer.Option(help="Their port; 0 takes any that is free.")] = 8080,
) -> None:
    """Run the controller that turns FineTuneJobs into Jobs (what the cluster's Deployment runs)."""
    from ftjob.cluster.controller.run import ControllerOptions, run_controller

    raise typer.Exit(run_controller(ControllerOptions(config, namespace, lease_namespace, address, port)))
