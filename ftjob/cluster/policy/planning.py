"""Reads what a plan pod found, for runs that were submitted without a plan; pure.

The pod plans in the user's namespace under the workers' service account, so that the controller never opens
anything that a user names. Its result is its termination message, one small document.
"""

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, ValidationError

from ftjob.cluster.policy.job_context import JobProblem
from ftjob.cluster.policy.pending import quoted
from ftjob.cluster.resource.objects import AttemptJob, KubernetesReason, Pod
from ftjob.cluster.resource.status import Figures
from ftjob.errors.outcomes import Reason
from ftjob.runfolder.progress import LARGEST, Message, ReportedReason

SUBMIT = "`ftjob submit` plans on your machine instead"


class Refusal(BaseModel):
    """Why a run cannot be planned."""

    model_config = ConfigDict(strict=True)

    reason: ReportedReason
    message: Message
    passing: bool = False


class PlanReport(BaseModel):
    """A plan pod's termination message: figures or a refusal."""

    plan: Figures | None = None
    trouble: Refusal | None = None


def plan_name(name: str, identity: str) -> str:
    """Return the name of the Job that plans a spec: one name per spec, so none is planned twice."""
    return f"{name}-plan-{identity[:8]}"


def planned_by_pod(name: str, jobs: Iterable[AttemptJob], pods: Iterable[Pod]) -> Figures | JobProblem | None:
    """Return the result of the plan Job of that name; None while it runs, or where there is none."""
    job = next((each for each in jobs if each.plans and each.name == name and not each.deleted), None)
    pod = next((each for each in pods if each.plans and each.job == name and each.over), None)
    late = job is not None and job.reason == KubernetesReason.DEADLINE_EXCEEDED
    if late and (pod is None or pod.exit_code is None):
        return JobProblem(Reason.NOT_PLANNED, f"planning took longer than it may: {SUBMIT}")
    if pod is None:
        if job is None or job.finished is None:
            return None
        return JobProblem(Reason.NOT_PLANNED, f"the pod that plans is gone: {SUBMIT}", passing=True)
    if pod.reason == KubernetesReason.OOM_KILLED:
        return JobProblem(Reason.NOT_PLANNED, f"planning used more memory than its pod may have: {SUBMIT}")
    return read_report(pod)


def read_report(pod: Pod) -> Figures | JobProblem:
    """Return the plan or the problem in a plan pod's termination message."""
    text = pod.last_words
    try:
        report = PlanReport.model_validate_json(text if len(text) <= LARGEST else "")
    except ValidationError:
        report = PlanReport()
    if report.plan:
        return report.plan
    if report.trouble:
        return JobProblem(report.trouble.reason, report.trouble.message, report.trouble.passing)
    taken = pod.exit_code is None or pod.deleted is not None
    if pod.never_ran:
        what = f"the pod that plans cannot be started: {quoted(pod.words)}; {SUBMIT}"
        return JobProblem(Reason.NOT_PLANNED, what, passing=taken)
    how = f"ended with exit code {pod.exit_code}" if pod.exit_code is not None else "was taken away"
    return JobProblem(
        Reason.NOT_PLANNED, f"the pod that plans {how} and left no plan: {SUBMIT}", passing=taken
    )
