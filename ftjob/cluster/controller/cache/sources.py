"""What the controller listens to: our Jobs and pods, by their label, budgets, by their name, FineTuneJobs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ftjob.cluster.controller.cache.kept import Kept
from ftjob.cluster.controller.cache.watch import Collections, Source
from ftjob.cluster.resource.names import BUDGET_CONFIG_MAP, LABEL_JOB, PLURAL
from ftjob.cluster.resource.objects import AttemptJob, Object, Pod, read_job, read_pod


@dataclass(frozen=True)
class Budget:
    """What a namespace may spend, as it was written."""

    namespace: str
    data: Mapping[str, str]

    @classmethod
    def of(cls, item: Object) -> "Budget":
        """Read the ConfigMap."""
        data = item.get("data") or {}
        return cls(item["metadata"]["namespace"], {str(key): str(value) for key, value in data.items()})


@dataclass(frozen=True)
class Sources:
    """Every kind of object, read into what we want of it."""

    jobs: Source[AttemptJob]
    pods: Source[Pod]
    budgets: Source[Budget]
    fine_tunes: Source[Kept]

    def each(self) -> tuple[Source[Any], ...]:
        """Return all of them."""
        return self.jobs, self.pods, self.budgets, self.fine_tunes

    @classmethod
    def of(cls, api: Collections, namespace: str | None) -> "Sources":
        """Return those of one namespace, or of all."""
        named = {"fieldSelector": f"metadata.name={BUDGET_CONFIG_MAP}"}
        return cls(
            Source(api, "jobs", namespace, read_job, labelSelector=LABEL_JOB),
            Source(api, "pods", namespace, read_pod, labelSelector=LABEL_JOB),
            Source(api, "configmaps", namespace, Budget.of, **named),
            Source(api, PLURAL, namespace, Kept.of),
        )
