"""What is not any more what it was when a run was submitted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ftjob.errors import BadDataError, BadNetError
from ftjob.plan.plan import Plan

SHOWN = 12
"""Digits of a digest that are enough to tell two apart."""


@dataclass(frozen=True)
class _Input:
    field: str
    location: str
    now: str
    """Digest; empty where there is none."""
    was: str
    mistake: type[BadNetError | BadDataError]


def refuse_changed(before: Mapping[str, Any], plan: Plan) -> None:
    """Raise BadNetError or BadDataError for the first input whose digest is not the one of plan.json.

    `before` holds the values of the plan.json that was written when the run was submitted.
    """
    for each in _inputs(before, plan):
        if each.now != each.was:
            raise each.mistake(
                f"{each.field}: {each.location} is not what it was when the run was submitted: "
                f"sha256 {_shown(each.now)}, was {_shown(each.was)}: put it back, or submit the spec again"
            )


def _inputs(before: Mapping[str, Any], plan: Plan) -> list[_Input]:
    now, spec = plan.to_json(), plan.spec
    mean = spec.data.mean if isinstance(spec.data.mean, str) else ""
    return [
        _Input("base.net", spec.base.net, *_both(now, before, "base", "net_digest"), BadNetError),
        _Input(
            "base.weights",
            spec.base.weights or "",
            *_both(now, before, "base", "weights_digest"),
            BadNetError,
        ),
        _Input("data.train", spec.data.train, *_both(now, before, "train", "digest"), BadDataError),
        _Input(
            "data.val", spec.data.val or spec.data.train, *_both(now, before, "val", "digest"), BadDataError
        ),
        _Input("data.mean", mean, *_both(now, before, "base", "mean_digest"), BadDataError),
    ]


def _both(now: Mapping[str, Any], before: Mapping[str, Any], part: str, name: str) -> tuple[str, str]:
    return now[part][name] or "", before[part][name] or ""


def _shown(digest: str) -> str:
    return f"{digest[:SHOWN]}…" if digest else "of nothing"
