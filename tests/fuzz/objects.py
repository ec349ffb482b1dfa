"""FineTuneJobs as users and damage can make them, with a Job and a pod, given to decide()."""

import sys
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ftjob.cluster.controller.cache.shallow import read_shallow
from ftjob.cluster.policy.actions import RecordEvent, WriteStatus
from ftjob.cluster.policy.decide import decide
from ftjob.cluster.policy.job_context import Observed
from ftjob.cluster.policy.reports import report_of
from ftjob.cluster.resource.figures import annotated
from ftjob.cluster.resource.objects import Object, read_fine_tune, read_job, read_pod
from ftjob.cluster.resource.request import identity_of_object
from ftjob.cluster.resource.status import Figures
from ftjob.nodes.profiles import parse_nodes

NOW = 1_795_860_600.0
TIME = "2026-11-28T10:00:00Z"
VERB = "decide"
FIGURES = Figures(run_id="1f3b9c02aa", engine="caffe", max_iter=6, snapshot_bytes=1000, memory_bytes=2**30)


def decide_file(path: Path) -> None:
    """Read the objects that a file means, decide, and print the actions."""
    parts = read_shallow(
        path.read_bytes().replace(rb"\ud800", b"?")
    )  # which the API server takes for no text
    if not isinstance(parts, dict):
        return
    names = {"namespace": "team", "creationTimestamp": TIME, "uid": "u-1", "generation": 1}
    job = {
        "metadata": {
            **names,
            "name": "little",
            "labels": _strings(parts.get("labels")),
            "annotations": _strings(parts.get("annotations")),
        },
        "spec": parts.get("spec") if isinstance(parts.get("spec"), dict) else {},
        "status": parts.get("status"),
    }
    owned = {
        "namespace": "team",
        "creationTimestamp": TIME,
        "labels": {
            "ftjob.dev/job": "little",
            "ftjob.dev/uid": "u-1",
            "ftjob.dev/attempt": "1",
            "job-name": "little-1f3b9c02-1",
        },
        "annotations": _strings(parts.get("pod")),
        "ownerReferences": [{"uid": "u-1"}],
    }
    ended = {"exitCode": 7, "finishedAt": TIME, "message": str(parts.get("message"))[:4096]}
    pod = {
        "metadata": {**owned, "name": "p"},
        "spec": {"nodeName": "n"},
        "status": {
            "phase": "Failed",
            "conditions": [{"type": "PodScheduled", "status": "True", "lastTransitionTime": TIME}],
            "containerStatuses": [{"name": "worker", "state": {"terminated": ended}}],
        },
    }
    try:
        seen = _observed(job, pod, {"metadata": {**owned, "name": "little-1f3b9c02-1"}})
    except ValidationError:  # of a status, which the controller alone writes: the look is tried again later
        return
    for action in decide(seen, NOW):
        if isinstance(action, RecordEvent):
            sys.stdout.write(f"{action.message}\n")
        if isinstance(action, WriteStatus):
            messages = (action.status.message, *(each.message for each in action.status.conditions))
            sys.stdout.write("\n".join(messages))


def _observed(job: Object, pod: Object, attempt: Object) -> Observed:
    """What the controller sees of them."""
    fine_tune, pods = read_fine_tune(job), (read_pod(pod),)
    report, refused = report_of(pods, None)
    return Observed(
        job=fine_tune,
        jobs=(read_job(attempt),),
        pods=pods,
        planned=annotated(fine_tune.annotations, identity_of_object(fine_tune)) or FIGURES,
        report=report,
        report_refused=refused,
        nodes=parse_nodes("", ""),
    )


def _strings(values: Any) -> dict[str, str]:
    """What the API server takes for labels and annotations: strings by name."""
    return {str(key): str(value) for key, value in values.items()} if isinstance(values, dict) else {}
