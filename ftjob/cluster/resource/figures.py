"""Extracts the figures of a plan that the cluster needs, and carries them in an annotation; pure."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import ConfigDict, ValidationError

from ftjob.cluster.resource.names import ANNOTATION_PLAN
from ftjob.cluster.resource.status import Figures

if TYPE_CHECKING:  # the controller, which reads annotations, has no need of what plans
    from ftjob.plan.plan import Plan

LONGEST = 4096
"""The most characters of the annotation that are read."""


class Hint(Figures):
    """A submitter's figures and the spec they are for: an edited spec is planned again."""

    model_config = ConfigDict(strict=True)

    identity: str
    """Of the spec (request.identity_of)."""


def figures_of(plan: "Plan") -> Figures:
    """Return the figures of a plan: of all its stages together, the memory of the largest."""
    memory, cost = plan.largest.forecast.memory, plan.cost
    return Figures(
        run_id=plan.run_id,
        engine=plan.engine.name,
        max_iter=plan.max_iter,
        snapshot_bytes=memory.weights + memory.history,
        memory_bytes=memory.total,
        data_bytes=plan.data_bytes,
        seconds=round(cost.total_seconds, 1),
        usd=round(cost.usd, 6),
    )


def annotation_of(figures: Figures, identity: str) -> str:
    """Return the annotation that `ftjob submit` writes, so that no pod has to plan again."""
    hint = Hint(identity=identity, **figures.model_dump())
    return hint.model_dump_json(by_alias=True, exclude_none=True)


def annotated(annotations: Mapping[str, str], identity: str) -> Figures | None:
    """Return the figures annotated for a spec; None where none are valid for it."""
    text = annotations.get(ANNOTATION_PLAN, "")
    if len(text) > LONGEST:
        return None
    try:
        hint = Hint.model_validate_json(text)
    except ValidationError:
        return None
    return Figures(**hint.model_dump(exclude={"identity"})) if hint.identity == identity else None
