"""The batch/v1 Job of one attempt, from what is asked, what was planned and what the administrator set."""

import json
import math
from functools import lru_cache
from typing import Any

import yaml

from ftjob.cluster.config import Config
from ftjob.cluster.ends import fail_codes
from ftjob.cluster.names import (
    ANNOTATION_NODES,
    ANNOTATION_PRICE,
    API_VERSION,
    CONTAINER,
    ENV_CACHE,
    FIELD_MANAGER,
    KIND,
    KUEUE_PREFIX,
    LABEL_APP,
    LABEL_ATTEMPT,
    LABEL_CAPACITY,
    LABEL_COMPONENT,
    LABEL_INSTANCE,
    LABEL_JOB,
    LABEL_MANAGED_BY,
    LABEL_PART_OF,
    LABEL_RUN_ID,
)
from ftjob.cluster.objects import FineTune
from ftjob.cluster.request import Request
from ftjob.cluster.status import Figures
from ftjob.cluster.terms import Terms
from ftjob.nodes import ENV_NODES
from ftjob.plan.cost import SNAPSHOT_BYTES_PER_SECOND
from ftjob.status import ENV_SECONDS_BEFORE, ENV_USD_BEFORE, ENV_USD_PER_HOUR

GPU = "nvidia.com/gpu"
RUN_ID_PREFIX = 8
USER = 1000
WORK, NODES = "/var/lib/ftjob", "/etc/ftjob"
SNAPSHOTS_ON_DISK = 4
"""The newest two, the best one, and the one being written; a bundle is about half of another."""
SPARE_BYTES = 2**30
END_SECONDS = 30
"""What an end takes beside its snapshot: the iteration under way, status, logs."""
SPOT_SECONDS = 120
"""The notice that spot nodes are given."""
LONGEST_GRACE = 600
MEBIBYTE = 2**20


def job_name(name: str, run_id: str, attempt: int) -> str:
    """Return the name of an attempt's Job: the same attempt cannot be begun twice."""
    return f"{name}-{run_id[:RUN_ID_PREFIX]}-{attempt}"


def labels_of(object_: FineTune, run_id: str, terms: Terms) -> dict[str, str]:
    """Return the labels of an attempt's Job and pod."""
    queue = {name: value for name, value in object_.labels.items() if name.startswith(KUEUE_PREFIX)}
    return {
        **queue,
        LABEL_APP: "ftjob",
        LABEL_INSTANCE: object_.name,
        LABEL_COMPONENT: CONTAINER,
        LABEL_PART_OF: "ftjob",
        LABEL_MANAGED_BY: FIELD_MANAGER,
        LABEL_JOB: object_.name,
        LABEL_RUN_ID: run_id,
        LABEL_ATTEMPT: str(terms.attempt),
        LABEL_CAPACITY: terms.capacity,
    }


def attempt_job(
    object_: FineTune, request: Request, figures: Figures, config: Config, terms: Terms
) -> dict[str, Any]:
    """Return the Job of one attempt. Its pod says what it is accounted with."""
    labels = labels_of(object_, figures.run_id, terms)
    annotations = {ANNOTATION_NODES: node_profile(request), ANNOTATION_PRICE: str(terms.usd_per_hour)}
    spec = {
        "backoffLimit": 0,
        "completions": 1,
        "parallelism": 1,
        "ttlSecondsAfterFinished": config.worker.ttl_seconds,
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {
            "rules": [
                {
                    "action": "FailJob",
                    "onExitCodes": {"containerName": CONTAINER, "operator": "In", "values": fail_codes()},
                }
            ]
        },
        "template": {
            "metadata": {"labels": labels, "annotations": annotations},
            "spec": pod_spec(request, figures, config, terms),
        },
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": job_name(object_.name, figures.run_id, terms.attempt),
            "namespace": object_.namespace,
            "labels": labels,
            "annotations": {ANNOTATION_PRICE: str(terms.usd_per_hour)},
            "ownerReferences": [
                {
                    "apiVersion": API_VERSION,
                    "kind": KIND,
                    "name": object_.name,
                    "uid": object_.uid,
                    "controller": True,
                    "blockOwnerDeletion": False,
                }
            ],
        },
        "spec": spec,
    }


def pod_spec(request: Request, figures: Figures, config: Config, terms: Terms) -> dict[str, Any]:
    """Return the pod of one attempt. Its deadline counts from its scheduling, as its cost does."""
    node, worker = request.node, config.worker
    capacity = worker.spot_labels if terms.spot else worker.on_demand_labels
    made = {
        "restartPolicy": "Never",
        "serviceAccountName": worker.service_account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "shareProcessNamespace": True,  # a first process would not hear SIGTERM before it asks to
        "terminationGracePeriodSeconds": grace_seconds(figures, config, spot=terms.spot),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "nodeSelector": {**node.labels, **capacity},
        "tolerations": [each.model_dump(exclude_none=True) for each in node.tolerations],
        "containers": [container(request, figures, config, terms)],
        "volumes": [
            {"name": "work", "emptyDir": {"sizeLimit": mebibytes(disk_bytes(figures, config))}},
            {"name": "tmp", "emptyDir": {"sizeLimit": "1024Mi"}},
            {"name": "nodes", "downwardAPI": {"items": [_from_annotation(ANNOTATION_NODES, "nodes.yaml")]}},
        ],
    }
    if math.isfinite(terms.seconds_left):
        made["activeDeadlineSeconds"] = max(1, math.ceil(terms.seconds_left))
    return {key: value for key, value in made.items() if value not in ({}, [])}


def container(request: Request, figures: Figures, config: Config, terms: Terms) -> dict[str, Any]:
    """Return the worker's container: a read-only root, no capability, and a folder to work in."""
    worker = config.worker
    env = {
        "HOME": WORK,
        "TMPDIR": "/tmp",
        ENV_CACHE: f"{WORK}/cache",
        ENV_NODES: f"{NODES}/nodes.yaml",
        ENV_SECONDS_BEFORE: f"{terms.seconds_before:.3f}",
        ENV_USD_BEFORE: f"{terms.usd_before:.6f}",
        ENV_USD_PER_HOUR: str(terms.usd_per_hour),
        **worker.env,
    }
    made: dict[str, Any] = {
        "name": CONTAINER,
        "image": config.images.for_engine(figures.engine, gpu=request.node.gpus > 0),
        "imagePullPolicy": worker.pull_policy,
        "args": ["worker", request.folder(figures.run_id), "--attempt", str(terms.attempt)],
        "workingDir": WORK,
        "env": [{"name": name, "value": value} for name, value in env.items()],
        "resources": resources(request, figures, config),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": "work", "mountPath": WORK},
            {"name": "tmp", "mountPath": "/tmp"},
            {"name": "nodes", "mountPath": NODES, "readOnly": True},
        ],
    }
    if worker.credentials_secret:
        made["envFrom"] = [{"secretRef": {"name": worker.credentials_secret, "optional": True}}]
    return made


def resources(request: Request, figures: Figures, config: Config) -> dict[str, Any]:
    """Return requests and limits: a GPU where the profile has one, memory and disk from the plan."""
    gpu = {GPU: "1"} if request.node.gpus else {}
    net = 0 if request.node.gpus else figures.memory_bytes
    memory = {"memory": mebibytes(config.worker.memory_bytes + net)}
    disk = {"ephemeral-storage": mebibytes(disk_bytes(figures, config) + SPARE_BYTES)}
    return {
        "requests": {"cpu": config.worker.cpu, **memory, **disk, **gpu},
        "limits": {**memory, **disk, **gpu},
    }


def grace_seconds(figures: Figures, config: Config, *, spot: bool) -> int:
    """Return how long a worker is given to snapshot and upload before it is killed."""
    size = figures.snapshot_bytes
    seconds = END_SECONDS + size / SNAPSHOT_BYTES_PER_SECOND + size / config.worker.upload_bytes_per_second
    return min(SPOT_SECONDS if spot else LONGEST_GRACE, max(60, math.ceil(seconds)))


def disk_bytes(figures: Figures, config: Config) -> int:
    """Return the size of the work volume: weights, datasets, snapshots and the bundle."""
    data = config.worker.disk_bytes if figures.data_bytes is None else figures.data_bytes
    return data + SNAPSHOTS_ON_DISK * figures.snapshot_bytes + SPARE_BYTES


def node_profile(request: Request) -> str:
    """Return a worker's nodes file: the profile it is accounted with, whatever its image has built in."""
    fields = request.node.model_dump(mode="json", exclude={"name"}, exclude_none=False)
    return _as_yaml(json.dumps({request.node.name: fields}))


@lru_cache(maxsize=64)
def _as_yaml(text: str) -> str:
    """Return JSON as YAML; there are few profiles, and many attempts."""
    return yaml.safe_dump(json.loads(text), sort_keys=False)


def mebibytes(size: int) -> str:
    """Return a size as Kubernetes writes it, rounded up."""
    return f"{math.ceil(size / MEBIBYTE)}Mi"


def _from_annotation(name: str, path: str) -> dict[str, Any]:
    return {"path": path, "fieldRef": {"fieldPath": f"metadata.annotations['{name}']"}}
