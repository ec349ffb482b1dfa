"""Asking runs, wherever they are, what they have cost."""

from collections.abc import Iterable

from ftjob.cluster.spending import of_pods
from ftjob.clusterrun import ClusterRun, status_of
from ftjob.cost import Bill, Charge, charges, of_status, together
from ftjob.errors import BadSpecError, StorageError
from ftjob.run import Run
from ftjob.status import Status


def bill(runs: Iterable[Run | ClusterRun], since: float | None = None, *, by_attempt: bool = False) -> Bill:
    """Return what runs have cost, each in one row or one for each attempt.

    `since` (seconds since 1970) leaves out attempts that began before. A run that cannot be read is named and
    hides no others.
    """
    rows: list[Charge] = []
    unknown: list[str] = []
    for run in runs:
        try:
            found = _charges(run, unknown)
        except (StorageError, BadSpecError) as error:
            unknown.append(f"{run.name}: {error}")
            continue
        kept = [row for row in found if since is None or (row.begun or 0.0) >= since]
        rows += kept if by_attempt else [together(kept)] if kept else []
    return Bill(tuple(rows), tuple(unknown))


def _charges(run: Run | ClusterRun, unknown: list[str]) -> list[Charge]:
    if isinstance(run, Run):
        status = run.status()
        return charges(status, of_status(status))
    job = run.job()
    return charges(status_of(job), of_pods(job.status, *_of_folder(job.status.folder, run.name, unknown)))


def _of_folder(folder: str | None, name: str, unknown: list[str]) -> tuple[Status | None, int]:
    """Return the status in a cluster run's folder, and how many attempts that had before the FineTuneJob;
    without them only the stages are not known."""
    if folder is None:
        return None, 0
    try:
        return Run(folder).last_status(), Run(folder).attempts_before()
    except StorageError as error:
        unknown.append(f"{name}: what its time went into is not known: {error}")
        return None, 0
