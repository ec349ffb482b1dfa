"""A budget that does not pay for the whole run: what it pays for, and what it would pay for instead."""

from dataclasses import dataclass, replace
from math import floor

from ftjob.errors import FtjobError
from ftjob.net.proto.caffe_pb2 import TRAIN
from ftjob.net.topology.graph import graph
from ftjob.net.topology.phases import phase_view
from ftjob.nodes.profiles import LOCAL, Node
from ftjob.plan.budget import amount, binding, limit
from ftjob.plan.forecast import corrected
from ftjob.plan.plan import Plan, make_plan
from jobspec.spec import FreezeUpTo, JobSpec

NEAR = 0.95
"""A length that turns out too long, since its tests and steps fall otherwise, is shortened by this."""
TRIES = 8


@dataclass(frozen=True)
class Change:
    """A value of one field of the spec with which the estimate fits the budget."""

    field: str
    value: str
    plan: Plan


def shortfall_of(plan: Plan) -> str:
    """Return a sentence if the budget does not pay for the whole run, with what it would pay for; else
    empty text.

    Then it plans up to TRIES + 16 times, since nothing is suggested that was not planned: call it once, and
    hand the sentence on.
    """
    cost, work = plan.forecast.cost, plan.forecast.work
    if plan.is_paid or plan.too_poor:
        return ""
    if plan.stages:
        return _of_stages(plan)
    field = binding(plan.spec, cost)
    paid = cost.affordable_iterations or 0
    changes = [_in_words(change, field) for change in changes_that_fit(plan)]
    instead = f"what would fit: {', or '.join(changes)}" if changes else "nothing that was tried would fit"
    return (
        f"{field}: {limit(plan.spec, field)} does not pay for the estimate of "
        f"{amount(field, cost.total_seconds, cost)} on {plan.inputs.node.name}; {instead}; as it is, "
        f"training ends with what it has after about {paid} of {work.max_iter} iterations "
        f"({paid / work.max_iter:.0%})"
    )


def _of_stages(plan: Plan) -> str:
    """Return the sentence for a run with stages, of which the first that lacks its money is named."""
    cost, where = plan.cost, plan.inputs.node.name
    field = binding(plan.submitted, cost)
    if plan.unpaid_stages and cost.total_seconds <= (cost.affordable_seconds or 0.0):
        number = plan.unpaid_stages[0]
        stage = plan.stages[number]
        return (
            f"stages[{number}].budget: {limit(stage.spec, field)} does not pay for the estimate of "
            f"{amount(field, stage.forecast.cost.total_seconds, cost)} on {where}: give it a larger share; "
            "as it is, the next stage begins from what it has by then"
        )
    return (
        f"{field}: {limit(plan.submitted, field)} does not pay for the estimate of "
        f"{amount(field, cost.total_seconds, cost)} of all {len(plan.stages)} stages on {where}: raise it, "
        "or make a stage shorter"
    )


def changes_that_fit(plan: Plan) -> list[Change]:
    """Return what was planned and fits: fewer iterations, more layers frozen, the cheapest other node."""
    found = (_shorter(plan), _more_frozen(plan), _other_node(plan))
    return [change for change in found if change]


def _shorter(plan: Plan) -> Change | None:
    work = plan.forecast.work
    by_iterations = plan.spec.solver.max_iter is not None
    field, name = ("solver.max_iter", "max_iter") if by_iterations else ("solver.epochs", "epochs")
    exact = float(plan.forecast.cost.affordable_iterations or 0)
    if not by_iterations:
        exact *= work.images_per_iteration / work.train_images
    for _ in range(TRIES):
        value = floor(exact) if by_iterations or exact >= 1 else floor(exact * 10) / 10
        if not value:
            return None
        solver = plan.spec.solver.model_copy(update={name: value if by_iterations else float(value)})
        changed = _again(plan, plan.spec.model_copy(update={"solver": solver}))
        if changed:
            return Change(field, f"{value:g}" if not by_iterations else str(value), changed)
        exact = value * NEAR
    return None


def _more_frozen(plan: Plan) -> Change | None:
    """Find the first layer on the way to the main head up to which it is enough to freeze."""
    if plan.inputs.weights is None:
        return None

    def frozen(name: str) -> Plan | None:
        surgery = plan.spec.surgery.model_copy(update={"freeze": FreezeUpTo(up_to=name)})
        made = _again(plan, plan.spec.model_copy(update={"surgery": surgery}))
        return made if made and set(plan.frozen) <= set(made.frozen) else None

    names = trunk(plan)
    low, high, best = 0, len(names), None
    while low < high:
        middle = (low + high) // 2
        made = frozen(names[middle])
        if made:
            high, best = middle, Change("surgery.freeze", f"{{up_to: {names[middle]}}}", made)
        else:
            low = middle + 1
    return best


def trunk(plan: Plan) -> list[str]:
    """Return what can be frozen on the way to the main head, in the net's order: the layers that are copied,
    those of one block (`inception_4a/...`) by its name."""
    layers = graph(phase_view(plan.train_val, TRAIN))
    head = next(index for index, layer in enumerate(layers.layers) if layer.name == plan.main_head.layer)
    way = {layers.layers[index].name for index in layers.upstream([head])}
    kept = [row.layer for row in plan.transfer if row.kind in ("copied", "frozen") and row.layer in way]
    return list(dict.fromkeys(name.partition("/")[0] for name in kept))


def _other_node(plan: Plan) -> Change | None:
    """Find the cheapest node on which it fits and the same engine trains; `local` is nowhere to submit to."""
    found = []
    for node in plan.inputs.nodes:
        if node.name in (plan.inputs.node.name, LOCAL):
            continue
        resources = plan.spec.resources.model_copy(update={"node": node.name})
        spec = plan.spec.model_copy(update={"resources": resources})
        made = _again(plan, spec, node)
        if made and made.engine.name == plan.engine.name:
            found.append(made)
    best = min(
        found, key=lambda made: (made.forecast.cost.usd, made.forecast.cost.total_seconds), default=None
    )
    return Change("resources.node", best.inputs.node.name, best) if best else None


def _again(plan: Plan, spec: JobSpec, node: Node | None = None) -> Plan | None:
    """Plan a changed spec; return the plan where the budget pays for all of it and nothing else is wrong."""
    try:
        made = make_plan(replace(plan.inputs, spec=spec, node=node or plan.inputs.node))
    except FtjobError:
        return None  # a node without a spot price, a layer that cannot be frozen: it is no way out
    if node is None:
        made = _as_far_off(made, plan)
    return made if made.forecast.is_paid and not made.problems else None


def _as_far_off(made: Plan, plan: Plan) -> Plan:
    """Return a plan for the same node, as far from its profile as the first one was measured to be."""
    measured, predicted = plan.forecast.measured, plan.forecast.predicted
    if measured is None:
        return made
    slower = made.forecast.predicted
    tested = measured.test_seconds_per_image
    scaled = measured.model_copy(
        update={
            "train_seconds_per_image": measured.train_seconds_per_image * slower.train / predicted.train,
            "test_seconds_per_image": tested and tested * slower.test / predicted.test,
        }
    )
    return replace(made, forecast=corrected(made.forecast, made.inputs, scaled))


def _in_words(change: Change, field: str) -> str:
    cost = change.plan.forecast.cost
    return f"{change.field} {change.value} ({amount(field, cost.total_seconds, cost)})"
