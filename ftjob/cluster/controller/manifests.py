"""Renders the batch/v1 Job of an attempt from the request, the plan's figures and the settings."""

import json
import math
from functools import lru_cache
from typing import Any

import yaml

from ftjob.cluster.policy.ends import fail_codes
from ftjob.cluster.policy.planning import plan_name
from ftjob.cluster.policy.terms import Terms
from ftjob.cluster.resource.config import Config
from ftjob.cluster.resource.names import (
    ANNOTATION_NODES,
    ANNOTATION_OWNER,
    ANNOTATION_SPEC,
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
    LABEL_UID,
    PLAN_COMPONENT,
)
from ftjob.cluster.resource.objects import FineTune
from ftjob.cluster.resource.request import Request
from ftjob.cluster.resource.status import Figures
from ftjob.nodes.profiles import ENV_NODES
from ftjob.plan.cost import SNAPSHOT_BYTES_PER_SECOND
from ftjob.runfolder.progress import PORT
from ftjob.runfolder.status import ENV_IMAGE, ENV_SECONDS_BEFORE, ENV_USD_BEFORE, ENV_USD_PER_HOUR
from jobspec import dump_spec

GPU = "nvidia.com/gpu"
RUN_ID_PREFIX = 8
USER = 1000
WORK, GIVEN = "/var/lib/ftjob", "/etc/ftjob"
NODES_FILE, SPEC_FILE, OWNER_FILE = "nodes.yaml", "spec.yaml", "owner.json"
"""The files in GIVEN that a pod gets from its own annotations."""
SNAPSHOTS_ON_DISK = 4
"""The newest two, the best one, and the one being written; a bundle is about half of another."""
SPARE_BYTES = 2**30
END_SECONDS = 30
"""For what an end takes beside its snapshot: the iteration under way, status, logs, and UNREAD_SECONDS."""
SPOT_SECONDS = 120
"""The notice that spot nodes get."""
LONGEST_GRACE = 600
MEBIBYTE = 2**20
TMP_SIZE = "1024Mi"
SHARED_BYTES = 2**30
"""Of /dev/shm, through which the processes of several GPUs exchange what GPUs cannot copy directly (NCCL)."""
RANK_BYTES = 3 * 2**30
"""Of the process of each further GPU: PyTorch with CUDA's libraries, and the batches that it reads ahead."""
SINGLE_POD = {"backoffLimit": 0, "completions": 1, "parallelism": 1}
MOUNTS = [
    {"name": "work", "mountPath": WORK},
    {"name": "tmp", "mountPath": "/tmp"},
    {"name": "given", "mountPath": GIVEN, "readOnly": True},
]
SHARED_MOUNT = {"name": "shared-memory", "mountPath": "/dev/shm"}
SHARED_MEMORY = {
    "name": "shared-memory",
    "emptyDir": {"medium": "Memory", "sizeLimit": f"{SHARED_BYTES // MEBIBYTE}Mi"},
}


def job_name(name: str, run_id: str, attempt: int) -> str:
    """Return the name of an attempt's Job: the same attempt cannot begin twice."""
    return f"{name}-{run_id[:RUN_ID_PREFIX]}-{attempt}"


def common_labels(object_: FineTune, component: str) -> dict[str, str]:
    """Return the labels of every Job and pod of a FineTuneJob."""
    return {
        LABEL_APP: "ftjob",
        LABEL_INSTANCE: object_.name,
        LABEL_COMPONENT: component,
        LABEL_PART_OF: "ftjob",
        LABEL_MANAGED_BY: FIELD_MANAGER,
        LABEL_JOB: object_.name,
        LABEL_UID: object_.uid,
    }


def labels_of(object_: FineTune, run_id: str, terms: Terms) -> dict[str, str]:
    """Return the labels of an attempt's Job and pod."""
    queue = {name: value for name, value in object_.labels.items() if name.startswith(KUEUE_PREFIX)}
    return {
        **queue,
        **common_labels(object_, CONTAINER),
        LABEL_RUN_ID: run_id,
        LABEL_ATTEMPT: str(terms.attempt),
        LABEL_CAPACITY: terms.capacity,
    }


def attempt_job(
    object_: FineTune, request: Request, figures: Figures, config: Config, terms: Terms
) -> dict[str, Any]:
    """Return the Job of one attempt; its pod is given a spec without references, and whom it works for."""
    labels = labels_of(object_, figures.run_id, terms)
    annotations = {
        ANNOTATION_NODES: node_profile(request),
        ANNOTATION_SPEC: dump_spec(request.spec),
        ANNOTATION_OWNER: json.dumps(owner_of(object_, config)),
    }
    spec = {
        **SINGLE_POD,
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
    return job_of(object_, job_name(object_.name, figures.run_id, terms.attempt), labels, spec)


def plan_job(object_: FineTune, request: Request, config: Config) -> dict[str, Any]:
    """Return the Job that plans a run: under the workers' account, with small limits and a deadline."""
    labels = common_labels(object_, PLAN_COMPONENT)
    spec = {
        **SINGLE_POD,
        "activeDeadlineSeconds": config.planner.deadline_seconds,
        "ttlSecondsAfterFinished": config.planner.ttl_seconds,
        "template": {
            "metadata": {"labels": labels, "annotations": {ANNOTATION_SPEC: dump_spec(request.spec)}},
            "spec": plan_pod_spec(config),
        },
    }
    return job_of(object_, plan_name(object_.name, request.identity), labels, spec)


def plan_pod_spec(config: Config) -> dict[str, Any]:
    """Return the pod that plans: no GPU, on any node."""
    planner = config.planner
    memory, disk = mebibytes(planner.memory_bytes), mebibytes(planner.disk_bytes)
    limits = {"memory": memory, "ephemeral-storage": disk}
    return {
        **pod_security(config),
        "terminationGracePeriodSeconds": 5,
        "containers": [
            {
                **container_security(config),
                "name": CONTAINER,
                "image": config.images.caffe_cpu,
                "args": ["worker", "--plan", "--spec", f"{GIVEN}/{SPEC_FILE}"],
                "env": environment(config, {}),
                "resources": {"requests": {"cpu": planner.cpu, **limits}, "limits": limits},
                "volumeMounts": MOUNTS,
            }
        ],
        "volumes": [
            {"name": "work", "emptyDir": {"sizeLimit": disk}},
            {"name": "tmp", "emptyDir": {"sizeLimit": TMP_SIZE}},
            given({SPEC_FILE: ANNOTATION_SPEC}),
        ],
    }


def owner_of(object_: FineTune, config: Config) -> dict[str, str]:
    """Return whom a worker works for, as a run's folder keeps it (docs/run-folder.md)."""
    return {
        "cluster": config.cluster,
        "namespace": object_.namespace,
        "name": object_.name,
        "uid": object_.uid,
    }


def job_of(object_: FineTune, name: str, labels: dict[str, str], spec: dict[str, Any]) -> dict[str, Any]:
    """Return a Job that goes when its FineTuneJob does."""
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": object_.namespace,
            "labels": labels,
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
        **pod_security(config),
        "terminationGracePeriodSeconds": grace_seconds(figures, config, spot=terms.spot),
        "nodeSelector": {**node.labels, **capacity},
        "tolerations": [each.model_dump(exclude_none=True) for each in node.tolerations],
        "containers": [container(request, figures, config, terms)],
        "volumes": [
            {"name": "work", "emptyDir": {"sizeLimit": mebibytes(disk_bytes(figures, config))}},
            {"name": "tmp", "emptyDir": {"sizeLimit": TMP_SIZE}},
            given({NODES_FILE: ANNOTATION_NODES, SPEC_FILE: ANNOTATION_SPEC, OWNER_FILE: ANNOTATION_OWNER}),
            *([SHARED_MEMORY] if request.spec.gpus > 1 else []),
        ],
    }
    if math.isfinite(terms.seconds_left):
        made["activeDeadlineSeconds"] = max(1, math.ceil(terms.seconds_left))
    return {key: value for key, value in made.items() if value not in ({}, [])}


def container(request: Request, figures: Figures, config: Config, terms: Terms) -> dict[str, Any]:
    """Return the worker's container: a read-only root, no capability, and a folder to work in."""
    image = config.images.for_engine(figures.engine, gpu=request.node.gpus > 0)
    env = {
        ENV_NODES: f"{GIVEN}/{NODES_FILE}",
        ENV_SECONDS_BEFORE: f"{terms.seconds_before:.3f}",
        ENV_USD_BEFORE: f"{terms.usd_before:.6f}",
        ENV_USD_PER_HOUR: str(terms.usd_per_hour),
        ENV_IMAGE: image,
    }
    folder, attempt = request.folder(figures.run_id), str(terms.attempt)
    files = ["--spec", f"{GIVEN}/{SPEC_FILE}", "--owner", f"{GIVEN}/{OWNER_FILE}"]
    return {
        **container_security(config),
        "name": CONTAINER,
        "image": image,
        "args": ["worker", folder, "--attempt", attempt, *files],
        "env": environment(config, env),
        "ports": [{"name": "status", "containerPort": PORT}],
        "resources": resources(request, figures, config),
        "volumeMounts": [*MOUNTS, *([SHARED_MOUNT] if request.spec.gpus > 1 else [])],
    }


def pod_security(config: Config) -> dict[str, Any]:
    """Return what every pod of ours has: a user without rights, in the cluster as on the node."""
    return {
        "restartPolicy": "Never",
        "serviceAccountName": config.worker.service_account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "shareProcessNamespace": True,  # PID 1 gets no SIGTERM before it has a handler
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }


def container_security(config: Config) -> dict[str, Any]:
    """Return what every container of ours has, and where it finds the store's credentials."""
    made: dict[str, Any] = {
        "imagePullPolicy": config.worker.pull_policy,
        "workingDir": WORK,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    if config.worker.credentials_secret:
        made["envFrom"] = [{"secretRef": {"name": config.worker.credentials_secret, "optional": True}}]
    return made


def environment(config: Config, env: dict[str, str]) -> list[dict[str, str]]:
    """Return the variables of a container of ours."""
    every = {"HOME": WORK, "TMPDIR": "/tmp", ENV_CACHE: f"{WORK}/cache", **env, **config.worker.env}
    return [{"name": name, "value": value} for name, value in every.items()]


def given(files: dict[str, str]) -> dict[str, Any]:
    """Return the volume in which a pod finds its own annotations as files."""
    items = [
        {"path": path, "fieldRef": {"fieldPath": f"metadata.annotations['{name}']"}}
        for path, name in files.items()
    ]
    return {"name": "given", "downwardAPI": {"items": items}}


def resources(request: Request, figures: Figures, config: Config) -> dict[str, Any]:
    """Return requests and limits: the GPUs that train, memory and disk from the plan."""
    gpus = request.spec.gpus
    gpu = {GPU: str(gpus)} if request.node.gpus else {}
    net = 0 if request.node.gpus else figures.memory_bytes
    ranks = SHARED_BYTES + (gpus - 1) * RANK_BYTES if gpus > 1 else 0  # a tmpfs counts as memory
    memory = {"memory": mebibytes(config.worker.memory_bytes + net + ranks)}
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
