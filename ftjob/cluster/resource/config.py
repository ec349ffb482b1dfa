"""The controller's settings, made by an administrator: images, workers' environment, intervals."""

import re
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from ftjob.errors import BadSpecError
from ftjob.fs.documents import UnreadableError, checked_as, read_text
from ftjob.plan.cost import UPLOAD_BYTES_PER_SECOND

UNSET = "ftjob.invalid/"
"""Prefix of images that are not set: no registry can have this name (RFC 2606), so nothing is pulled."""
LARGEST = 64 * 2**10
"""Bytes of settings that are read."""
DIGEST = re.compile(r"[^@\s]+@sha256:[0-9a-f]{64}")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class WorkerImages(_Part):
    """The worker's image for each kind of node; at least one is set, by digest."""

    caffe_cpu: str = f"{UNSET}worker-caffe-cpu:set-images.caffe_cpu"
    """Caffe on processors."""
    caffe_cuda: str = f"{UNSET}worker-caffe-cuda:set-images.caffe_cuda"
    """Caffe on GPUs: from a K80 to those of today."""
    torch: str = f"{UNSET}worker-torch:set-images.torch"
    """The torch engine, on any node."""
    allow_tags: bool = False
    """Whether images may be named by tag alone, which may mean another image tomorrow."""

    def problem(self) -> str:
        """Return which setting is missing or has no digest, and what to do; nothing where all is well."""
        images = {name: str(getattr(self, name)) for name in ("caffe_cpu", "caffe_cuda", "torch")}
        wanted = {name: image for name, image in images.items() if not image.startswith(UNSET)}
        if not wanted:
            names = ", ".join(f"images.{name}" for name in images)
            return f"images: none is set; build them (docs/images.md) and name one by its digest in {names}"
        for name, image in wanted.items():
            if not self.allow_tags and not DIGEST.fullmatch(image):
                return (
                    f"images.{name}: names no digest; write REGISTRY/NAME@sha256:…, or set images.allow_tags"
                )
        return ""

    def for_engine(self, engine: str, *, gpu: bool) -> str:
        """Return the image in which an engine runs on a node with or without a GPU."""
        if engine == "torch":
            return self.torch
        return self.caffe_cuda if gpu else self.caffe_cpu


class Worker(_Part):
    """What every worker pod has, whatever its run."""

    service_account: str = "ftjob-worker"
    """Gives it the right to read and write the store (IRSA, workload identity); no right in the cluster."""
    credentials_secret: str | None = "ftjob-storage"
    """A Secret whose keys become environment variables (AWS_ACCESS_KEY_ID, ...), if it exists."""
    env: dict[str, str] = {}
    """Further variables that are not secret, such as AWS_ENDPOINT_URL and AWS_REGION."""
    pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    """When a node fetches an image that it has already."""
    cpu: str = "2"
    """Processors reserved for a worker; it may use more."""
    memory_bytes: int = Field(default=4 * 2**30, ge=2**20)
    """What a worker needs beside the net: Python, LMDB pages, the snapshot being written."""
    disk_bytes: int = Field(default=20 * 2**30, ge=0)
    """Room for weights and datasets where the plan does not have their size."""
    spot_labels: dict[str, str] = {}
    """What spot nodes are selected by, such as eks.amazonaws.com/capacityType: SPOT."""
    on_demand_labels: dict[str, str] = {}
    """What nodes are selected by for runs that must not be taken away."""
    ttl_seconds: int = Field(default=86400, ge=0)
    """How long a finished Job and its pod stay; by then the log is in the run's folder."""
    upload_bytes_per_second: float = Field(default=UPLOAD_BYTES_PER_SECOND, gt=0)
    """Assumed when the grace period is computed."""


class Planner(_Part):
    """The pods that plan runs submitted without a plan."""

    cpu: str = "250m"
    """Processors reserved for one; it may use more."""
    memory_bytes: int = Field(default=2 * 2**30, ge=2**28)
    """What one may take."""
    disk_bytes: int = Field(default=4 * 2**30, ge=2**28)
    """Room for the weights, which are read to the end."""
    deadline_seconds: int = Field(default=600, ge=30)
    """How long one may take, from the creation of its Job."""
    ttl_seconds: int = Field(default=3600, ge=60)
    """How long a finished one stays."""


class Config(_Part):
    """The controller's settings; every one but the images has a default that works."""

    cluster: str = ""
    """This cluster's name in the owner record of a run's folder."""
    images: WorkerImages = WorkerImages()
    worker: Worker = Worker()
    planner: Planner = Planner()
    poll_seconds: float = Field(default=5.0, gt=0)
    """Between two reconciles of a run that waits for something that sends no event."""
    progress_seconds: float = Field(default=30.0, ge=0)
    """Between two requests to a running worker, and at least between two writes of its numbers."""
    progress_share: float = Field(default=0.1, ge=0, lt=1)
    """The share of an attempt's age that its numbers may be behind, where that is longer."""
    backoff_seconds: float = Field(default=10.0, ge=0)
    """Before the first retry; doubled for every further one without progress."""
    backoff_limit_seconds: float = Field(default=300.0, ge=0)
    """The longest such pause."""
    max_disruptions: int = Field(default=20, ge=0)
    """Attempts in a row that may be taken away without a new snapshot in between."""
    min_attempt_seconds: float = Field(default=30.0, ge=0)
    """The least that a budget must still pay for before another attempt begins."""
    lost_seconds: float = Field(default=60.0, ge=0)
    """How long a deleted pod may outstay its grace period on a node that is silent."""

    lease_seconds: int = Field(default=15, ge=1)
    """How long a standby waits for a leader that died."""


def load_config(path: Path | None) -> Config:
    """Read the settings from a YAML file; there are no defaults for images. Raises BadSpecError."""
    config = _read(path) if path else Config()
    if problem := config.images.problem():
        raise BadSpecError(f"{path or '--config'}: {problem}")
    return config


def _read(path: Path) -> Config:
    try:
        return checked_as(Config, yaml.safe_load(read_text(path, LARGEST)) or {})
    except UnreadableError as error:
        raise BadSpecError(f"{path}: {error}; see docs/kubernetes.md") from None
    except OSError as error:
        raise BadSpecError(
            f"{path}: cannot be read ({error.strerror}); fix the path or its permissions"
        ) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        raise BadSpecError(f"{path}: is no YAML{where}; see docs/kubernetes.md") from None
