"""What a budget's limit is, and whether it pays for a first snapshot."""

from ftjob.formatting import hour_count, hours
from ftjob.nodes.profiles import Node
from ftjob.plan.cost import Cost
from ftjob.plan.forecast import Forecast
from jobspec.spec import JobSpec


def too_poor(spec: JobSpec, node: Node, coming: Forecast) -> str:
    """Return a sentence where the budget ends before the first snapshot is due; else nothing."""
    cost, work = coming.cost, coming.work
    if cost.affordable_seconds is None or cost.least_seconds <= cost.affordable_seconds:
        return ""
    field = binding(spec, cost)
    return (
        f"{field}: {limit(spec, field)} does not pay for the start and the {work.first_snapshot} "
        f"iterations until the first snapshot, about {amount(field, cost.least_seconds, cost)} on "
        f"{node.name}: raise it, lower solver.snapshot or choose another node"
    )


def binding(spec: JobSpec, cost: Cost) -> str:
    """Return which budget is used up first."""
    budget, price = spec.budget, cost.usd_per_hour
    if budget.usd is None or not price:
        return "budget.hours"
    return "budget.usd" if budget.hours is None or budget.usd / price <= budget.hours else "budget.hours"


def limit(spec: JobSpec, field: str) -> str:
    """Return how much a budget allows."""
    budget = spec.budget
    return f"${budget.usd:g}" if field == "budget.usd" else hour_count(budget.hours or 0.0)


def amount(field: str, seconds: float, cost: Cost) -> str:
    """Return what so much time takes of a budget."""
    if field == "budget.hours":
        return hours(seconds)
    usd = seconds / 3600 * cost.usd_per_hour
    return f"${usd:.2f}" if usd >= 0.995 else f"${usd:.3g}"
