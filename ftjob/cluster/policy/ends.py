"""Classifies how an attempt ended, from what the cluster and its worker leave (see docs/kubernetes.md)."""

import re

from ftjob.cluster.resource.names import Condition
from ftjob.cluster.resource.objects import AttemptJob, KubernetesReason, Pod
from ftjob.cluster.resource.status import FineTuneStatus
from ftjob.errors.outcomes import BY_EXIT_CODE, BY_REASON, Ending, ExitCode, Reason, Then
from ftjob.runfolder.progress import Progress
from ftjob.runfolder.status import State

LATE_SECONDS = 10.0
"""Beyond a grace period, for a kubelet that is busy and an end that has to be read."""
GONE = BY_REASON[Reason.POD_GONE]
LOST = frozenset({Reason.PREEMPTED, Reason.TAKEN_AWAY, Reason.POD_GONE})
"""Reasons of attempts whose pod was taken away."""
BY_USER = frozenset({Reason.SUSPENDED, Reason.CANCELLED})
"""Reasons of attempts that the user wanted to end."""
ENDED_FOR: dict[str, str] = {
    **{reason: reason for reason in BY_USER},
    Reason.BUDGET_REACHED: Reason.DEADLINE_EXCEEDED,
}
"""What replaces `LOST` where the controller ended the attempt, by the reason for which it did."""


def is_ending(pod: Pod, before: FineTuneStatus, report: Progress | None, now: float) -> bool:
    """Return whether a pod that is overdue still ends.

    It does until its worker reports its end or listens no more, or until its grace period has passed since
    the controller first saw it so: the node's clock may differ.
    """
    if not (pod.overdue and pod.running) or before.state.ended:
        return False
    if report is not None and report.attempt == pod.attempt and report.exit_code is not None:
        return False
    running = before.condition(Condition.RUNNING)
    if before.state is not State.STOPPING or running is None:
        return True
    return 0 <= now - running.last_transition_time < pod.grace_seconds + LATE_SECONDS


def ending_of(pod: Pod | None, job: AttemptJob | None, report: Progress | None) -> Ending:
    """Return how an attempt ended: from its worker's exit code, else from the pod's and Job's reasons.

    `report` is the last one of that attempt's worker.
    """
    code = pod.exit_code if pod else None
    if code is None and report is not None:
        code = report.exit_code
    if pod and pod.reason == KubernetesReason.OOM_KILLED:
        return BY_REASON[Reason.OUT_OF_MEMORY]
    if pod and pod.reason == KubernetesReason.EVICTED and FULL.search(pod.message):
        return BY_REASON[Reason.OUT_OF_DISK]
    overdue = KubernetesReason.DEADLINE_EXCEEDED in (pod and pod.reason, job and job.reason)
    if code in BY_EXIT_CODE and not (overdue and code == ExitCode.PREEMPTED):
        return BY_EXIT_CODE[code]
    if overdue:
        return BY_REASON[Reason.DEADLINE_EXCEEDED]
    if pod is None:
        return GONE
    taken = pod.deleted is not None or pod.disruption or pod.reason in TAKING
    if pod.never_ran and not taken:
        return BY_REASON[Reason.CONTAINER_UNUSABLE]
    if code is None or taken:
        return BY_REASON[Reason.TAKEN_AWAY]
    return BY_REASON[Reason.INTERNAL_ERROR]


FULL = re.compile(r"exceeds the limit|exceeded its local ephemeral|ephemeral local storage usage exceeds")
"""The kubelet's messages on a pod evicted for its own disk use (pkg/kubelet/eviction, `…Fmt` constants); a
pod evicted because its node is short of something counts as taken away."""
TAKING = frozenset(
    {
        KubernetesReason.EVICTED,
        KubernetesReason.NODE_LOST,
        KubernetesReason.PREEMPTING,
        KubernetesReason.SHUTDOWN,
        KubernetesReason.NODE_SHUTDOWN,
        KubernetesReason.STATUS_UNKNOWN,
        KubernetesReason.TERMINATED,
    }
)
"""Reasons of pods whose container the node killed, so that its exit code means nothing."""


def fail_codes() -> list[int]:
    """Return the exit codes that a worker chooses itself, each of which ends its attempt."""
    return sorted(int(code) for code, ending in BY_EXIT_CODE.items() if ending.then is not Then.SUCCEEDED)
