"""A member of a sweep as the API server has it: made from the sweep's FineTuneJob, and read back."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from typing import Any, Self

from ftjob.cluster.resource.names import (
    ANNOTATION_CANCEL,
    ANNOTATION_PLAN,
    ANNOTATION_PLANS,
    API_VERSION,
    KIND,
    KUEUE_PREFIX,
    LABEL_SWEEP,
)
from ftjob.cluster.resource.objects import FineTune, Object
from ftjob.runfolder.status import State
from jobspec import JobSpec
from jobspec.spec import MOST_STAGES, Budget

STATES = {str(state): state for state in State}
UNDER_WAY = re.compile(r"\((\d{1,4}) of (\d{1,4})\)$")
"""The end of `status.stage`, as in `faces (2 of 3)`."""
LONGEST_PLANS = 200_000
"""Characters of all members' plans: an object's annotations have 256 KiB together."""


@dataclass(frozen=True, slots=True)
class SweepMember:
    """The few values of a member that its sweep's decisions need."""

    owner_uid: str
    state: State
    reason: str
    usd: float
    seconds: float
    tested: int | None
    max_iter: int
    accuracy: float | None
    cancel: str | None
    """The annotation with which it is asked to stop."""
    suspended: bool
    stages: int = 0
    """How many of its stages are complete. `tested` and `accuracy` are those of the last one."""

    @classmethod
    def of(cls, item: Object) -> Self:
        """Read a FineTuneJob, whatever its status holds: what makes no sense is passed over."""
        metadata, spec, status = item["metadata"], _object(item.get("spec")), _object(item.get("status"))
        owners = metadata.get("ownerReferences") or [{}]
        state = status.get("state")
        tested, max_iter = status.get("tested"), status.get("maxIter")
        accuracy = status.get("accuracy")
        stage = UNDER_WAY.search(str(status.get("stage")))
        number, stages = (int(stage[1]), int(stage[2])) if stage else (1, 1)
        if number < stages:
            tested = accuracy = None
        annotations = _object(metadata.get("annotations"))
        return cls(
            owner_uid=str(owners[0].get("uid", "")),
            state=STATES.get(str(state), State.PENDING),
            reason=str(status.get("reason", ""))[:64],
            usd=_number(status.get("usd")),
            seconds=_number(status.get("seconds")),
            tested=tested if isinstance(tested, int) else None,
            max_iter=max_iter if isinstance(max_iter, int) else 0,
            accuracy=min(1.0, _number(accuracy)) if isinstance(accuracy, int | float) else None,
            cancel=annotations.get(ANNOTATION_CANCEL),
            suspended=spec.get("suspend") is True,
            stages=min(max(0, number - 1), MOST_STAGES),
        )

    def differs(self, other: "SweepMember | None") -> bool:
        """Return whether a sweep may decide otherwise than it did for the other; money alone decides nothing
        before a member ends."""
        return other is None or self._decisive() != other._decisive()

    def _decisive(self) -> tuple[object, ...]:
        return (
            self.owner_uid,
            self.state,
            self.reason,
            self.tested,
            self.accuracy,
            self.stages,
            self.cancel,
            self.suspended,
        )


def member_object(parent: FineTune, spec: JobSpec, budget: Budget) -> dict[str, Any]:
    """Return the FineTuneJob of a sweep's member, always by the same name: created twice, it is one."""
    granted = budget.model_dump(mode="json", exclude_none=True)
    fields = spec.model_dump(mode="json", exclude_unset=True, exclude_none=True)
    fields.pop("name", None)
    fields.pop("budget", None)
    plan = plans_of(parent.annotations.get(ANNOTATION_PLANS, "")).get(spec.name)
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {
            "name": spec.name,
            "namespace": parent.namespace,
            "labels": {
                LABEL_SWEEP: parent.name,
                **{key: value for key, value in parent.labels.items() if key.startswith(KUEUE_PREFIX)},
            },
            **({"annotations": {ANNOTATION_PLAN: plan}} if plan else {}),
            "ownerReferences": [
                {
                    "apiVersion": API_VERSION,
                    "kind": KIND,
                    "name": parent.name,
                    "uid": parent.uid,
                    "controller": True,
                    "blockOwnerDeletion": False,
                }
            ],
        },
        "spec": {**fields, **({"budget": granted} if granted else {})},
    }


def annotation_of_plans(plans: Mapping[str, str]) -> str:
    """Return the annotation with the members' plans (figures.annotation_of) by name; those for which there is
    no room are planned by pods."""
    kept: dict[str, str] = {}
    room = LONGEST_PLANS
    for name, text in plans.items():
        room -= len(name) + len(json.dumps(text)) + 8
        if room < 0:
            break
        kept[name] = text
    return json.dumps(kept)


@lru_cache(maxsize=64)
def plans_of(text: str) -> Mapping[str, str]:
    """Return the members' plans in an annotation; none where it is none."""
    try:
        found = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {str(name): plan for name, plan in found.items() if isinstance(plan, str)}


def sweep_of(item: Object) -> str:
    """Return the key of the sweep that a FineTuneJob's label names; empty for any other."""
    metadata = item["metadata"]
    name = _object(metadata.get("labels")).get(LABEL_SWEEP)
    return f"{metadata.get('namespace', '')}/{name}" if isinstance(name, str) and name else ""


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _number(value: Any) -> float:
    """Return a value that is a finite number of at least 0, else 0."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return max(0.0, float(value)) if number and isfinite(value) else 0.0
