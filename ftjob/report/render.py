"""A run's report and a comparison of several, and the forms they can be had in."""

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from ftjob.report.ci.comment import render_comment
from ftjob.report.ci.junit import render_junit
from ftjob.report.compare.comparison import Comparison, compare
from ftjob.report.compare.comparison_page import render_comparison
from ftjob.report.compare.summary import render_summary
from ftjob.report.compare.thumbnails import pictures_of
from ftjob.report.confusion import most_confused
from ftjob.report.facts import Facts
from ftjob.report.lessons.advice import what_next
from ftjob.report.page import render_page

PAIRS = 20
"""Most confused pairs in the JSON."""
IMAGES = 1000
"""Changed images in the JSON, each way."""


@dataclass(frozen=True)
class Report:
    """The report of a run, perhaps compared with another."""

    facts: Facts
    against: Facts | None = None

    @cached_property
    def comparison(self) -> Comparison | None:
        """How the run stands to the other, which is the first of the two."""
        return compare([self.against, self.facts]) if self.against else None

    def html(self) -> str:
        """Return a page of its own, with everything in it."""
        against = self.comparison
        if against is None or self.against is None:
            return render_page(self.facts)
        return render_page(self.facts, against, pictures_of(against, [self.facts, self.against]))

    def markdown(self) -> str:
        """Return a comment for a pull request."""
        return render_comment(self.facts, self.comparison)

    def junit(self) -> bytes:
        """Return JUnit's XML: a test case for the run, and for each requirement of `accept`."""
        return render_junit(self.facts)

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
            "mistakes": [
                {"key": each.key, "label": each.label, "predicted": each.predicted, "score": each.score}
                for each in facts.mistakes
            ],
            "next": what_next(facts),
            "acceptance": facts.acceptance.to_json() if facts.acceptance else None,
            "against": _against(self.comparison) if self.comparison else None,
        }


def _against(comparison: Comparison) -> dict[str, Any]:
    """Return how a run stands to another: the difference, whose `run` is the other one."""
    [difference] = comparison.to_json(IMAGES)["differences"]
    classes = [
        {"name": each.name, "before": each.before, "now": each.now}
        for each in comparison.changed_classes
        if None not in each.recalls
    ]
    return {**difference, "run": comparison.runs[0].run, "classes": classes}


@dataclass(frozen=True)
class ComparisonReport:
    """Runs beside one another, each compared with the first."""

    facts: tuple[Facts, ...]

    @cached_property
    def comparison(self) -> Comparison:
        """How the runs stand to the first of them."""
        return compare(self.facts)

    def html(self) -> str:
        """Return a page of its own, with pictures of what changed where their data are on this machine."""
        return render_comparison(self.comparison, pictures_of(self.comparison, self.facts))

    def markdown(self) -> str:
        """Return Markdown, for a pull request or a job's summary."""
        return render_summary(self.comparison)

    def to_json(self) -> dict[str, Any]:
        """Return the figures as plain values; docs/report.md has every field."""
        return self.comparison.to_json(IMAGES)
