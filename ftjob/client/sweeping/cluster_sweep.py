"""Submits a sweep to a cluster: one FineTuneJob, from which the controller makes those of its members."""

from typing import Any

from ftjob.client.cluster_run import ClusterRun, pinned, refuse_local, spec_of, status_of
from ftjob.client.sweeping.sweep_run import SweepConsent
from ftjob.cluster.client import Cluster, NameTakenError
from ftjob.cluster.resource.figures import annotation_of, figures_of
from ftjob.cluster.resource.member import annotation_of_plans
from ftjob.cluster.resource.names import ANNOTATION_PLANS
from ftjob.cluster.resource.request import identity_of
from ftjob.cluster.resource.submission import fine_tune_job
from ftjob.errors import BadSpecError
from ftjob.prepare.sweep_plan import SweepPlan
from ftjob.runfolder.status import State
from jobspec import JobSpec, members
from jobspec.grammar import ALIAS_REFERENCE
from jobspec.sweeps.members import sweep_id


def submit(plan: SweepPlan, cluster: Cluster, consent: SweepConsent) -> tuple[ClusterRun, bool]:
    """Create the FineTuneJob of a sweep, or join the one that is there; return it, and whether anything
    began.

    Raises BadSpecError where the name is another spec's, something is on this machine only, or where there
    is no consent to begin.
    """
    manifest, spec = sweep_job(plan, cluster.namespace), plan.given
    run = ClusterRun(cluster, spec.name)
    there = next((job for job in cluster.list() if job.name == spec.name), None)
    if there is None:
        consent(plan)
        try:
            cluster.create(manifest)
        except NameTakenError:  # somebody else was quicker
            there = cluster.get(spec.name)
        else:
            return run, True
    existing = spec_of(there)
    if existing.sweep is None or sweep_id(existing) != sweep_id(_sent(plan)):
        raise BadSpecError(
            f"name: {spec.name} is another spec's in namespace {cluster.namespace} already: give this sweep "
            "another name, or edit that FineTuneJob"
        )
    if status_of(there).state not in (State.FAILED, State.STOPPED):
        return run, False
    consent(plan)
    return run, run.retry()


def sweep_job(plan: SweepPlan, namespace: str) -> dict[str, Any]:
    """Return the FineTuneJob of a sweep, with the figures of its members' plans. Raises BadSpecError."""
    for planned in plan.members:
        refuse_local(planned.plan.spec)
    _refuse_aliases(plan.given)
    sent = _sent(plan)
    by_overrides = {str(each.member.overrides): each.plan for each in plan.members}
    plans = {
        member.name: annotation_of(figures_of(found), identity_of(member.spec))
        for member in members(sent)
        if (found := by_overrides.get(str(member.overrides)))
    }
    made = fine_tune_job(sent, namespace)
    made["metadata"]["annotations"] = {ANNOTATION_PLANS: annotation_of_plans(plans)}
    return made


def _sent(plan: SweepPlan) -> JobSpec:
    return pinned(plan.given, plan.spec)


def _refuse_aliases(spec: JobSpec) -> None:
    """Raise BadSpecError for an alias among the values: a pod would not find it."""
    assert spec.sweep
    for field, values in spec.sweep.fields.items():
        for index, value in enumerate(values if isinstance(values, list) else ()):
            if isinstance(value, str) and value.startswith(ALIAS_REFERENCE):
                raise BadSpecError(
                    f"sweep.{field}[{index}]: {value} is an alias, which a sweep on a cluster cannot name: "
                    "give the run it points to, as run:NAME"
                )
