"""Why a pod does not start, in one sentence that says what is missing."""

from typing import Any

import pytest

from ftjob.cluster.policy.pending import why_pending
from ftjob.cluster.resource.objects import Pod, read_pod
from tests.cluster.unit.builders import fine_tune, pod_object, request_of

NO_GPU = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."
NO_NODE = "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector."
QUOTA = 'pods "emotions-1f3b9c02-1-x" is forbidden: exceeded quota: gpus, requested: limits.nvidia.com/gpu=1'
ACCOUNT = (
    'pods "x" is forbidden: error looking up service account team/ftjob-worker: serviceaccount not found'
)
NO_ROOM = (
    "0/9 nodes are available: 5 node(s) didn't match Pod's node affinity/selector, 4 Insufficient memory."
)
FULL = "0/2 nodes are available: 1 node(s) had untolerated taint {a: b}, 1 Too many pods."
TAINT = "0/4 nodes are available: 4 node(s) had untolerated taint {nvidia.com/gpu: true}."
GATED = "Scheduling is blocked due to non-empty scheduling gates"
SANDBOX = "Failed to create pod sandbox: failed to create containerd task: failed to mount rootfs component"
PULL = 'Failed to pull image "x": no basic auth credentials'
MOUNT = 'MountVolume.SetUp failed for volume "nodes": not found'


@pytest.mark.parametrize(
    ("pod", "hint", "reason", "part"),
    [
        ({"unschedulable": NO_GPU}, "", "NoGpu", "NVIDIA K80"),
        ({"unschedulable": NO_NODE}, "", "NoSuchNode", "p2.xlarge"),
        ({"unschedulable": "0/1 nodes are available: 1 Insufficient cpu."}, "", "Unschedulable", "room"),
        ({"unschedulable": NO_ROOM}, "", "Unschedulable", "room"),
        ({"unschedulable": FULL}, "", "Unschedulable", "room"),
        ({"unschedulable": TAINT}, "", "NoSuchNode", "taint {nvidia.com/gpu: true}"),
        ({"unschedulable": GATED}, "", "Queued", "gates"),
        ({"waiting": ("ContainerCreating", "")}, SANDBOX, "NodeTrouble", "rootfs"),
        ({"waiting": ("SignatureValidationFailed", "no key")}, "", "ImageUnavailable", "no key"),
        ({"waiting": ("ImagePullBackOff", "Back-off pulling")}, "", "ImageUnavailable", "pulled: Back-off"),
        ({"waiting": ("ImagePullBackOff", "Back-off pulling")}, PULL, "ImageUnavailable", "no basic auth"),
        (
            {"waiting": ("ImagePullBackOff", "Back-off: no basic auth")},
            MOUNT,
            "ImageUnavailable",
            "no basic auth",
        ),
        ({"waiting": ("ErrImageNeverPull", "")}, "not present", "ImageUnavailable", "not present"),
        ({"waiting": ("CreateContainerConfigError", "no uid")}, "", "ContainerUnusable", "no uid"),
        ({"waiting": ("ContainerCreating", "")}, MOUNT, "VolumeUnavailable", "MountVolume"),
        ({"waiting": ("ContainerCreating", "")}, "", "Starting", "being started"),
        ({"waiting": ("ContainerCreating", "")}, "claim not ready", "Starting", "started: claim not ready"),
        (None, QUOTA, "QuotaExceeded", "quota"),
        (None, ACCOUNT, "NoServiceAccount", "account"),
        (None, "violates PodSecurity", "NotPermitted", "permit"),
        (None, "", "Creating", "about to"),
    ],
)
def test_every_cause_has_its_sentence(pod: dict[str, Any] | None, hint: str, reason: str, part: str) -> None:
    """From the scheduler, the kubelet and the Job controller."""
    waiting = why_pending(pod and Pod("p", "j", 1, **pod), hint, request_of())

    assert waiting.reason == reason
    assert part in waiting.message


def test_a_spot_node_is_called_one() -> None:
    """Whoever waits for spot reads that spot is what there is none of."""
    asked = request_of(fine_tune(resources={"node": "p2.xlarge", "spot": True}))

    assert "spot node" in why_pending(Pod("p", "j", 1, unschedulable=NO_NODE), "", asked, spot=True).message


def test_of_a_long_message_the_middle_is_left_out() -> None:
    """Statuses are read by people, and a runtime names the cause last, after the image and its digest."""
    image = f"123456789012.dkr.ecr.eu-west-1.amazonaws.com/ftjob/worker-caffe-cuda@sha256:{'0f' * 32}"
    text = f'failed to pull and unpack image "{image}": failed to resolve reference "{image}": not found'
    waiting = why_pending(Pod("p", "j", 1, waiting=("ErrImagePull", text)), "", request_of())
    longest = why_pending(Pod("p", "j", 1, waiting=("ErrImagePull", "x " * 4000)), "", request_of())

    assert waiting.message.endswith(": not found")
    assert len(longest.message) < 400


@pytest.mark.parametrize("reason", ["Unschedulable", "SchedulingGated", "SchedulerError"])
def test_whatever_the_scheduler_reports_of_a_pod_without_a_node_is_shown(reason: str) -> None:
    """Such a pod is not being started."""
    report = {"reason": reason, "message": "what the scheduler wrote"}
    waiting = why_pending(read_pod(pod_object(scheduled=None, unschedulable=report)), "", request_of())

    assert waiting.message.endswith("what the scheduler wrote")
    assert not waiting.expected


@pytest.mark.parametrize("kind", ["initContainerStatuses", "containerStatuses"])
def test_a_container_that_somebody_put_into_the_pod_is_named_where_it_holds_up_the_worker(kind: str) -> None:
    """As an admission webhook does with a sidecar: its image may be missing too."""
    state = {"waiting": {"reason": "ImagePullBackOff", "message": "no such tag"}}
    sidecar = {"name": "proxy", "state": state}
    pod = pod_object(phase="Pending", state={"waiting": {"reason": "PodInitializing"}})
    pod["status"][kind] = [sidecar, *pod["status"].get(kind, [])]
    waiting = why_pending(read_pod(pod), "", request_of())

    assert waiting.reason == "ImageUnavailable"
    assert waiting.message == "the pod's image cannot be pulled: container proxy: no such tag"
