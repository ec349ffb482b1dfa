"""The command line's room for the cluster: `ftjob controller`."""

from pathlib import Path
from typing import Annotated

import typer


def controller(
    config: Annotated[Path | None, typer.Option(help="Settings, a YAML file (docs/kubernetes.md).")] = None,
    namespace: Annotated[str | None, typer.Option(help="Watch this namespace only.")] = None,
    lease_namespace: Annotated[
        str | None, typer.Option(help="The Lease's namespace; default: the controller's own.")
    ] = None,
    address: Annotated[str, typer.Option(help="The address for /metrics and the probes.")] = "0.0.0.0",
    port: Annotated[int, typer.Option(help="Their port; 0 for any free port.")] = 8080,
) -> None:
    """Run the controller, which turns FineTuneJobs into Jobs (the cluster's Deployment runs this)."""
    from ftjob.cluster.controller.run import ControllerOptions, run_controller

    raise typer.Exit(run_controller(ControllerOptions(config, namespace, lease_namespace, address, port)))
