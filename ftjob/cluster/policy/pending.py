"""Explains why a pod does not start, from the messages of scheduler, kubelet and Job controller."""

import re
from dataclasses import dataclass, replace

from ftjob.cluster.resource.objects import STARTING as STARTING_REASONS
from ftjob.cluster.resource.objects import Pod
from ftjob.cluster.resource.request import Request
from ftjob.errors.outcomes import Reason
from jobspec.text import shortened


@dataclass(frozen=True)
class Waiting:
    """Why no worker runs yet."""

    reason: Reason
    message: str
    expected: bool = False
    """Whether every pod passes through this state."""


STARTING = Waiting(Reason.STARTING, Reason.STARTING.message, expected=True)
QUEUED = Waiting(Reason.QUEUED, Reason.QUEUED.message)
CREATING = Waiting(Reason.CREATING, Reason.CREATING.message, expected=True)

IMAGE_REASONS = {
    "ErrImagePull",
    "ImagePullBackOff",
    "ErrImageNeverPull",
    "InvalidImageName",
    "ImageInspectError",
    "RegistryUnavailable",
    "SignatureValidationFailed",
}


def why_pending(
    pod: Pod | None, hint: str, request: Request, *, spot: bool = False, plans: bool = False
) -> Waiting:
    """Return why a pod, or a Job that has no pod yet, does not run; `hint` is the newest warning about it.

    A pod that `plans` does not request a profile's node.
    """
    if pod is None:
        return _without_pod(hint)
    if pod.unschedulable is not None:
        return _unschedulable(pod.unschedulable, request, spot=spot, plans=plans)
    if pod.waiting and pod.waiting[0] in IMAGE_REASONS:
        caused = hint.startswith("Failed to pull image")  # older kubelets' messages have it for a moment only
        return _because(Reason.IMAGE_UNAVAILABLE, (not caused and pod.waiting[1]) or hint)
    if pod.waiting and pod.waiting[0] not in STARTING_REASONS:
        return Waiting(Reason.CONTAINER_UNUSABLE, f"{pod.waiting[0]}: {quoted(pod.waiting[1] or hint)}")
    # A sandbox that cannot be made may quote a mount of the runtime's own, a volume its network.
    if "sandbox" not in hint and re.search(r"mount|volume|attach", hint, re.IGNORECASE):
        return _because(Reason.VOLUME_UNAVAILABLE, hint)
    if re.search(r"sandbox|network", hint, re.IGNORECASE):
        return _because(Reason.NODE_TROUBLE, hint)
    return replace(STARTING, message=f"{STARTING.message}: {quoted(hint)}") if hint else STARTING


def _without_pod(hint: str) -> Waiting:
    if not hint:
        return CREATING
    if "exceeded quota" in hint:
        return _because(Reason.QUOTA_EXCEEDED, hint)
    if re.search(r"service ?account", hint, re.IGNORECASE) and "not found" in hint:
        return _because(Reason.NO_SERVICE_ACCOUNT, hint)
    if "forbidden" in hint or "violates PodSecurity" in hint:
        return _because(Reason.NOT_PERMITTED, hint)
    return _because(Reason.POD_REFUSED, hint)


def _unschedulable(detail: str, request: Request, *, spot: bool, plans: bool) -> Waiting:
    if "scheduling gate" in detail:
        return _because(Reason.QUEUED, detail)
    if plans:
        return _because(Reason.UNSCHEDULABLE, detail, " that plans")
    node = request.spec.resources.node
    wanted = f"{request.node.gpu}, profile {node}" if request.node.gpus else f"profile {node}"
    if "Insufficient nvidia.com/gpu" in detail:
        return _because(Reason.NO_GPU, detail, f" ({wanted})")
    # Room is looked for on the nodes of the kind: the scheduler tests taints and affinity before it.
    full = re.search(r"Insufficient|Too many pods", detail)
    if not full and re.search(r"affinity|node selector|taint", detail):
        on_spot = "spot node, " if spot else ""
        return _because(Reason.NO_SUCH_NODE, detail, f" ({on_spot}{wanted})")
    return _because(Reason.UNSCHEDULABLE, detail, f" ({wanted})")


def _because(reason: Reason, detail: str, more: str = "") -> Waiting:
    """Return a reason with its message, followed by `more` and the cluster's own message."""
    return Waiting(reason, f"{reason.message}{more}: {quoted(detail)}")


def quoted(text: str) -> str:
    """Return a message as one line of at most 300 characters, without its full stop; of a longer one the
    middle is left out: runtimes name the cause last."""
    return shortened(" ".join(text.split()).rstrip("."), 300)
