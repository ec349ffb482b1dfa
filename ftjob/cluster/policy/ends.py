"""How an attempt ended, by what the cluster and its worker leave (docs/kubernetes.md shows what follows)."""

import re

from ftjob.cluster.resource.objects import AttemptJob, KubernetesReason, Pod
from ftjob.errors.outcomes import BY_EXIT_CODE, BY_REASON, Ending, Reason, Then
from ftjob.runfolder.progress import Progress

GONE = BY_REASON[Reason.POD_GONE]
LOST = frozenset({Reason.PREEMPTED, Reason.TAKEN_AWAY, Reason.POD_GONE})
"""Ends that an attempt comes to when its pod is taken from it."""
BY_USER = frozenset({Reason.SUSPENDED, Reason.CANCELLED})
"""What those are called where the user wanted an end."""


def ending_of(pod: Pod | None, job: AttemptJob | None, report: Progress | None) -> Ending:
    """Return how an attempt ended: by its worker's exit code, else by what the cluster says of the pod.

    `report` is what the worker of that attempt left.
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
"""What a kubelet writes of a pod that it evicts for its own volumes (pkg/kubelet/eviction, `…Fmt` constants);
what it evicts for its node's trouble is taken away."""
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
"""Reasons of pods whose container was killed by the node, so that its exit code says nothing."""


def fail_codes() -> list[int]:
    """Return the exit codes that a worker chooses, each the end of its attempt."""
    return sorted(int(code) for code, ending in BY_EXIT_CODE.items() if ending.then is not Then.SUCCEEDED)
