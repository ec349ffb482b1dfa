"""Why a pod does not start: one sentence from what scheduler, kubelet and Job controller say."""

import re
from dataclasses import dataclass

from ftjob.cluster.objects import Pod
from ftjob.cluster.request import Request


@dataclass(frozen=True)
class Waiting:
    """Why no worker runs yet."""

    reason: str
    message: str
    expected: bool = False
    """Whether this is how every pod begins."""


STARTING = Waiting("Starting", "the pod is being started", expected=True)
QUEUED = Waiting("Queued", "the Job is held until its queue has room")
CREATING = Waiting("Creating", "the Job is about to make its pod", expected=True)

IMAGE_REASONS = {
    "ErrImagePull",
    "ImagePullBackOff",
    "ErrImageNeverPull",
    "InvalidImageName",
    "ImageInspectError",
    "RegistryUnavailable",
}


def why_pending(
    pod: Pod | None, hint: str, request: Request, *, spot: bool = False, plans: bool = False
) -> Waiting:
    """Return why a pod, or a Job that has none yet, does not run; `hint` is what their events say.

    One that `plans` asks for no node of a profile.
    """
    if pod is None:
        return _without_pod(hint)
    if pod.unschedulable is not None:
        return _unschedulable(pod.unschedulable, request, spot=spot, plans=plans)
    if pod.waiting and pod.waiting[0] in IMAGE_REASONS:
        detail = _short(pod.waiting[1] or hint)
        return Waiting("ImageUnavailable", f"the pod's image cannot be pulled: {detail}")
    if pod.waiting and pod.waiting[0] not in ("", "ContainerCreating", "PodInitializing"):
        return Waiting("ContainerUnusable", f"{pod.waiting[0]}: {_short(pod.waiting[1] or hint)}")
    if re.search(r"mount|volume|attach", hint, re.IGNORECASE):
        return Waiting("VolumeUnavailable", f"a volume cannot be mounted: {_short(hint)}")
    if re.search(r"sandbox|network", hint, re.IGNORECASE):
        return Waiting("NodeTrouble", f"the node cannot start the pod: {_short(hint)}")
    return STARTING


def _without_pod(hint: str) -> Waiting:
    if not hint:
        return CREATING
    if "exceeded quota" in hint:
        return Waiting("QuotaExceeded", f"the namespace's quota leaves no room: {_short(hint)}")
    if re.search(r"service ?account", hint, re.IGNORECASE) and "not found" in hint:
        return Waiting("NoServiceAccount", f"the workers' service account is missing: {_short(hint)}")
    if "forbidden" in hint or "violates PodSecurity" in hint:
        return Waiting("NotPermitted", f"the cluster does not permit the pod: {_short(hint)}")
    return Waiting("PodRefused", f"the Job cannot make its pod: {_short(hint)}")


def _unschedulable(said: str, request: Request, *, spot: bool, plans: bool) -> Waiting:
    if plans:
        return Waiting("Unschedulable", f"no node has room for the pod that plans: {_short(said)}")
    node = request.spec.resources.node
    wanted = f"{request.node.gpu}, profile {node}" if request.node.gpus else f"profile {node}"
    if "nvidia.com/gpu" in said:
        return Waiting("NoGpu", f"no node has a free GPU of the kind asked for ({wanted}): {_short(said)}")
    if re.search(r"affinity|node selector|taint", said):
        kind = "spot node" if spot else "node"
        return Waiting(
            "NoSuchNode", f"the cluster has no {kind} of the kind asked for ({wanted}): {_short(said)}"
        )
    return Waiting("Unschedulable", f"no node has room for the pod ({wanted}): {_short(said)}")


def _short(text: str) -> str:
    """Return a message in one line of at most 300 letters, without its full stop."""
    line = " ".join(text.split()).rstrip(".")
    return line if len(line) <= 300 else f"{line[:297]}..."
