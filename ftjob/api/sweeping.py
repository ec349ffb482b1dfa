"""Sweeps: several runs from one spec, planned, submitted and compared."""

from typing import TYPE_CHECKING

from ftjob.api.finding import find
from ftjob.api.loading import load
from ftjob.client import lookup

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ftjob.client.handle import RunHandle
    from ftjob.client.sweeping.sweep_run import SweepConsent
    from ftjob.client.sweeping.sweeps import Where
    from ftjob.dataset.build.build import DataProgress
    from ftjob.prepare.sweep_plan import SweepPlan
    from ftjob.report.compare.sweep_comparison import SweepComparison
    from jobspec.spec import JobSpec


def is_sweep(spec: "JobSpec | Path | str") -> bool:
    """Return whether a spec stands for several runs. Raises BadSpecError."""
    return load(spec)[0].sweep is not None


def plan_sweep(
    spec: "JobSpec | Path | str", progress: "Callable[[DataProgress], None] | None" = None
) -> "SweepPlan":
    """Plan every member of a sweep without starting anything. Raises FtjobError."""
    from ftjob.prepare.sweep_plan import plan_sweep as planned

    loaded, folder = load(spec)
    return planned(loaded, lookup.context_of(loaded, folder, progress, to_train=False))


def submit_sweep(
    spec: "JobSpec | Path | str",
    where: "Where",
    planned: "SweepPlan | None" = None,
    consent: "SweepConsent | None" = None,
) -> "tuple[RunHandle, bool]":
    """Start or continue a sweep here or on a cluster; return it, and whether anything began.

    Its members are ordinary runs: one that is done costs nothing. Raises FtjobError before anything begins.
    """
    from ftjob.client.sweeping import sweeps

    return sweeps.submit(planned or plan_sweep(spec), where, consent or (lambda _: None))


def compare_sweep(
    reference: str, context: str | None = None, namespace: str | None = None
) -> "SweepComparison":
    """Return how the members of a sweep stand: what each was given, accuracy, cost, time, and the best one.

    Raises BadSpecError for what is no sweep, StorageError for one that cannot be read.
    """
    from ftjob.client.sweeping import sweeps

    return sweeps.compare(find(reference, context, namespace))
