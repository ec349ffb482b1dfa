"""Why a pod does not start, in one sentence that says what is missing."""

from typing import Any

import pytest

from ftjob.cluster.policy.pending import why_pending
from ftjob.cluster.resource.objects import Pod
from tests.cluster.unit.builders import fine_tune, request_of

NO_GPU = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."
NO_NODE = "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector."
QUOTA = 'pods "emotions-1f3b9c02-1-x" is forbidden: exceeded quota: gpus, requested: limits.nvidia.com/gpu=1'
ACCOUNT = (
    'pods "x" is forbidden: error looking up service account team/ftjob-worker: serviceaccount not found'
)
MOUNT = 'MountVolume.SetUp failed for volume "nodes": not found'


@pytest.mark.parametrize(
    ("pod", "hint", "reason", "part"),
    [
        ({"unschedulable": NO_GPU}, "", "NoGpu", "NVIDIA K80"),
        ({"unschedulable": NO_NODE}, "", "NoSuchNode", "p2.xlarge"),
        ({"unschedulable": "0/1 nodes are available: 1 Insufficient cpu."}, "", "Unschedulable", "room"),
        ({"waiting": ("ImagePullBackOff", "Back-off pulling")}, "", "ImageUnavailable", "pulled: Back-off"),
        ({"waiting": ("ErrImageNeverPull", "")}, "not present", "ImageUnavailable", "not present"),
        ({"waiting": ("CreateContainerConfigError", "no uid")}, "", "ContainerUnusable", "no uid"),
        ({"waiting": ("ContainerCreating", "")}, MOUNT, "VolumeUnavailable", "MountVolume"),
        ({"waiting": ("ContainerCreating", "")}, "", "Starting", "being started"),
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
