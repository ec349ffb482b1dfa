"""Makes the FineTuneJob of a spec, which `ftjob submit` sends and `--dry-run` prints; pure."""

from typing import Any

from ftjob.cluster.resource.figures import annotation_of
from ftjob.cluster.resource.names import ANNOTATION_PLAN, API_VERSION, KIND
from ftjob.cluster.resource.request import identity_of
from ftjob.cluster.resource.status import Figures
from jobspec import JobSpec


def fine_tune_job(spec: JobSpec, namespace: str, figures: Figures | None = None) -> dict[str, Any]:
    """Return the object for a spec; with the figures of its plan no pod has to plan again.

    It has only the fields that the spec sets, without defaults, so that people can read it.
    """
    fields = spec.model_dump(mode="json", exclude_unset=True, exclude_none=True)
    fields.pop("name", None)
    metadata: dict[str, Any] = {"name": spec.name, "namespace": namespace}
    if figures is not None:
        metadata["annotations"] = {ANNOTATION_PLAN: annotation_of(figures, identity_of(spec))}
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": fields}
