"""What the controller may do, as values: decide() returns them, the controller carries them out."""

from dataclasses import dataclass

from ftjob.cluster.policy.terms import Terms
from ftjob.cluster.resource.request import Request
from ftjob.cluster.resource.status import Figures, FineTuneStatus


@dataclass(frozen=True)
class CreatePlanJob:
    """Have a pod plan the run: it reads net, weights and data under its user's own account."""

    request: Request


@dataclass(frozen=True)
class CreateJob:
    """Begin an attempt, unless one is found to be under way after all."""

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
    """Write the object's status, all of it."""

    status: FineTuneStatus


@dataclass(frozen=True)
class RecordEvent:
    """Tell of a change where `kubectl describe` shows it."""

    reason: str
    message: str
    warning: bool = False


@dataclass(frozen=True)
class RequeueAfter:
    """Decide again after so many seconds, even if nothing is heard until then."""

    seconds: float


Action = CreatePlanJob | CreateJob | DeleteJob | KillPod | WriteStatus | RecordEvent | RequeueAfter
