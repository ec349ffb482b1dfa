"""How an attempt ended and what follows from it: the one table of retries (docs/kubernetes.md shows it)."""

import re
from dataclasses import dataclass
from enum import Enum

from ftjob.cluster.objects import AttemptJob, Pod
from ftjob.errors import ExitCode
from ftjob.progress import Progress


class Then(Enum):
    """What follows an end."""

    SUCCEEDED = "the run is done"
    FAILED = "never tried again"
    STOPPED = "stopped; goes on when the budget is raised"
    COUNTED = "tried again after a pause, up to resources.max_retries times without a new snapshot"
    LATER = "tried again after a pause, not counted against resources.max_retries"
    HELD = "goes on when its user lets it"
    FREE = "tried again at once, not counted against resources.max_retries"


@dataclass(frozen=True)
class End:
    """One way for an attempt to end."""

    reason: str
    then: Then
    told: str
    """In a sentence, where the worker left none."""


COMPLETED = End("Completed", Then.SUCCEEDED, "the run reached its end and its bundle is written")
BUDGET_REACHED = End("BudgetReached", Then.STOPPED, "the budget is spent")
UNFORESEEN = End("InternalError", Then.COUNTED, "the worker died of an unforeseen error; its log says more")
OUT_OF_MEMORY = End(
    "OutOfMemory", Then.COUNTED, "the worker took more memory than its pod may have; lower data.batch_size"
)
OUT_OF_DISK = End(
    "OutOfDisk", Then.COUNTED, "the worker took more disk than its pod may have; see worker.disk_bytes"
)
TAKEN_AWAY = End("TakenAway", Then.FREE, "the pod was taken away before the worker could end by itself")
DEADLINE = End("DeadlineExceeded", Then.FREE, "the pod reached the time its budget paid for")
PREEMPTED = End("Preempted", Then.FREE, "the worker was asked to stop and made a snapshot")
PENDING_TOO_LONG = End("PendingTooLong", Then.FAILED, "the pod waited longer than resources.max_pending")
SUSPENDED = End("Suspended", Then.HELD, "held by suspend, after a snapshot")
CANCELLED = End("Cancelled", Then.HELD, "cancelled by its user")
GONE = End("PodGone", Then.FREE, "the pod is gone, and nothing says how its worker ended")

BY_EXIT_CODE: dict[int, End] = {
    ExitCode.DONE: COMPLETED,
    ExitCode.BAD_SPEC: End("BadSpec", Then.FAILED, "the spec cannot be run"),
    ExitCode.BAD_NET: End("BadNet", Then.FAILED, "the net or its weights cannot be used"),
    ExitCode.BAD_DATA: End("BadData", Then.FAILED, "the images, labels or mean cannot be used"),
    ExitCode.STORAGE: End("StorageUnreachable", Then.LATER, "something could not be read or written"),
    ExitCode.ENGINE_CRASHED: End("EngineCrashed", Then.COUNTED, "the engine died"),
    ExitCode.DIVERGED: End("Diverged", Then.FAILED, "the loss is not a number any more"),
    ExitCode.NOT_LEARNING: End("NotLearning", Then.FAILED, "accuracy stayed at chance"),
    ExitCode.BUDGET_REACHED: BUDGET_REACHED,
    ExitCode.PREEMPTED: PREEMPTED,
    ExitCode.NOT_ACCEPTED: End("NotAccepted", Then.FAILED, "the result is below what accept asks for"),
    ExitCode.GPU_IDLE: End("GpuIdle", Then.FAILED, "the GPU did nothing while training was due"),
}
ALL = (
    *BY_EXIT_CODE.values(),
    UNFORESEEN,
    OUT_OF_MEMORY,
    OUT_OF_DISK,
    TAKEN_AWAY,
    DEADLINE,
    GONE,
    SUSPENDED,
    CANCELLED,
    PENDING_TOO_LONG,
)
BY_REASON = {end.reason: end for end in ALL}
LOST = frozenset({PREEMPTED, TAKEN_AWAY, GONE})
"""Ends that an attempt comes to when its pod is taken from it."""
ASKED = {end.reason: end for end in (SUSPENDED, CANCELLED)}
"""What those are called where the user wanted an end."""


def how_it_ended(pod: Pod | None, job: AttemptJob | None, report: Progress | None) -> End:
    """Return how an attempt ended: by its worker's exit code, else by what the cluster says of the pod.

    `report` is what the worker of that attempt left.
    """
    code = pod.exit_code if pod else None
    if code is None and report is not None:
        code = report.exit_code
    if pod and pod.reason == "OOMKilled":
        return OUT_OF_MEMORY
    if pod and pod.reason == "Evicted" and FULL.search(pod.message):
        return OUT_OF_DISK
    if code is not None and code in BY_EXIT_CODE:
        return BY_EXIT_CODE[code]
    if (pod and pod.reason == "DeadlineExceeded") or (job and job.reason == "DeadlineExceeded"):
        return DEADLINE
    if pod is None:
        return GONE
    if code is None or pod.deleted is not None or pod.disruption or pod.reason in TAKING:
        return TAKEN_AWAY
    return UNFORESEEN


FULL = re.compile(r"exceeds the limit|exceeded its local ephemeral|ephemeral local storage usage exceeds")
"""What a kubelet writes of a pod that it evicts for its own volumes (pkg/kubelet/eviction, `…Fmt` constants);
what it evicts for its node's trouble is taken away."""
TAKING = ("Evicted", "NodeLost", "Preempting", "Shutdown", "NodeShutdown", "Terminated")
"""Reasons of pods whose container was killed by the node, so that its exit code says nothing."""


def fail_codes() -> list[int]:
    """Return the exit codes that a worker says on purpose, each the end of its attempt."""
    return sorted(int(code) for code, end in BY_EXIT_CODE.items() if end.then is not Then.SUCCEEDED)
