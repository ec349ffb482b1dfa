"""FineTuneJobs, Jobs and pods as the API server has them (dicts), read into values."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ftjob.cluster.resource.names import (
    ANNOTATION_RETRY,
    CONTAINER,
    JOB_NAME,
    LABEL_ATTEMPT,
    LABEL_COMPONENT,
    LABEL_JOB,
    LABEL_SWEEP,
    LABEL_UID,
    PLAN_COMPONENT,
)
from ftjob.cluster.resource.status import FineTuneStatus
from ftjob.cluster.resource.times import parse_time

Object = Mapping[str, Any]


GRACE_SECONDS = 30.0
"""Between SIGTERM and SIGKILL where a pod sets nothing else (core/v1, PodSpec)."""


class KubernetesReason(StrEnum):
    """The reasons in pods and Jobs, as Kubernetes writes them, that the controller acts on."""

    CANNOT_RUN = "ContainerCannotRun"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    EVICTED = "Evicted"
    NODE_LOST = "NodeLost"
    NODE_SHUTDOWN = "NodeShutdown"
    OOM_KILLED = "OOMKilled"
    PREEMPTING = "Preempting"
    SHUTDOWN = "Shutdown"
    START_ERROR = "StartError"
    STATUS_UNKNOWN = "ContainerStatusUnknown"
    TERMINATED = "Terminated"


STARTING = ("", "ContainerCreating", "PodInitializing")
"""Reasons for which every container waits at first."""
INIT_FAILED = "Init:Error"
"""Why the worker's container waits where one that had to end before it failed; kubectl calls it so."""


@dataclass(frozen=True)
class FineTune:
    """One FineTuneJob. Its spec is as written: it may be wrong."""

    name: str
    namespace: str
    uid: str
    generation: int
    spec: Object
    annotations: Mapping[str, str]
    labels: Mapping[str, str]
    status: FineTuneStatus
    created: float = 0.0
    deleted: bool = False
    resource_version: str = ""

    @property
    def suspend(self) -> bool:
        return self.spec.get("suspend") is True

    @property
    def sweep(self) -> str:
        """The sweep that it is a member of, by name; empty for any other."""
        return self.labels.get(LABEL_SWEEP, "")

    @property
    def retried_attempt(self) -> int | None:
        """The last attempt, where the user requests another after it whatever ended it; else None."""
        last = self.status.attempt
        return last if self.annotations.get(ANNOTATION_RETRY) == str(last) else None

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class AttemptJob:
    """The batch/v1 Job of one attempt."""

    name: str
    attempt: int
    owner_uid: str
    created: float = 0.0
    deleted: bool = False
    finished: str | None = None
    """Complete or Failed, once it is."""
    finished_at: float | None = None
    reason: str = ""
    message: str = ""
    had_pods: bool = False
    """Whether it counts a pod that ended."""
    plans: bool = False
    """Whether it plans and is no attempt."""
    held: bool = False
    """Whether it is suspended, as by Kueue."""
    of: str | None = None
    """The key of the FineTuneJob that its labels name."""


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod of an attempt."""

    name: str
    job: str
    attempt: int
    phase: str = "Pending"
    uid: str = ""
    """Of the FineTuneJob that its labels name."""
    plans: bool = False
    """Whether it plans and is no attempt."""
    ip: str | None = None
    node: str | None = None
    created: float = 0.0
    scheduled: float | None = None
    running: bool = False
    ended: float | None = None
    """When its container ended, or when the pod failed without one having run."""
    exit_code: int | None = None
    reason: str = ""
    """The pod's (Evicted, DeadlineExceeded, ...) or, where it has none, its container's (OOMKilled)."""
    message: str = ""
    """The pod's, where it has one."""
    last_words: str = ""
    """Its container's termination message: the worker's report, or else the end of its log; the runtime's
    words where that could not start it."""
    waiting: tuple[str, str] | None = None
    """Why its container does not run, or another one on which it waits: reason and message."""
    unschedulable: str | None = None
    """The scheduler's message where it finds no node."""
    disruption: str | None = None
    """The reason of the pod's DisruptionTarget condition, where it has one."""
    deleted: float | None = None
    """When it must be gone: the time of the deletion plus its grace period."""
    grace_seconds: float = GRACE_SECONDS
    """Between SIGTERM and SIGKILL."""
    not_ready: bool = False
    """Whether its node stopped reporting."""
    of: str | None = None
    """The key of the FineTuneJob that its labels name."""

    @property
    def over(self) -> bool:
        """Whether nothing of it runs any more; or its container may, see `overdue`."""
        return self.phase in ("Succeeded", "Failed")

    @property
    def words(self) -> str:
        """What the cluster or its container left about its end."""
        return self.message or self.last_words or (self.waiting[1] if self.waiting else "")

    @property
    def never_ran(self) -> bool:
        """Whether it ended since its container could not be started."""
        refused = self.reason in (KubernetesReason.START_ERROR, KubernetesReason.CANNOT_RUN)
        return refused or (self.over and self.waiting is not None and self.waiting[0] == INIT_FAILED)

    @property
    def overdue(self) -> bool:
        """Whether it failed at its deadline and shows no end of its container.

        A kubelet of Kubernetes 1.20 lets the container end after that, in its grace period, and writes no
        word of it: what it last wrote of the container stays (kubelet_pods.go, generateAPIPodStatus).
        """
        return self.over and self.exit_code is None and self.reason == KubernetesReason.DEADLINE_EXCEEDED


def read_fine_tune(item: Object) -> FineTune:
    """Read a FineTuneJob."""
    metadata = item["metadata"]
    return FineTune(
        name=_name(metadata),
        namespace=metadata.get("namespace", ""),
        uid=metadata.get("uid", ""),
        generation=metadata.get("generation", 1),
        spec=item.get("spec") or {},
        annotations=metadata.get("annotations") or {},
        labels=metadata.get("labels") or {},
        status=FineTuneStatus.from_json(item.get("status")),
        created=parse_time(metadata.get("creationTimestamp")) or 0.0,
        deleted="deletionTimestamp" in metadata,
        resource_version=metadata.get("resourceVersion", ""),
    )


def key_of(item: Object) -> str:
    """Return an object's key: namespace/name."""
    return f"{item['metadata'].get('namespace', '')}/{item['metadata']['name']}"


def owner_of(item: Object) -> str | None:
    """Return the key of the FineTuneJob that the labels of a Job or pod name."""
    metadata = item["metadata"]
    name = (metadata.get("labels") or {}).get(LABEL_JOB)
    return f"{metadata.get('namespace', '')}/{name}" if name else None


def read_job(item: Object) -> AttemptJob:
    """Read the Job of an attempt."""
    metadata = item["metadata"]
    ends = [each for each in _conditions(item) if each["type"] in ("Complete", "Failed")]
    ended_by = next((each for each in ends if each["status"] == "True"), None)
    owners = metadata.get("ownerReferences") or [{}]
    return AttemptJob(
        name=_name(metadata),
        attempt=_attempt(metadata),
        owner_uid=owners[0].get("uid", ""),
        created=parse_time(metadata.get("creationTimestamp")) or 0.0,
        deleted="deletionTimestamp" in metadata,
        finished=ended_by["type"] if ended_by else None,
        finished_at=parse_time(ended_by.get("lastTransitionTime")) if ended_by else None,
        reason=ended_by.get("reason", "") if ended_by else "",
        message=ended_by.get("message", "") if ended_by else "",
        had_pods=bool(
            (item.get("status") or {}).get("failed") or (item.get("status") or {}).get("succeeded")
        ),
        plans=_plans(metadata),
        held=(item.get("spec") or {}).get("suspend") is True,
        of=owner_of(item),
    )


def read_pod(item: Object) -> Pod:
    """Read a pod of an attempt."""
    metadata, spec, status = item["metadata"], item.get("spec") or {}, item.get("status") or {}
    container = _container(status)
    state = container.get("state") or {}
    ended = state.get("terminated") or {}
    scheduled = _condition(item, "PodScheduled")
    phase = status.get("phase", "Pending")
    started = parse_time(status.get("startTime"))
    is_scheduled = scheduled.get("status") == "True"
    homeless = scheduled.get("status") == "False"
    lost = status.get("reason") == KubernetesReason.NODE_LOST
    waiting = _waiting(status) if "waiting" in state else None
    return Pod(
        name=_name(metadata),
        job=(metadata.get("labels") or {}).get(JOB_NAME, ""),
        attempt=_attempt(metadata),
        phase=phase,
        uid=(metadata.get("labels") or {}).get(LABEL_UID, ""),
        plans=_plans(metadata),
        ip=status.get("podIP"),
        node=spec.get("nodeName"),
        created=parse_time(metadata.get("creationTimestamp")) or 0.0,
        scheduled=parse_time(scheduled.get("lastTransitionTime")) if is_scheduled else started,
        running="running" in state,
        ended=parse_time(ended.get("finishedAt")) or _failed_at(item, phase),
        exit_code=ended.get("exitCode"),
        reason=status.get("reason") or ended.get("reason") or "",
        message=status.get("message") or "",
        last_words=ended.get("message") or "",
        waiting=waiting,
        unschedulable=scheduled.get("message") or None if homeless else None,
        disruption=_condition(item, "DisruptionTarget").get("reason"),
        deleted=parse_time(metadata.get("deletionTimestamp")),
        grace_seconds=spec.get("terminationGracePeriodSeconds", GRACE_SECONDS),
        not_ready=lost or _condition(item, "Ready").get("status") == "Unknown",
        of=owner_of(item),
    )


def _name(metadata: Object) -> str:
    """Return an object's name. Raises KeyError, and TypeError where it is no text: names are keys."""
    name = metadata["name"]
    if not isinstance(name, str):
        raise TypeError(f"metadata.name: must be text, and is {type(name).__name__}")
    return name


def _failed_at(item: Object, phase: str) -> float | None:
    """Return when a pod ended whose containers have no time for it, as an evicted pod's."""
    if phase not in ("Succeeded", "Failed"):
        return None
    ready = _condition(item, "Ready") or _condition(item, "ContainersReady")
    return parse_time(ready.get("lastTransitionTime"))


def _attempt(metadata: Object) -> int:
    text = (metadata.get("labels") or {}).get(LABEL_ATTEMPT, "")
    return int(text) if text.isdigit() else 0


def _plans(metadata: Object) -> bool:
    return (metadata.get("labels") or {}).get(LABEL_COMPONENT) == PLAN_COMPONENT


def _container(status: Object) -> Object:
    found = status.get("containerStatuses") or ()
    return next((each for each in found if each.get("name") == CONTAINER), {})


def _waiting(status: Object) -> tuple[str, str]:
    """Return why the worker's container waits: for another one of its pod, where that is in trouble."""
    own = _trouble(_container(status), "")
    first, beside = status.get("initContainerStatuses") or (), status.get("containerStatuses") or ()
    others = (_trouble(each, f"container {each.get('name')}") for each in (*first, *beside))
    return own or next(filter(None, others), None) or (STARTING[0], "")


def _trouble(container: Object, who: str) -> tuple[str, str] | None:
    """Return why a container waits unusually, or that it failed; `who` begins the message."""
    state = container.get("state") or {}
    waits, ended = state.get("waiting") or {}, state.get("terminated") or {}
    if waits.get("reason", "") not in STARTING:
        return waits["reason"], ": ".join(filter(None, (who, waits.get("message"))))
    if ended.get("exitCode"):
        how = f"{who} ended with exit code {ended['exitCode']}"
        return INIT_FAILED, ": ".join(filter(None, (how, ended.get("message"))))
    return None


def _conditions(item: Object) -> list[Object]:
    return (item.get("status") or {}).get("conditions") or []


def _condition(item: Object, kind: str) -> Object:
    return next((each for each in _conditions(item) if each["type"] == kind), {})
