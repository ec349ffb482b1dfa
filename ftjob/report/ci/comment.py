"""A run in a few lines of Markdown, for a comment at a pull request."""

from collections.abc import Iterator

from ftjob.formatting import brief, dollars, percent
from ftjob.report.ci.codespan import cell, code
from ftjob.report.compare.comparison import Comparison
from ftjob.report.compare.summary import changed, verdict
from ftjob.report.confusion import most_confused
from ftjob.report.facts import Facts
from ftjob.report.words import difference, points
from ftjob.runfolder.records.acceptance import Acceptance
from ftjob.runfolder.records.evaluation import Evaluation
from ftjob.runfolder.status import State

PAIRS = 5
"""Most confused pairs in a comment."""
CLASSES = 3
"""Classes that changed most."""
MARKS = {State.SUCCEEDED: "✅", State.FAILED: "❌"}


def render_comment(facts: Facts, against: Comparison | None = None) -> str:
    """Return the comment, with how the run stands to another, of a comparison that begins with that one.

    Names from outside are code in it: they mention, link and break nothing.
    """
    status = facts.status
    mark = MARKS.get(status.state, "⚠️" if status.state.ended else "⏳")
    lines = [f"### {mark} {code(status.name)}: {status.state}, accuracy {percent(facts.accuracy)}", ""]
    if status.message and status.state is not State.SUCCEEDED:
        lines += [f"{code(status.reason)}: {code(status.message)}", ""]
    lines += [*_table(facts, against), ""]
    if against:
        lines += [verdict(against.differences[0], against.runs[0].run), ""]
    if facts.acceptance and facts.acceptance.requirements:
        lines += [*_accepted(facts.acceptance), ""]
    if facts.evaluation:
        lines += [*_confused(facts.evaluation), ""]
    if against and (classes := against.changed_classes):
        lines += ["**Changed most**", "", *changed(classes[:CLASSES]), ""]
    return "\n".join([*lines, f"<sub>run {code(facts.run)}</sub>", ""])


def _table(facts: Facts, against: Comparison | None) -> Iterator[str]:
    """Yield the figures, and in a column of their own how they stand to the other run's."""
    total, budget = facts.bill.total, facts.spec.budget if facts.spec else None
    limit = f" of {dollars(budget.usd)}" if budget and budget.usd else ""
    stands = against.differences[0] if against else None
    accuracy = points(stands.accuracy) if stands and stands.accuracy is not None else "–"
    cost = difference(stands.usd) if stands else "–"
    yield f"| | this run |{f' against {cell(against.runs[0].run)} |' if against else ''}"
    yield f"| :-- | --: |{' --: |' if against else ''}"
    yield f"| accuracy | {percent(facts.accuracy)} |{f' {accuracy} |' if against else ''}"
    yield f"| cost | {dollars(total.whole.usd)}{limit} |{f' {cost} |' if against else ''}"
    yield f"| time | {brief(total.whole.seconds)}, attempts: {total.attempts} |{' |' if against else ''}"


def _confused(evaluation: Evaluation) -> Iterator[str]:
    pairs = most_confused(evaluation, PAIRS)
    yield "**Most confused**" if pairs else "No image was given a wrong label."
    if pairs:
        yield ""
    for pair in pairs:
        taken = f"{code(pair.label)} taken for {code(pair.predicted)}"
        yield f"- {taken}: {pair.images} of {pair.of} ({percent(pair.share)})"


def _accepted(acceptance: Acceptance) -> Iterator[str]:
    on = f" on {code(acceptance.on)}" if acceptance.on else ""
    yield f"**{'Accepted' if acceptance.is_met else 'Not accepted'}**{on}, {acceptance.images} images"
    yield ""
    for each in acceptance.requirements:
        yield f"- {'✅' if each.met else '❌'} {code(each.message)}"
