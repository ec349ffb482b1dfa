"""Sweeps wherever they run: submitted here or to a cluster, and their members compared."""

from dataclasses import dataclass

from ftjob.client import registry
from ftjob.client.handle import RunHandle
from ftjob.client.sweeping.sweep_run import SweepConsent, submit_sweep
from ftjob.errors import BadSpecError
from ftjob.prepare.sweep_plan import SweepPlan
from ftjob.report.compare.sweep_comparison import SweepComparison, compare_members
from ftjob.runfolder.address import RunAddress


@dataclass(frozen=True)
class Where:
    """The place of a sweep: this machine, or a context and namespace as kubectl has them."""

    here: bool = False
    context: str | None = None
    namespace: str | None = None


def submit(plan: SweepPlan, where: Where, consent: SweepConsent) -> tuple[RunHandle, bool]:
    """Start or continue a planned sweep; return it, and whether anything began. Raises FtjobError."""
    if where.here:
        return submit_sweep(plan, consent)
    from ftjob.client.sweeping import cluster_sweep
    from ftjob.cluster.client import connect

    run, started = cluster_sweep.submit(plan, connect(where.context, where.namespace), consent)
    address = RunAddress.on_cluster(where.context, run.cluster.namespace, run.name, plan.sweep_id)
    registry.remember(str(address), plan.spec.output)
    return run, started


def compare(run: RunHandle) -> SweepComparison:
    """Return how the members of a sweep stand. Raises BadSpecError for a run, StorageError."""
    state = run.sweep()
    if state is None:
        raise BadSpecError(f"compare: {run.reference} is a run, not a sweep: give a sweep, or two runs")
    return compare_members(f"{run.name}/{run.run_id}", str(run.status().state), state)
