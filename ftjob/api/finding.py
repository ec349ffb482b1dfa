"""Finds runs, by name, folder, alias or cluster."""

from fnmatch import fnmatch
from typing import TYPE_CHECKING

from ftjob.client import lookup, registry
from ftjob.runfolder.address import RunReference
from jobspec.grammar import ALIAS_REFERENCE

if TYPE_CHECKING:
    from ftjob.client.handle import RunHandle
    from ftjob.runfolder.status import Status


def find(reference: str, context: str | None = None, namespace: str | None = None) -> "RunHandle":
    """Return the run that NAME, NAME/ID, an ID, a folder or its URI, or alias:NAME means.

    It is one on a cluster where a context or namespace is given, or where it was submitted to one from here;
    there, NAME means whichever run has that name now. Raises BadSpecError, and StorageError for an alias.
    """
    if (context or namespace) and not reference.startswith(ALIAS_REFERENCE):
        from ftjob.client.cluster_run import ClusterRun
        from ftjob.cluster.client import connect

        meant = RunReference.parse(reference)
        return ClusterRun(connect(context, namespace), meant.name, meant.run_id)
    return lookup.handle_at(registry.find_run(reference), reference)


def list_runs(name: str = "*", context: str | None = None, namespace: str | None = None) -> "list[RunHandle]":
    """Return the runs submitted on this machine, oldest first; with a context or namespace, those there."""
    if context or namespace:
        from ftjob.client.cluster_run import ClusterRun
        from ftjob.cluster.client import connect

        cluster = connect(context, namespace)
        return [ClusterRun(cluster, job.name) for job in cluster.list() if fnmatch(job.name, name)]
    return [lookup.handle_at(location) for location in registry.known_runs(name)]


def list_statuses(
    name: str = "*", context: str | None = None, namespace: str | None = None
) -> "list[tuple[RunHandle, Status]]":
    """Return what `list_runs` does, each run with its status: Unreachable where that cannot be read."""
    if context or namespace:
        from ftjob.client.cluster_run import ClusterRun, status_of
        from ftjob.cluster.client import connect

        cluster = connect(context, namespace)
        jobs = [job for job in cluster.list() if fnmatch(job.name, name)]
        return [(ClusterRun(cluster, job.name), status_of(job)) for job in jobs]
    return [(run, run.status_or_unreachable()) for run in list_runs(name)]
