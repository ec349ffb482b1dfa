"""Resolves the earlier runs that a spec names, to a caffemodel and to a run's folder; pure."""

from collections.abc import Callable
from pathlib import Path

from jobspec.grammar import RUN_REFERENCE
from jobspec.locations import run_references, with_values
from jobspec.spec import JobSpec

WeightsOf = Callable[[str], Path | str]
"""Returns the caffemodel of `run:NAME[@ITERATION]`, given the text after `run:`."""
FolderOf = Callable[[str], str]
"""Returns the path or URI of the folder of the run that a reference such as `run:NAME` means, given all of
its text."""


def resolved(spec: JobSpec, weights_of: WeightsOf | None, folder_of: FolderOf | None) -> JobSpec:
    """Return the spec with each reference replaced by what it means now."""
    found = run_references(spec)
    values = {}
    if weights_of and (weights := found.get("base.weights")):
        values["base.weights"] = str(weights_of(weights.removeprefix(RUN_REFERENCE)))
    if folder_of and (baseline := found.get("accept.not_below")):
        values["accept.not_below"] = folder_of(baseline)
    return with_values(spec, values)
