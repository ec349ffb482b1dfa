"""Finds the earlier runs and the aliases that a spec names."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ftjob.client import registry
from ftjob.client.local_run import Run
from ftjob.client.sweeping.sweep_run import SweepRun
from ftjob.errors import BadSpecError
from ftjob.fs.paths import expanded
from ftjob.runfolder.address import RunAddress, location_of, snapshot_of
from ftjob.runfolder.references import PinnedWeights
from ftjob.storage import local_path, open_store
from jobspec.grammar import ALIAS_REFERENCE, RUN_REFERENCE
from jobspec.sweeps.members import SWEEP_ID

if TYPE_CHECKING:
    from ftjob.client.handle import RunHandle
    from ftjob.dataset.build.build import DataProgress
    from ftjob.prepare.prepare import Context
    from jobspec import JobSpec


def context_of(
    spec: "JobSpec",
    folder: Path,
    progress: "Callable[[DataProgress], None] | None" = None,
    to_train: bool = True,
) -> "Context":
    """Return what the relative paths and the references of a folder's spec mean."""
    from ftjob.prepare.prepare import Context

    here = local_path(spec.output)
    output = str((folder / expanded(spec.output)).absolute()) if here else spec.output

    def weights(reference: str) -> Path | str:
        name, iteration = snapshot_of(reference)
        return _earlier(name, output).weights(iteration)

    def folder_of(reference: str) -> str:
        return run_folder(reference, output)

    def pinned(reference: str) -> PinnedWeights:
        model = registry.find_model(reference, output)
        return PinnedWeights(model.weights, model.pinned)

    return Context(folder, weights, folder_of, pinned, progress or (lambda _: None), to_train)


def run_folder(reference: str, output: str) -> str:
    """Return the path or URI of the folder of the run that `run:NAME` or `alias:NAME` means.

    Raises BadSpecError where there is none, StorageError where a run on a cluster has no folder yet.
    """
    if reference.startswith(ALIAS_REFERENCE):
        location = registry.find_model(reference, output).location
    else:
        location = _earlier(reference.removeprefix(RUN_REFERENCE), output).of_folder().location
    return str(Path(location).absolute()) if local_path(location) else location


def handle_at(location: str, reference: str = "") -> "RunHandle":
    """Return the run at an address to which a reference was resolved."""
    address = RunAddress.parse(location)
    if address.cluster is None:
        return SweepRun(location) if address.run_id.startswith(SWEEP_ID) else Run(location)
    from ftjob.client import cluster_run

    return cluster_run.at(replace(address, run_id="") if reference == address.name else address)


def _earlier(name: str, output: str) -> "RunHandle":
    """Return the run that a spec means by `run:NAME`: one submitted here, else the newest in its output."""
    try:
        return handle_at(registry.find_run(name), name)
    except BadSpecError:
        beside = f"{output.rstrip('/')}/{name}"
        newest = registry.newest_run(open_store(beside)) if "/" not in name else None
        if newest is None:
            raise
        return handle_at(location_of(output, name, newest))
