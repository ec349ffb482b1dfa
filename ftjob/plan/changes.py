"""Inputs that have changed since a run was submitted."""

from dataclasses import dataclass

from ftjob.errors import BadDataError, BadNetError
from ftjob.plan.plan import Plan
from ftjob.plan.plan_json import base_of
from ftjob.runfolder.records.plan import PlanDocument

SHOWN = 12
"""Digits of a digest that are enough to distinguish two."""


@dataclass(frozen=True)
class _Input:
    field: str
    location: str
    now: str
    """Digest; empty where there is none."""
    was: str
    mistake: type[BadNetError | BadDataError]


def refuse_changed(before: PlanDocument, plan: Plan) -> None:
    """Raise BadNetError or BadDataError for the first input whose digest is not the one of plan.json.

    `before` is the plan.json that was written when the run was submitted.
    """
    for each in _inputs(before, plan):
        if each.now != each.was:
            raise each.mistake(
                f"{each.field}: {each.location} has changed since the run was submitted: "
                f"sha256 {_shown(each.now)}, was {_shown(each.was)}: put it back, or submit the spec again"
            )


def refuse_changed_stage(before: PlanDocument, plan: Plan) -> None:
    """Raise BadDataError for the first stage before the last whose inputs have changed."""
    for number, (was, now) in enumerate(zip(before.stages, plan.earlier, strict=False)):
        if was.run_id != now.run_id:
            raise BadDataError(
                f"stages[{number}]: its net, weights or data changed since the run was submitted (they make "
                f"stage {now.run_id} now, and made {was.run_id}): put them back, or submit the spec again"
            )


def _inputs(before: PlanDocument, plan: Plan) -> list[_Input]:
    spec, inputs = plan.spec, plan.inputs
    now, was = base_of(plan), before.base
    train, val = spec.data.train, spec.data.val or spec.data.train
    mean = spec.data.mean if isinstance(spec.data.mean, str) else ""
    found = (
        ("base.net", spec.base.net, now.net_digest, was.net_digest, BadNetError),
        ("base.weights", spec.base.weights, now.weights_digest, was.weights_digest, BadNetError),
        ("data.train", train, inputs.train.digest, before.train.digest, BadDataError),
        ("data.val", val, inputs.val.digest, before.val.digest, BadDataError),
        ("data.mean", mean, now.mean_digest, was.mean_digest, BadDataError),
    )
    return [
        _Input(field, location or "", digest or "", earlier or "", mistake)
        for field, location, digest, earlier, mistake in found
    ]


def _shown(digest: str) -> str:
    return f"{digest[:SHOWN]}…" if digest else "of nothing"
