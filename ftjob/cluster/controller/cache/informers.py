"""The controller's informers: its Jobs and pods by label, budgets by name, and FineTuneJobs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ftjob.cluster.controller.cache.cached_job import CachedJob
from ftjob.cluster.controller.cache.informer import Informer, ListerWatcher
from ftjob.cluster.resource.names import BUDGET_CONFIG_MAP, LABEL_JOB, PLURAL
from ftjob.cluster.resource.objects import AttemptJob, Object, Pod, read_job, read_pod


@dataclass(frozen=True)
class NamespaceBudget:
    """A namespace's budget as its ConfigMap has it, unparsed."""

    namespace: str
    data: Mapping[str, str]

    @classmethod
    def of(cls, item: Object) -> "NamespaceBudget":
        """Read the ConfigMap."""
        data = item.get("data") or {}
        return cls(item["metadata"]["namespace"], {str(key): str(value) for key, value in data.items()})


@dataclass(frozen=True)
class Informers:
    """An informer for each kind of object."""

    jobs: Informer[AttemptJob]
    pods: Informer[Pod]
    budgets: Informer[NamespaceBudget]
    fine_tunes: Informer[CachedJob]

    def each(self) -> tuple[Informer[Any], ...]:
        """Return all of them."""
        return self.jobs, self.pods, self.budgets, self.fine_tunes

    @classmethod
    def of(cls, api: ListerWatcher, namespace: str | None) -> "Informers":
        """Return informers for one namespace, or for all."""
        named = {"fieldSelector": f"metadata.name={BUDGET_CONFIG_MAP}"}
        return cls(
            Informer(api, "jobs", namespace, read_job, labelSelector=LABEL_JOB),
            Informer(api, "pods", namespace, read_pod, labelSelector=LABEL_JOB),
            Informer(api, "configmaps", namespace, NamespaceBudget.of, **named),
            Informer(api, PLURAL, namespace, CachedJob.of),
        )
