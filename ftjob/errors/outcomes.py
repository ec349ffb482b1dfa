"""Exit codes, reasons and what follows: the one table for worker, controller, manifests and docs.

A new reason is a member of Reason. One that ends an attempt also gets a row in ENDINGS, or a place in the row
of its exit code.
"""

from dataclasses import dataclass
from enum import Enum, IntEnum, StrEnum
from typing import Self


class ExitCode(IntEnum):
    """How a worker ended. 1 (an unexpected error), 137 and 143 (killed from outside) are not among them."""

    DONE = 0
    BAD_SPEC = 2
    BAD_NET = 3
    BAD_DATA = 4
    STORAGE = 5
    ENGINE_CRASHED = 6
    DIVERGED = 7
    NOT_LEARNING = 8
    BUDGET_REACHED = 9
    PREEMPTED = 10
    NOT_ACCEPTED = 11
    GPU_IDLE = 12

    @property
    def meaning(self) -> str:
        """A sentence for people: what happened, and what to do."""
        return BY_EXIT_CODE[self].meaning


class Reason(StrEnum):
    """Every reason a status or a condition may give, in CamelCase like Kubernetes conditions."""

    message: str
    """What happened, as a clause; empty if it depends on the run."""

    # From a worker, while the run is in progress.
    SUBMITTED = "Submitted"
    STARTED = "Started"
    RESUMED = "Resumed"
    WORKER_GONE = "WorkerGone"

    # How a run or an attempt ends.
    COMPLETED = "Completed", "the run reached its end and its bundle is written"
    ALREADY_DONE = "AlreadyDone"
    PLATEAU = "Plateau"
    BAD_SPEC = "BadSpec", "the spec, the command line or something they name is wrong"
    BAD_NET = "BadNet", "the net or its weights cannot be used"
    BAD_DATA = "BadData", "the images, labels or mean cannot be used"
    STORAGE_UNREACHABLE = "StorageUnreachable", "something could not be read or written"
    OBJECT_MISSING = "ObjectMissing"
    OBJECT_DAMAGED = "ObjectDamaged"
    LEASE_LOST = "LeaseLost"
    PROMOTION_LOST = "PromotionLost"
    ENGINE_CRASHED = "EngineCrashed", "the engine died"
    GPU_MEMORY = "GpuMemory"
    DIVERGED = "Diverged", "the loss is NaN, infinite or 87.3365"
    NOT_LEARNING = "NotLearning", "accuracy stayed at chance"
    BUDGET_REACHED = "BudgetReached", "the budget is spent"
    PREEMPTED = "Preempted", "the worker was asked to stop and made a snapshot"
    NOT_ENDED = "NotEnded"
    NOT_ACCEPTED = "NotAccepted", "the run ended, but its result is below what accept requires"
    GPU_IDLE = "GpuIdle", "the GPU was idle when it should have been training"
    INTERNAL_ERROR = "InternalError", "the worker died of an unexpected error; see its log"
    OUT_OF_MEMORY = (
        "OutOfMemory",
        "the worker used more memory than its pod may have; lower data.batch_size",
    )
    OUT_OF_DISK = "OutOfDisk", "the worker used more disk than its pod may have; see worker.disk_bytes"
    TAKEN_AWAY = "TakenAway", "the pod was taken away before the worker could end by itself"
    DEADLINE_EXCEEDED = "DeadlineExceeded", "the pod reached the time its budget paid for"
    POD_GONE = "PodGone", "the pod is gone, and how its worker ended is unknown"
    SUSPENDED = "Suspended", "held by suspend, after a snapshot"
    CANCELLED = "Cancelled", "cancelled by its user"
    PENDING_TOO_LONG = "PendingTooLong", "the pod waited longer than resources.max_pending"
    NO_PROGRESS = "NoProgress"
    MEMBER_GONE = "MemberGone", "the member's FineTuneJob or folder was deleted while it ran"

    # Why no attempt has begun.
    PLANNING = "Planning", "a pod reads net, weights and data"
    NOT_PLANNED = "NotPlanned"
    BUDGET_TOO_SMALL = "BudgetTooSmall"
    DOES_NOT_FIT = "DoesNotFit"
    OLD_JOBS = "OldJobs", "Jobs of an earlier object of this name are being removed"
    NAME_TAKEN = "NameTaken", "a Job of this name exists that does not belong to this FineTuneJob"
    NAMESPACE_BUDGET = "NamespaceBudget", "the namespace has spent its budget for today"

    # Why a pod does not run; RUNNING if it does.
    RUNNING = "Running", "the worker is running"
    CREATING = "Creating", "the Job is about to make its pod"
    STARTING = "Starting", "the pod is being started"
    QUEUED = "Queued", "the Job is held until its queue has room"
    NO_GPU = "NoGpu", "no node has a free GPU of the requested kind"
    NO_SUCH_NODE = "NoSuchNode", "the cluster has no node of the requested kind"
    UNSCHEDULABLE = "Unschedulable", "no node has room for the pod"
    IMAGE_UNAVAILABLE = "ImageUnavailable", "the pod's image cannot be pulled"
    CONTAINER_UNUSABLE = "ContainerUnusable", "the pod's container cannot be started"
    VOLUME_UNAVAILABLE = "VolumeUnavailable", "a volume cannot be mounted"
    NODE_TROUBLE = "NodeTrouble", "the node cannot start the pod"
    QUOTA_EXCEEDED = "QuotaExceeded", "the namespace's quota leaves no room"
    NO_SERVICE_ACCOUNT = "NoServiceAccount", "the workers' service account is missing"
    NOT_PERMITTED = "NotPermitted", "the cluster does not permit the pod"
    POD_REFUSED = "PodRefused", "the Job cannot make its pod"

    # Only in conditions.
    VALID = "Valid"
    RELEASED = "Released"
    IMMUTABLE_FIELD = "ImmutableField"
    RESTORED = "Restored"
    BAD_REPORT = "BadReport"
    GOOD_REPORT = "GoodReport"

    def __new__(cls, value: str, message: str = "") -> Self:
        """Make a member that equals its value and has a message."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.message = message
        return member


class Then(Enum):
    """What follows the end of an attempt."""

    SUCCEEDED = "the run is done"
    FAILED = "not retried"
    STOPPED = "stopped; resumes when the budget is raised"
    COUNTED = "retried after a pause, up to resources.max_retries times without a new snapshot"
    LATER = "retried after a pause, not counted against resources.max_retries"
    HELD = "on hold until its user resumes it"
    FREE = "retried at once, not counted against resources.max_retries"


@dataclass(frozen=True)
class Ending:
    """One way for an attempt to end: a row of the table."""

    reason: Reason
    then: Then
    exit_code: ExitCode | None = None
    """The worker's exit code; None if the worker cannot report how it ended."""
    remedy: str = ""
    """What the user can do, as a clause."""
    narrower: tuple[Reason, ...] = ()
    """More precise reasons that a status gives with the same exit code."""

    @property
    def meaning(self) -> str:
        """A sentence for people: what happened, and what to do."""
        happened = f"{self.reason.message[0].upper()}{self.reason.message[1:]}"
        return f"{happened}: {self.remedy}." if self.remedy else f"{happened}."


ENDINGS = (
    Ending(
        Reason.COMPLETED,
        Then.SUCCEEDED,
        ExitCode.DONE,
        narrower=(Reason.ALREADY_DONE, Reason.PLATEAU),
    ),
    Ending(Reason.BAD_SPEC, Then.FAILED, ExitCode.BAD_SPEC, "fix what the message names"),
    Ending(Reason.BAD_NET, Then.FAILED, ExitCode.BAD_NET, "fix the layer or file that the message names"),
    Ending(Reason.BAD_DATA, Then.FAILED, ExitCode.BAD_DATA, "fix the file or record that the message names"),
    Ending(
        Reason.STORAGE_UNREACHABLE,
        Then.LATER,
        ExitCode.STORAGE,
        "free disk space, check permissions and network, then submit again",
        narrower=(Reason.OBJECT_MISSING, Reason.OBJECT_DAMAGED, Reason.LEASE_LOST, Reason.PROMOTION_LOST),
    ),
    Ending(
        Reason.ENGINE_CRASHED,
        Then.COUNTED,
        ExitCode.ENGINE_CRASHED,
        "read its last log lines, then submit again to resume from the last snapshot",
        narrower=(Reason.GPU_MEMORY,),
    ),
    Ending(
        Reason.DIVERGED,
        Then.FAILED,
        ExitCode.DIVERGED,
        "lower solver.base_lr, or check the labels",
    ),
    Ending(
        Reason.NOT_LEARNING,
        Then.FAILED,
        ExitCode.NOT_LEARNING,
        "check labels, mean and learning rate",
    ),
    Ending(
        Reason.BUDGET_REACHED,
        Then.STOPPED,
        ExitCode.BUDGET_REACHED,
        "raise it and submit again to resume; snapshot and bundle are saved",
    ),
    Ending(
        Reason.PREEMPTED,
        Then.FREE,
        ExitCode.PREEMPTED,
        "after Ctrl-C, cancel or a spot notice; submit again to resume",
        narrower=(Reason.CANCELLED, Reason.NOT_ENDED),
    ),
    Ending(
        Reason.NOT_ACCEPTED,
        Then.FAILED,
        ExitCode.NOT_ACCEPTED,
        "the message has what is required and what was reached; bundle and evaluation are saved",
    ),
    Ending(
        Reason.GPU_IDLE,
        Then.FAILED,
        ExitCode.GPU_IDLE,
        "check that the node's driver and GPU work",
    ),
    Ending(Reason.INTERNAL_ERROR, Then.COUNTED),
    Ending(Reason.CONTAINER_UNUSABLE, Then.COUNTED),
    Ending(Reason.OUT_OF_MEMORY, Then.COUNTED),
    Ending(Reason.OUT_OF_DISK, Then.COUNTED),
    Ending(Reason.TAKEN_AWAY, Then.FREE),
    Ending(Reason.DEADLINE_EXCEEDED, Then.FREE),
    Ending(Reason.POD_GONE, Then.FREE),
    Ending(Reason.SUSPENDED, Then.HELD),
    Ending(Reason.CANCELLED, Then.HELD),
    Ending(Reason.PENDING_TOO_LONG, Then.FAILED),
)
BY_REASON: dict[str, Ending] = {ending.reason: ending for ending in ENDINGS}
BY_EXIT_CODE: dict[int, Ending] = {
    ending.exit_code: ending for ending in ENDINGS if ending.exit_code is not None
}


_CODES: dict[str, ExitCode] = {
    reason: ending.exit_code
    for ending in ENDINGS
    if ending.exit_code is not None
    for reason in (ending.reason, *ending.narrower)
}


def exit_code_of(reason: Reason) -> ExitCode:
    """Return the exit code of a worker that ends for a reason. Raises KeyError if there is none."""
    return _CODES[reason]


def known_exit_code(reason: str) -> ExitCode | None:
    """Return the exit code of any end for a reason; None for one that leaves it to the worker."""
    return _CODES.get(reason)


def exit_code_after(reason: str) -> ExitCode:
    """Return the exit code of an end that no worker made: its reason's, else that of a run that resumes."""
    code = known_exit_code(reason)
    return ExitCode.PREEMPTED if code is None else code
