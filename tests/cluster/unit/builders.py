"""FineTuneJobs, Jobs and pods as the API server would have them; a test says only what matters to it."""

from typing import Any

from ftjob.cluster.policy.job_context import Observed
from ftjob.cluster.resource.config import Config
from ftjob.cluster.resource.names import (
    API_VERSION,
    KIND,
    LABEL_ATTEMPT,
    LABEL_COMPONENT,
    LABEL_JOB,
    LABEL_UID,
    PLAN_COMPONENT,
)
from ftjob.cluster.resource.objects import FineTune, read_fine_tune, read_job, read_pod
from ftjob.cluster.resource.request import Request, read_request
from ftjob.cluster.resource.status import Figures
from ftjob.cluster.resource.times import render_time
from ftjob.nodes.profiles import Node, load_nodes
from ftjob.runfolder.progress import Progress

NOW = 1_800_000_000.0
RUN_ID = "1f3b9c02aa"
FIGURES = Figures(run_id=RUN_ID, engine="caffe", max_iter=1000, snapshot_bytes=50_000_000, memory_bytes=2**30)
NODES: dict[str, Node] = load_nodes()


def spec(**changes: Any) -> dict[str, Any]:
    """A spec that can be run; sections are laid over."""
    made: dict[str, Any] = {
        "base": {"net": "googlenet", "weights": "s3://models/googlenet.caffemodel"},
        "data": {"train": "s3://data/train", "val": "s3://data/val", "crop": 224},
        "resources": {"node": "p2.xlarge"},
        "output": "s3://runs",
    }
    for section, change in changes.items():
        made[section] = {**made.get(section, {}), **change} if isinstance(change, dict) else change
    return made


def fine_tune(
    *,
    status: dict[str, Any] | None = None,
    annotations: dict[str, str] | None = None,
    generation: int = 1,
    labels: dict[str, str] | None = None,
    **changes: Any,
) -> FineTune:
    """A FineTuneJob called emotions."""
    return read_fine_tune(
        {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {
                "name": "emotions",
                "namespace": "team",
                "uid": "u-1",
                "generation": generation,
                "annotations": annotations or {},
                "labels": labels or {},
                "creationTimestamp": render_time(NOW - 60),
            },
            "spec": spec(**changes),
            "status": status,
        }
    )


def request_of(job: FineTune | None = None) -> Request:
    """What a FineTuneJob asks for."""
    return read_request(job or fine_tune(), NODES)


def begun(job: FineTune | None = None, **more: Any) -> dict[str, Any]:
    """The status of a run whose first attempt was begun."""
    made = job or fine_tune()
    return {
        "observedGeneration": 1,
        "state": "Running",
        "runId": RUN_ID,
        "folder": f"s3://runs/emotions/{RUN_ID}",
        "identity": request_of(made).identity,
        "plan": FIGURES.model_dump(by_alias=True),
        "attempt": 1,
        "usdPerHour": 0.9,
        "minAttemptSeconds": Config().min_attempt_seconds,
        **more,
    }


def life(attempt: int = 1, seconds: float = 3600, **more: Any) -> dict[str, Any]:
    """An entry of the accounts: a pod that ended an hour after it was scheduled."""
    ended = more.pop("at", NOW - 1000)
    return {
        "attempt": attempt,
        "pod": f"pod-{attempt}",
        "scheduled": render_time(ended - seconds),
        "ended": render_time(ended),
        "seconds": seconds,
        "usdPerHour": 0.9,
        "usd": seconds / 3600 * 0.9,
        **more,
    }


def job_object(attempt: int = 1, *, uid: str = "u-1", end: str | None = None, **more: Any) -> dict[str, Any]:
    """The Job of an attempt; `end` is Complete or Failed."""
    finished = render_time(more.pop("finished", NOW - 5))
    condition = {
        "type": end,
        "status": "True",
        "reason": more.pop("reason", ""),
        "lastTransitionTime": finished,
    }
    status = {"conditions": [condition] if end else [], **more.pop("counts", {})}
    metadata = {
        "name": f"emotions-{RUN_ID[:8]}-{attempt}",
        "namespace": "team",
        "labels": {LABEL_JOB: "emotions", LABEL_ATTEMPT: str(attempt), LABEL_UID: uid},
        "ownerReferences": [{"uid": uid}],
        "creationTimestamp": render_time(more.pop("created", NOW - 30)),
        **({"deletionTimestamp": render_time(NOW)} if more.pop("deleted", False) else {}),
    }
    return {"metadata": metadata, "spec": more, "status": status}


def pod_object(
    attempt: int = 1,
    phase: str = "Running",
    *,
    scheduled: float | None = NOW - 20,
    state: dict[str, Any] | None = None,
    name: str | None = None,
    deleted: float | None = None,
    uid: str = "u-1",
    ip: str = "10.0.0.7",
    **status: Any,
) -> dict[str, Any]:
    """A pod of an attempt, running unless said otherwise."""
    condition = {
        "type": "PodScheduled",
        "status": "True",
        "lastTransitionTime": render_time(scheduled or NOW),
    }
    if scheduled is None:
        condition = {"type": "PodScheduled", "status": "False", **status.pop("unschedulable", {})}
    containers = [{"name": "worker", "state": {"running": {}} if state is None else state}]
    return {
        "metadata": {
            "name": name or f"pod-{attempt}",
            "namespace": "team",
            "labels": {
                LABEL_JOB: "emotions",
                LABEL_ATTEMPT: str(attempt),
                LABEL_UID: uid,
                "job-name": f"emotions-{RUN_ID[:8]}-{attempt}",
            },
            "creationTimestamp": render_time((scheduled or NOW) - 1),
            **({"deletionTimestamp": render_time(deleted)} if deleted is not None else {}),
        },
        "spec": {"nodeName": "node0"} if scheduled is not None else {},
        "status": {
            "phase": phase,
            "podIP": ip,
            "conditions": [condition, *status.pop("conditions", [])],
            "containerStatuses": containers if scheduled is not None else [],
            **status,
        },
    }


def ended_pod(code: int, attempt: int = 1, at: float = NOW - 5, **more: Any) -> dict[str, Any]:
    """A pod whose worker ended with an exit code."""
    state = {"terminated": {"exitCode": code, "finishedAt": render_time(at), **more.pop("terminated", {})}}
    return pod_object(attempt, "Failed" if code else "Succeeded", state=state, **more)


def report(attempt: int = 1, **more: Any) -> Progress:
    """What a worker reports of a run of 1000 iterations."""
    return Progress(**{"attempt": attempt, "iteration": 500, "max_iter": 1000, "snapshot": 500, **more})


def plan_job_object(name: str, *, end: str | None = None, **more: Any) -> dict[str, Any]:
    """The Job that plans."""
    made = job_object(end=end, **more)
    made["metadata"]["name"] = name
    made["metadata"]["labels"] = {LABEL_JOB: "emotions", LABEL_UID: "u-1", LABEL_COMPONENT: PLAN_COMPONENT}
    return made


def plan_pod_object(job: str, last_words: str | None = None, code: int = 0, **more: Any) -> dict[str, Any]:
    """The pod that plans; it runs while it left no last words."""
    if last_words is None:
        made = pod_object(**more)
    else:
        terminated = {"message": last_words, **more.pop("terminated", {})}
        made = ended_pod(code, terminated=terminated, **more)
    made["metadata"]["name"] = f"{job}-pod"
    made["metadata"]["labels"] = {
        LABEL_JOB: "emotions",
        LABEL_UID: "u-1",
        LABEL_COMPONENT: PLAN_COMPONENT,
        "job-name": job,
    }
    return made


def seen(
    job: FineTune | None = None,
    jobs: list[dict[str, Any]] | None = None,
    pods: list[dict[str, Any]] | None = None,
    plan_jobs: list[dict[str, Any]] | None = None,
    plan_pods: list[dict[str, Any]] | None = None,
    **more: Any,
) -> Observed:
    """What the controller sees."""
    made: dict[str, Any] = {"planned": FIGURES, "nodes": NODES, "config": Config(), **more}
    return Observed(
        job=job or fine_tune(),
        jobs=tuple(read_job(each) for each in jobs or []),
        pods=tuple(read_pod(each) for each in pods or []),
        plan_jobs=tuple(read_job(each) for each in plan_jobs or []),
        plan_pods=tuple(read_pod(each) for each in plan_pods or []),
        **made,
    )
