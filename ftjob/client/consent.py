"""Consent to a run's cost, before it begins."""

import math
import os
from collections.abc import Callable

from ftjob.errors import BadSpecError
from ftjob.formatting import dollars
from ftjob.plan.plan import Plan
from ftjob.plan.shortfall import shortfall_of
from ftjob.prepare.sweep_plan import SweepPlan

ASK_ABOVE = "FTJOB_ASK_ABOVE_USD"
ASK_ABOVE_USD = 10.0

Consent = Callable[[Plan], None]
"""Receives a plan before anything begins, and raises BadSpecError to refuse it."""


def given(plan: Plan) -> None:
    """Agree to any plan unless its budget ends before the first snapshot."""
    if plan.too_poor:
        raise BadSpecError(plan.too_poor)


def unless_short(plan: Plan) -> None:
    """Agree to a run that its budget pays for."""
    _refuse_short(plan, shortfall_of(plan))


def asking(ask: Callable[[str], bool] | None, shortfall: str, *, yes: bool) -> Consent:
    """Return the command line's consent: `yes` is --yes, `ask` asks the person at the terminal (None if there
    is none), `shortfall` is shortfall_of the plan. It asks if the worst case is above
    $FTJOB_ASK_ABOVE_USD."""

    def consent(plan: Plan) -> None:
        if yes:
            return given(plan)
        _refuse_short(plan, shortfall)
        return _ask(question_of(plan), ask)

    return consent


def question_of(plan: Plan) -> str:
    """Return what somebody must agree to before a run begins; empty where nobody is asked."""
    return _question(plan.spec.name, plan.cost.usd, plan.cost.worst_usd)


def question_of_sweep(plan: SweepPlan) -> str:
    """Return what somebody must agree to before a sweep begins; empty where nobody is asked."""
    return _question(plan.spec.name, plan.usd, plan.worst_usd)


def _question(name: str, usd: float, worst_usd: float) -> str:
    """Return what to ask where the worst case is above the limit; else nothing."""
    costs = f"{name} costs about {dollars(usd)}, at worst {dollars(worst_usd)}"
    return costs if worst_usd > ask_above() else ""


def _ask(question: str, ask: Callable[[str], bool] | None) -> None:
    """Ask, where there is a question. Raises BadSpecError where the answer is no."""
    if not question:
        return
    if ask is None:
        limit = f"{dollars(ask_above())} ({ASK_ABOVE})"
        raise BadSpecError(f"submit: {question}, which is above {limit}: add --yes")
    if not ask(f"{question}. Submit?"):
        raise BadSpecError("submit: not confirmed, nothing was submitted")


def asking_for_sweep(ask: Callable[[str], bool] | None, *, yes: bool) -> Callable[[SweepPlan], None]:
    """Return the command line's consent to a sweep; see `asking`."""

    def consent(plan: SweepPlan) -> None:
        if not yes:
            _ask(question_of_sweep(plan), ask)

    return consent


def _refuse_short(plan: Plan, shortfall: str) -> None:
    given(plan)
    if shortfall:
        raise BadSpecError(f"{shortfall} (--yes submits it anyway)")


def ask_above() -> float:
    """Return the dollars above which submit asks. Raises BadSpecError if the variable is not an amount."""
    text = os.environ.get(ASK_ABOVE, "")
    try:
        limit = float(text or ASK_ABOVE_USD)
    except ValueError:
        limit = math.nan
    if not limit >= 0:
        raise BadSpecError(f"{ASK_ABOVE}: {text!r} is not an amount of dollars: give one, such as 10")
    return limit
