"""The Job of one attempt: recorded whole, held to today's Kubernetes, and as safe as it must be."""

import json
import math
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from ftjob.cluster.controller.manifests import attempt_job, grace_seconds, job_name
from ftjob.cluster.policy.terms import Terms
from ftjob.cluster.resource.config import Config
from ftjob.cluster.resource.status import Figures
from ftjob.errors import BadSpecError, ExitCode
from tests.cluster.unit.builders import FIGURES, RUN_ID, fine_tune, request_of

RECORDED = Path(__file__).parent / "recorded"
SPOT = {"resources": {"node": "p2.xlarge", "spot": True}, "budget": {"usd": 4.0}}
LABELS = {"worker": {"spot_labels": {"eks.amazonaws.com/capacityType": "SPOT"}}}


def job(config: Config | None = None, seconds_left: float = math.inf, **changes: Any) -> dict[str, Any]:
    made = fine_tune(**changes)
    request = request_of(made)
    spot = request.spec.resources.begins_on_spot
    terms = Terms(2, spot, request.usd_per_hour(spot=spot), 600.0, 0.15, seconds_left)
    figures = FIGURES.model_copy(update={"engine": request.spec.engine}) if "engine" in changes else FIGURES
    return attempt_job(made, request, figures, config or Config(), terms)


def pod(*arguments: Any, **changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = job(*arguments, **changes)["spec"]["template"]["spec"]
    return made


CASES = {
    "gpu-spot": lambda: job(Config.model_validate(LABELS), 15400.5, **SPOT),
    "cpu": lambda: job(resources={"node": "local"}),
    "four-gpus": lambda: job(engine="torch", solver={"gpus": 4}, resources={"node": "p3.8xlarge"}),
}


@pytest.mark.parametrize("name", CASES)
def test_the_job_is_as_recorded(name: str) -> None:
    """Whole. To record anew: python -m tests.cluster.unit.test_manifests."""
    assert CASES[name]() == yaml.safe_load((RECORDED / f"{name}.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("version", ["1.31", "1.34", "1.37"])
def test_today_kubernetes_knows_every_field(name: str, version: str) -> None:
    """By the API's own schemas, in which unknown fields are errors."""
    kubernetes_validate.validate(CASES[name](), version, strict=True)


def test_a_name_fits_where_it_is_used() -> None:
    """The longest name, a run's id and an attempt of three digits make a label of at most 63 letters."""
    assert len(job_name("n" * 40, RUN_ID, 999)) <= 63
    assert job_name("emotions", RUN_ID, 2) == "emotions-1f3b9c02-2"


def test_nothing_secret_is_in_it() -> None:
    """Credentials come from a Secret by name; the pod gets no API token."""
    text = json.dumps(job())

    assert pod()["automountServiceAccountToken"] is False
    assert pod()["containers"][0]["envFrom"] == [{"secretRef": {"name": "ftjob-storage", "optional": True}}]
    assert "AWS_SECRET" not in text


def test_the_deadline_is_the_money_that_is_left() -> None:
    """It is the pod's, which counts from its scheduling; without a budget there is none."""
    assert pod(seconds_left=100.2)["activeDeadlineSeconds"] == 101
    assert "activeDeadlineSeconds" not in pod()


def test_every_code_that_a_worker_chooses_ends_the_job() -> None:
    """The table of exit codes, but for success; a Job that knows podFailurePolicy makes no second pod."""
    policy = job()["spec"]["podFailurePolicy"]["rules"][0]["onExitCodes"]["values"]

    assert policy == [int(code) for code in ExitCode if code is not ExitCode.DONE]
    assert (job()["spec"]["backoffLimit"], job()["spec"]["podReplacementPolicy"]) == (0, "Failed")


def test_a_node_without_gpu_asks_for_none() -> None:
    """Its net lives in the pod's memory instead."""
    with_gpu, without = pod(), pod(resources={"node": "local"})
    limits = [each["containers"][0]["resources"]["limits"] for each in (with_gpu, without)]

    assert [each.get("nvidia.com/gpu") for each in limits] == ["1", None]
    assert [each["memory"] for each in limits] == ["4096Mi", "5120Mi"]
    assert "nodeSelector" not in without


def test_several_gpus_share_memory() -> None:
    """NCCL takes /dev/shm, of which a container has 64 MiB by itself; each process has memory of its own."""
    four, single = pod(solver={"gpus": 4}, resources={"node": "p3.8xlarge"}), pod()
    resources = four["containers"][0]["resources"]

    assert resources["limits"]["nvidia.com/gpu"] == resources["requests"]["nvidia.com/gpu"] == "4"
    assert resources["limits"]["memory"] == f"{4096 + 1024 + 3 * 3072}Mi"
    shared = next(each for each in four["volumes"] if each["name"] == "shared-memory")
    assert shared["emptyDir"] == {"medium": "Memory", "sizeLimit": "1024Mi"}
    mounts = {each["name"]: each["mountPath"] for each in four["containers"][0]["volumeMounts"]}
    assert mounts["shared-memory"] == "/dev/shm"
    assert "shared-memory" not in json.dumps(single)


def test_more_gpus_than_the_node_has_make_no_job() -> None:
    """The FineTuneJob fails with the sentence of a plan."""
    with pytest.raises(BadSpecError, match=r"^solver\.gpus: is 2, and node p2\.xlarge has 1 "):
        job(solver={"gpus": 2})


@pytest.mark.parametrize(
    ("size", "spot", "seconds"),
    [(0, False, 60), (2 * 10**9, False, 90), (2 * 10**9, True, 90), (10**11, True, 120)],
)
def test_grace_is_the_time_of_a_snapshot(size: int, spot: bool, seconds: int) -> None:
    """Written at 100 MB/s and uploaded at 50 MB/s, at least a minute; spot gives no more than its notice."""
    figures = Figures(run_id=RUN_ID, snapshot_bytes=size)

    assert grace_seconds(figures, Config(), spot=spot) == seconds


def test_a_queue_is_carried_to_the_job() -> None:
    """Kueue looks at the Job's own label."""
    made = job(labels={"kueue.x-k8s.io/queue-name": "finetunes", "team": "faces"})

    assert made["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "finetunes"
    assert "team" not in made["metadata"]["labels"]


def record() -> None:
    """Record the manifests anew."""
    RECORDED.mkdir(exist_ok=True)
    for name, make in CASES.items():
        (RECORDED / f"{name}.yaml").write_text(yaml.safe_dump(make(), sort_keys=False), encoding="utf-8")


if __name__ == "__main__":
    record()
