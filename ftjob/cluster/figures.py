"""From a plan to the figures that the cluster needs of it: pure."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from ftjob.cluster.names import ANNOTATION_PLAN
from ftjob.cluster.status import Figures


def figures_of(document: Mapping[str, Any], data_bytes: int | None = None) -> Figures:
    """Return the figures of a plan, given as `Plan.to_json` has it (docs/plan.md)."""
    memory, cost = document["memory"], document["cost"]
    return Figures(
        run_id=document["run_id"],
        engine=document["engine"]["name"],
        max_iter=document["max_iter"],
        snapshot_bytes=memory["weights"] + memory["history"],
        memory_bytes=memory["total"],
        data_bytes=data_bytes,
        seconds=round(cost["total_seconds"], 1),
        usd=round(cost["usd"], 6),
    )


def annotation_of(figures: Figures) -> str:
    """Return what `ftjob submit` writes beside the spec, so that nobody has to plan again."""
    return json.dumps(figures.model_dump(mode="json", by_alias=True, exclude_none=True))


def annotated(annotations: Mapping[str, str]) -> Figures | None:
    """Return the figures that stand beside a spec; None where there are none that can be read."""
    try:
        return Figures.model_validate_json(annotations.get(ANNOTATION_PLAN, ""))
    except ValidationError:
        return None
