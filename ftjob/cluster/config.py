"""What an administrator sets for the controller: images, the workers' surroundings, patience."""

from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ftjob.errors import BadSpecError
from ftjob.plan.cost import UPLOAD_BYTES_PER_SECOND


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Images(_Part):
    """The worker's image for each kind of node."""

    caffe_cpu: str = "ftjob/worker-caffe-cpu:0.1.0"
    """Caffe on processors."""
    caffe_cuda: str = "ftjob/worker-caffe-cuda:0.1.0"
    """Caffe on GPUs from Kepler to Volta."""
    torch: str = "ftjob/worker-torch:0.1.0"
    """The torch engine, on any node."""

    def for_engine(self, engine: str, *, gpu: bool) -> str:
        """Return the image in which an engine runs on a node with or without a GPU."""
        if engine == "torch":
            return self.torch
        return self.caffe_cuda if gpu else self.caffe_cpu


class Worker(_Part):
    """What every worker pod has, whatever its job."""

    service_account: str = "ftjob-worker"
    """Gives it the right to read and write the store (IRSA, workload identity); no right in the cluster."""
    credentials_secret: str | None = "ftjob-storage"
    """A Secret whose keys become environment variables (AWS_ACCESS_KEY_ID, ...), where it is there."""
    env: dict[str, str] = {}
    """Further variables that are no secret, such as AWS_ENDPOINT_URL and AWS_REGION."""
    pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    """When a node fetches an image that it has already."""
    cpu: str = "2"
    """Processors that are kept for a worker; it may use more."""
    memory_bytes: int = Field(default=4 * 2**30, ge=2**20)
    """What a worker needs beside the net: Python, LMDB pages, the snapshot being written."""
    disk_bytes: int = Field(default=20 * 2**30, ge=0)
    """Room for weights and datasets where the plan does not say how large they are."""
    spot_labels: dict[str, str] = {}
    """What spot nodes are selected by, such as eks.amazonaws.com/capacityType: SPOT."""
    on_demand_labels: dict[str, str] = {}
    """What nodes are selected by for runs that must not be taken away."""
    ttl_seconds: int = Field(default=86400, ge=0)
    """How long a finished Job and its pod stay; the log is in the run's folder before."""
    upload_bytes_per_second: float = Field(default=UPLOAD_BYTES_PER_SECOND, gt=0)
    """Assumed when the grace period is reckoned."""


class Planner(_Part):
    """The pods that plan what nobody planned who submitted it."""

    cpu: str = "250m"
    """Processors that are kept for one; it may use more."""
    memory_bytes: int = Field(default=2 * 2**30, ge=2**28)
    """What one may take."""
    disk_bytes: int = Field(default=4 * 2**30, ge=2**28)
    """Room for the weights, which are read to the end."""
    deadline_seconds: int = Field(default=600, ge=30)
    """How long one may take, from the making of its Job."""
    ttl_seconds: int = Field(default=3600, ge=60)
    """How long one stays that is done."""


class Config(_Part):
    """The controller's settings; every one has a default that works."""

    cluster: str = ""
    """What this cluster is called in a run's folder, which keeps whom it belongs to."""
    images: Images = Images()
    worker: Worker = Worker()
    planner: Planner = Planner()
    poll_seconds: float = Field(default=5.0, gt=0)
    """Between two looks at a run that waits for something which nobody tells of."""
    progress_seconds: float = Field(default=30.0, ge=0)
    """Between two questions to a running worker, and at least between two writes of its numbers."""
    progress_share: float = Field(default=0.1, ge=0, lt=1)
    """The share of an attempt's age that its numbers may be behind, where that is longer."""
    backoff_seconds: float = Field(default=10.0, ge=0)
    """Before the first retry; doubled for every further one without progress."""
    backoff_limit_seconds: float = Field(default=300.0, ge=0)
    """The longest such pause."""
    max_disruptions: int = Field(default=20, ge=0)
    """Attempts in a row that may be taken away without a new snapshot in between."""
    min_attempt_seconds: float = Field(default=30.0, ge=0)
    """The least that a budget must still pay for, for another attempt to be worth beginning."""
    lost_seconds: float = Field(default=60.0, ge=0)
    """How long a deleted pod may outstay its grace period on a node that is silent."""

    lease_seconds: int = Field(default=15, ge=1)
    """How long the other controllers wait for one that died."""


def load_config(path: Path | None) -> Config:
    """Read the settings from a YAML file; without one, the defaults. Raises BadSpecError."""
    if path is None:
        return Config()
    try:
        return Config.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except (OSError, yaml.YAMLError) as error:
        raise BadSpecError(f"{path}: cannot be read ({error}); mend the file") from None
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise BadSpecError(f"{path}: {field}: {first['msg']}; see docs/kubernetes.md") from None
