"""A run's report, and the forms it can be had in."""

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from ftjob.report.comment import render_comment
from ftjob.report.comparison import Comparison, compare
from ftjob.report.confusion import most_confused
from ftjob.report.facts import Facts
from ftjob.report.page import render_page

PAIRS = 20
"""Most confused pairs in the JSON."""


@dataclass(frozen=True)
class Report:
    """The report of a run, perhaps compared with another."""

    facts: Facts
    against: Facts | None = None

    @cached_property
    def comparison(self) -> Comparison | None:
        """How the run stands to the other."""
        return compare(self.facts, self.against) if self.against else None

    def html(self) -> str:
        """Return a page of its own, with everything in it."""
        return render_page(self.facts, self.comparison)

    def markdown(self) -> str:
        """Return a comment for a pull request."""
        return render_comment(self.facts, self.comparison)

    def to_json(self) -> dict[str, Any]:
        """Return the figures as plain values; docs/report.md has every field."""
        facts, status = self.facts, self.facts.status
        budget, cost = facts.spec.budget if facts.spec else None, facts.plan.cost if facts.plan else None
        results = facts.evaluation.classes if facts.evaluation else ()
        pairs = most_confused(facts.evaluation, PAIRS) if facts.evaluation else []
        return {
            "run": facts.run,
            "state": str(status.state),
            "reason": status.reason,
            "message": status.message,
            "iteration": status.iteration,
            "max_iter": status.max_iter,
            "accuracy": facts.accuracy,
            "budget": {"usd": budget.usd, "hours": budget.hours} if budget else None,
            "estimate": {"seconds": cost.total_seconds, "usd": cost.usd} if cost else None,
            "cost": facts.bill.to_json(),
            "classes": [asdict(each) for each in results],
            "confused": [pair.to_json() for pair in pairs],
            "against": self.comparison.to_json() if self.comparison else None,
        }
