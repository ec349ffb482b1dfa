"""Plans every member of a sweep; what they share is read once."""

import heapq
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ftjob.errors import BadSpecError
from ftjob.formatting import dollars, duration, hours
from ftjob.plan.inputs import Inputs
from ftjob.plan.plan import Plan
from ftjob.prepare.prepare import Context, StagePlans, absolute, plan_of, prepare, read_inputs
from jobspec import JobSpec, Member, SpecError, members
from jobspec.locations import FIELDS, with_values
from jobspec.sweeps.members import sweep_id
from jobspec.sweeps.swept_field import SweptField


@dataclass(frozen=True)
class PlannedMember:
    """A member and its plan, whose budget is the whole sweep's."""

    member: Member
    plan: Plan
    copied: int = 0
    """How many of its stages a member before it has as well, and trains."""

    @property
    def seconds(self) -> float:
        """Of node time, without the stages that it copies."""
        return sum(stage_seconds(self.plan)[self.copied :])

    @property
    def usd(self) -> float:
        """What its own time costs."""
        return self.seconds / 3600 * self.plan.forecast.cost.usd_per_hour


@dataclass(frozen=True)
class SweepPlan:
    """The plans of a sweep's members."""

    given: JobSpec
    """The spec as its user wrote it."""
    spec: JobSpec
    """The same with every path absolute."""
    sweep_id: str
    members: tuple[PlannedMember, ...]

    @property
    def usd(self) -> float:
        """What all members cost together where none is stopped."""
        return sum(each.usd for each in self.members)

    @property
    def seconds(self) -> float:
        """Of node time, over all members."""
        return sum(each.seconds for each in self.members)

    @property
    def parallel_seconds(self) -> float:
        """How long it takes with as many members at a time as `sweep.parallel` allows."""
        assert self.spec.sweep
        free = [0.0] * min(self.spec.sweep.parallel, len(self.members))
        for each in self.members:
            heapq.heapreplace(free, free[0] + each.seconds)
        return max(free)

    @property
    def worst_usd(self) -> float:
        """The most that it may cost: its budget, or the worst case of every member."""
        usd = self.spec.budget.usd
        worst = sum(each.plan.cost.worst_usd for each in self.members)
        return worst if usd is None else min(usd, worst)

    @property
    def problems(self) -> tuple[str, ...]:
        """What would fail first, by member."""
        return tuple(f"{each.member.name}: {text}" for each in self.members for text in each.plan.problems)

    @property
    def in_words(self) -> tuple[str, ...]:
        """What all members cost and take together, in a few lines."""
        sweep, limit = self.spec.sweep, self.spec.budget.usd
        assert sweep
        at_once = f"{sweep.parallel} at a time" if sweep.parallel > 1 else "one at a time"
        together = f"together {dollars(self.usd)} and {duration(self.seconds)} of {self.spec.resources.node}"
        copied = sum(bool(each.copied) for each in self.members)
        lines = [f"{together}; {duration(self.parallel_seconds)}, {at_once}"]
        lines += [f"members that copy a stage from another: {copied}"] if copied else []
        if halving := sweep.halving:
            best = f"the best 1/{halving.factor} continue after {halving.first}"
            lines.append(f"less with halving: {best}")
        lines += [f"budget {dollars(limit)} for all"] if limit is not None else []
        return tuple(lines)

    @property
    def shortfall(self) -> str:
        """A sentence where the budget does not pay for every member to its end; else empty."""
        budget = self.spec.budget
        for field, limit, needed, words in (
            ("usd", budget.usd, self.usd, dollars),
            ("hours", budget.hours and budget.hours * 3600, self.seconds, hours),
        ):
            if limit is not None and needed > limit:
                return (
                    f"budget.{field}: {words(limit)} does not pay for all members to their end, about "
                    f"{words(needed)}: each gets an equal share of what is left, and ends where that does"
                )
        return ""

    def to_json(self) -> dict[str, Any]:
        """Return the figures as plain values; docs/sweeps.md has every field."""
        return {
            "sweep": f"{self.spec.name}/{self.sweep_id}",
            "members": [
                {
                    "name": each.member.name,
                    "run_id": each.plan.run_id,
                    "overrides": dict(each.member.overrides),
                    "iterations": each.plan.max_iter,
                    "seconds": each.seconds,
                    "usd": each.usd,
                    "stages_copied": each.copied,
                }
                for each in self.members
            ],
            "usd": self.usd,
            "usd_worst": self.worst_usd,
            "seconds": self.seconds,
            "parallel_seconds": self.parallel_seconds,
            "problems": list(self.problems),
            "shortfall": self.shortfall,
        }


def stage_seconds(plan: Plan) -> tuple[float, ...]:
    """Return what each stage of a run takes; the node's start is the last one's, since a run that copies the
    others has it too."""
    own = [each.forecast.cost.total_seconds - each.forecast.cost.startup_seconds for each in plan.earlier]
    return (*own, plan.cost.total_seconds - sum(own))


class MemberPlanner:
    """Plans one member after another, and reads nothing twice that they share."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._read: dict[str, Inputs] = {}
        self._stages: StagePlans = {}

    def plan(self, spec: JobSpec) -> Plan:
        """Return a member's plan. Raises FtjobError."""
        placed = absolute(spec, self._context)
        if placed.stages:
            return prepare(placed, self._context, self._stages)
        decides = placed.canonical()
        shared = [decides[section] for section in ("base", "data", "resources", "accept")]
        key = json.dumps([*shared, placed.surgery.num_output, placed.images_per_iteration], sort_keys=True)
        if key not in self._read:
            self._read[key] = read_inputs(placed, self._context)
        return plan_of(replace(self._read[key], spec=placed))


def plan_sweep(spec: JobSpec, context: Context) -> SweepPlan:
    """Return the plans of all members of a spec's sweep.

    Raises FtjobError, BadSpecError where the budget of all does not pay for the cheapest member.
    """
    placed = absolute_sweep(spec, context)
    try:
        found, own_id = members(placed), sweep_id(placed)
    except SpecError as error:
        raise BadSpecError(str(error)) from None
    planner = MemberPlanner(context)
    made = []
    trained: set[str] = set()
    for member in found:
        copied = sum(stage in trained for stage in member.stages)
        made.append(PlannedMember(member, planner.plan(member.spec), copied))
        trained.update(member.stages)
    _refuse_too_dear(spec, made)
    return SweepPlan(spec, placed, own_id, tuple(made))


def absolute_sweep(spec: JobSpec, context: Context) -> JobSpec:
    """Return a spec with every path absolute, those among the values of its sweep included."""
    placed = absolute(spec, context)
    assert spec.sweep
    changed = {}
    for field, values in spec.sweep.fields.items():
        swept = SweptField.parse(field)
        if f"{swept.section}.{swept.name}" in FIELDS and isinstance(values, list):
            changed[field] = [_absolute_value(spec, swept, value, context) for value in values]
    sweep = spec.sweep.model_validate({**spec.sweep.model_dump(mode="json", exclude_unset=True), **changed})
    return placed.model_copy(update={"sweep": sweep})


def _absolute_value(spec: JobSpec, field: SweptField, value: Any, context: Context) -> Any:
    if not isinstance(value, str):
        return value
    placed = absolute(with_values(spec, {f"{field.section}.{field.name}": value}), context)
    return getattr(getattr(placed, field.section), field.name)


def _refuse_too_dear(spec: JobSpec, made: Sequence[PlannedMember]) -> None:
    """Raise BadSpecError where the whole budget is less than the cheapest member needs."""
    cheapest = min(made, key=lambda each: each.plan.cost.total_seconds)
    cost, budget = cheapest.plan.cost, spec.budget
    for field, limit, needed, words in (
        ("usd", budget.usd, cost.usd, dollars),
        ("hours", budget.hours and budget.hours * 3600, cost.total_seconds, hours),
    ):
        if limit is not None and needed > limit:
            raise BadSpecError(
                f"budget.{field}: {words(limit)} is for all members of the sweep, and the cheapest, "
                f"{cheapest.member.name} ({cheapest.member.label}), needs about {words(needed)}: raise it, "
                "or make the members shorter"
            )
