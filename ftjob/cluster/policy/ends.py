"""Classifies how an attempt ended, from what the cluster and its worker leave (see docs/kubernetes.md)."""

import re

from ftjob.cluster.resource.objects import AttemptJob, KubernetesReason, Pod
from ftjob.errors.outcomes import BY_EXIT_CODE, BY_REASON, Ending, Reason, Then
from ftjob.runfolder.progress import Progress

GONE = BY_REASON[Reason.POD_GONE]
LOST = frozenset({Reason.PREEMPTED, Reason.TAKEN_AWAY, Reason.POD_GONE})
"""Reasons of attempts whose pod was taken away."""
BY_USER = frozenset({Reason.SUSPENDED, Reason.CANCELLED})
"""What replaces them where the user wanted the attempt to end."""


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
    if code is not None and code in BY_EXIT_CODE:
        return BY_EXIT_CODE[code]
    if KubernetesReason.DEADLINE_EXCEEDED in (pod and pod.reason, job and job.reason):
        return BY_REASON[Reason.DEADLINE_EXCEEDED]
    if pod is None:
        return GONE
    if code is None or pod.deleted is not None or pod.disruption or pod.reason in TAKING:
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
        KubernetesReason.TERMINATED,
    }
)
"""Reasons of pods whose container the node killed, so that its exit code means nothing."""


def fail_codes() -> list[int]:
    """Return the exit codes that a worker chooses itself, each of which ends its attempt."""
    return sorted(int(code) for code, ending in BY_EXIT_CODE.items() if ending.then is not Then.SUCCEEDED)
