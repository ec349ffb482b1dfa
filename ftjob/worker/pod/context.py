"""A worker's environment: where it runs and what came before it; read once, at its start."""

import importlib.util
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ftjob.nodes.profiles import ENV_NODES
from ftjob.runfolder.progress import PORT
from ftjob.runfolder.status import ENV_IMAGE, ENV_SECONDS_BEFORE, ENV_USD_BEFORE, ENV_USD_PER_HOUR

ENV_STATUS_PORT = "FTJOB_STATUS_PORT"
"""Overrides the port; 0 takes any that is free."""
ENV_TERMINATION_LOG = "FTJOB_TERMINATION_LOG"
TERMINATION_LOG = "/dev/termination-log"
"""Where a kubelet reads the termination message by default."""
ENV_METADATA = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
ENV_METADATA_DISABLED = "AWS_EC2_METADATA_DISABLED"
"""As AWS's own tools have them."""
ENV_MLFLOW, ENV_MLFLOW_EXPERIMENT = "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"
"""As MLflow's own clients have them."""
METADATA = "http://169.254.169.254"


@dataclass(frozen=True)
class PodAccounts:
    """What the controller has charged for its object's earlier pods, and what this one costs."""

    seconds_before: float
    usd_before: float
    usd_per_hour: float
    begun: float | None
    """When the pod reached its node, in seconds since 1970; None where that is unknown."""


@dataclass(frozen=True)
class PodContext:
    """Where a worker runs; by default on a user's own machine."""

    accounts: PodAccounts | None = None
    """None outside a cluster: the run's folder has the only accounts."""
    status_port: str = str(PORT)
    """Unparsed: a value that is no number must not end a run."""
    termination_log: Path = Path(TERMINATION_LOG)
    metadata: str | None = METADATA
    """The URL of the instance's metadata service; None where that is disabled."""
    image: str = ""
    """Of the pod's container; empty outside a cluster."""
    mlflow_uri: str = ""
    """Of the MLflow server that tracks runs; empty without one."""
    mlflow_experiment: str = ""
    """Empty: the run's name."""

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Self:
        """Read an environment, by default this process's."""
        env = os.environ if env is None else env
        disabled = env.get(ENV_METADATA_DISABLED, "").lower() == "true"
        return cls(
            accounts=_accounts(env) if ENV_SECONDS_BEFORE in env else None,
            status_port=env.get(ENV_STATUS_PORT, str(PORT)),
            termination_log=Path(env.get(ENV_TERMINATION_LOG, TERMINATION_LOG)),
            metadata=None if disabled else env.get(ENV_METADATA, METADATA),
            image=env.get(ENV_IMAGE, ""),
            mlflow_uri=env.get(ENV_MLFLOW, ""),
            mlflow_experiment=env.get(ENV_MLFLOW_EXPERIMENT, ""),
        )

    @property
    def mlflow_problem(self) -> str:
        """Why the MLflow server that the environment names gets nothing; empty where it will, or there is
        none."""
        if not self.mlflow_uri or importlib.util.find_spec("mlflow") is not None:
            return ""
        return (
            "MLFLOW_TRACKING_URI is set, but the package mlflow is not installed: the run is not tracked: "
            "install ftjob[mlflow], or unset the variable"
        )

    @property
    def spent(self) -> tuple[float, float]:
        """Seconds and dollars of the earlier pods; 0 outside a cluster."""
        return (self.accounts.seconds_before, self.accounts.usd_before) if self.accounts else (0.0, 0.0)


def set_defaults(variables: Mapping[str, str]) -> None:
    """Set variables that are not set, for libraries that read them."""
    for name, value in variables.items():
        os.environ.setdefault(name, value)


def _accounts(env: Mapping[str, str]) -> PodAccounts:
    return PodAccounts(
        float(env[ENV_SECONDS_BEFORE]),
        float(env[ENV_USD_BEFORE]),
        float(env[ENV_USD_PER_HOUR]),
        _mounted(env),
    )


def _mounted(env: Mapping[str, str]) -> float | None:
    """Return when the pod's volumes were made.

    The kubelet makes them when the pod reaches its node, before it pulls the image; so the mtime of the nodes
    file, which is in one of them, is that moment by the node's own clock.
    """
    try:
        return Path(env[ENV_NODES]).stat().st_mtime
    except (KeyError, OSError):
        return None
