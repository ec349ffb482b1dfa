"""The controller's actions, as values: decide() returns them, the reconciler carries them out."""

from dataclasses import dataclass

from ftjob.cluster.policy.terms import Terms
from ftjob.cluster.resource.request import Request
from ftjob.cluster.resource.status import Figures, FineTuneStatus


@dataclass(frozen=True)
class CreatePlanJob:
    """Plan the run in a pod, which reads net, weights and data under its user's own account."""

    request: Request


@dataclass(frozen=True)
class CreateJob:
    """Begin an attempt, unless the API server knows of one under way."""

    request: Request
    figures: Figures
    terms: Terms


@dataclass(frozen=True)
class DeleteJob:
    """End an attempt: its worker gets SIGTERM and its grace period."""

    name: str


@dataclass(frozen=True)
class KillPod:
    """Remove a pod at once."""

    name: str


@dataclass(frozen=True)
class WriteStatus:
    """Replace the object's status."""

    status: FineTuneStatus


@dataclass(frozen=True)
class RecordEvent:
    """Record an Event, which `kubectl describe` shows."""

    reason: str
    message: str
    warning: bool = False


@dataclass(frozen=True)
class RequeueAfter:
    """Reconcile again after so many seconds, even if nothing changes until then."""

    seconds: float


Action = CreatePlanJob | CreateJob | DeleteJob | KillPod | WriteStatus | RecordEvent | RequeueAfter
